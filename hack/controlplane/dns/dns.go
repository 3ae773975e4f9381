package dns

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/client-go/tools/clientcmd"
)

// lifetime of an answer in seconds. Short, because tests replace pods.
const lifetime = 1

// server answers from what its informers have seen.
type server struct {
	services corelisters.ServiceLister
	slices   discoverylisters.EndpointSliceLister
	suffix   string // such as .svc.cluster.local.
	log      *slog.Logger
}

// Run answers queries on the UDP address until ctx ends, which is no error. domain is the cluster's, such as cluster.local.
func Run(ctx context.Context, kubeconfig, address, domain string, out io.Writer) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return fmt.Errorf("reading the kubeconfig %s: %w", kubeconfig, err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client from %s: %w", kubeconfig, err)
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	s := &server{
		services: factory.Core().V1().Services().Lister(),
		slices:   factory.Discovery().V1().EndpointSlices().Lister(),
		suffix:   ".svc." + domain + ".",
		log:      slog.New(slog.NewTextHandler(out, nil)),
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	socket, err := (&net.ListenConfig{}).ListenPacket(ctx, "udp", address)
	if err != nil {
		return fmt.Errorf("listening for queries: %w", err)
	}
	context.AfterFunc(ctx, func() { _ = socket.Close() })
	s.log.Info("Resolving the names of Services", "address", address)
	return s.serve(ctx, socket)
}

// serve answers one query after the other; none takes longer than a look into memory.
func (s *server) serve(ctx context.Context, socket net.PacketConn) error {
	query := make([]byte, 1500)
	for {
		n, from, err := socket.ReadFrom(query)
		switch {
		case errors.Is(err, net.ErrClosed) && ctx.Err() != nil:
			return nil //nolint:nilerr // closed because ctx has ended
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("reading a query: %w", err)
		case err != nil:
			time.Sleep(time.Millisecond) // such as a port that an answer did not find open
			continue
		}
		answer, err := s.answer(query[:n])
		if err != nil {
			s.log.Info("Ignored a query", "error", err)
			continue
		}
		if _, err := socket.WriteTo(answer, from); err != nil {
			s.log.Info("Could not answer", "error", err)
		}
	}
}

// answer makes the answer to a query; an error when it is none.
func (s *server) answer(query []byte) ([]byte, error) {
	var parser dnsmessage.Parser
	header, err := parser.Start(query)
	if err != nil {
		return nil, fmt.Errorf("reading a query: %w", err)
	}
	question, err := parser.Question()
	if err != nil || header.Response {
		return nil, fmt.Errorf("reading a query's question: %w", errors.Join(err, errors.New("it is no query")))
	}
	addresses, exists := s.lookup(strings.ToLower(question.Name.String()))
	response := dnsmessage.Message{
		Header: dnsmessage.Header{
			ID: header.ID, Response: true, Authoritative: true, RecursionDesired: header.RecursionDesired, RecursionAvailable: true,
		},
		Questions: []dnsmessage.Question{question},
	}
	if !exists {
		response.RCode = dnsmessage.RCodeNameError
	}
	if question.Type == dnsmessage.TypeA && question.Class == dnsmessage.ClassINET {
		for _, address := range addresses {
			response.Answers = append(response.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: question.Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET, TTL: lifetime},
				Body:   &dnsmessage.AResource{A: address.As4()},
			})
		}
	}
	return response.Pack()
}

// lookup finds a name's addresses; exists is true as well for a Service without any.
func (s *server) lookup(name string) (addresses []netip.Addr, exists bool) {
	inside, isService := strings.CutSuffix(name, s.suffix)
	if !isService {
		return nil, false
	}
	parts := strings.Split(inside, ".")
	host := ""
	if len(parts) == 3 {
		host, parts = parts[0], parts[1:]
	}
	if len(parts) != 2 {
		return nil, false
	}
	service, err := s.services.Services(parts[1]).Get(parts[0])
	if err != nil {
		return nil, false
	}
	if service.Spec.ClusterIP != corev1.ClusterIPNone {
		return valid(service.Spec.ClusterIP), host == ""
	}
	endpoints, err := s.slices.EndpointSlices(service.Namespace).List(labels.SelectorFromSet(labels.Set{discoveryv1.LabelServiceName: service.Name}))
	if err != nil {
		return nil, false
	}
	addresses = endpointAddresses(endpoints, host, service.Spec.PublishNotReadyAddresses)
	return addresses, host == "" || len(addresses) > 0
}

// endpointAddresses are those of the pods that are ready, or of the pod with the host name.
func endpointAddresses(endpoints []*discoveryv1.EndpointSlice, host string, unready bool) []netip.Addr {
	var addresses []netip.Addr
	for _, slice := range endpoints {
		for _, endpoint := range slice.Endpoints {
			isReady := unready || endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready
			isHost := host == "" || endpoint.Hostname != nil && *endpoint.Hostname == host
			if isReady && isHost {
				addresses = append(addresses, valid(endpoint.Addresses...)...)
			}
		}
	}
	return addresses
}

// valid are the texts that are IPv4 addresses.
func valid(texts ...string) []netip.Addr {
	var addresses []netip.Addr
	for _, text := range texts {
		if address, err := netip.ParseAddr(text); err == nil && address.Is4() {
			addresses = append(addresses, address)
		}
	}
	return addresses
}
