package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// sale is one sale of this run.
type sale struct {
	order, product string
	instance       string // id and name, once the purchase was answered
	namespace      string // the tenant's, once it runs
}

func newSale(name, product string) *sale {
	return &sale{order: "E2E-" + world.keys.run + "-" + name, product: product}
}

// postOrder makes an order known to the fake open API: somebody has bought.
func postOrder(ctx context.Context, orderID, orderType, product string, quantity int) error {
	const form = "20060102150405" // of an order's times, in UTC
	now := time.Now().UTC()
	body, err := json.Marshal(map[string]any{
		"orderId": orderID, "orderType": orderType, "createTime": now.Format(form),
		"orderLine": []any{map[string]any{
			"orderLineId": orderID + "-000001", "chargingMode": "PERIOD", "periodType": "month", "periodNumber": 1,
			"expireTime": now.Add(24 * time.Hour).Format(form),
			"productInfo": []any{map[string]any{
				"productId": "OFFI-E2E-" + strings.ToUpper(product), "skuCode": "e2e-" + product, "productName": product, "linearValue": quantity,
			}},
		}},
		"buyerInfo": map[string]any{"customerId": "e2e-customer", "customerName": "Shop: \"A\" & {{ B }} # 1"},
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+world.orders.address()+"/orders", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	transport := &http.Transport{TLSClientConfig: world.trust.client()}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return fmt.Errorf("posting an order: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusCreated {
		reason, _ := io.ReadAll(io.LimitReader(answer.Body, 300))
		return fmt.Errorf("posting an order: status %d: %s", answer.StatusCode, reason)
	}
	return nil
}

// simulated is what is read of `stallkeeper simulate -o json`.
type simulated struct {
	Problems []string `json:"problems"`
	Answer   struct {
		ResultCode string `json:"resultCode"`
		InstanceID string `json:"instanceId"`
	} `json:"answer"`
}

// simulate makes one call of the marketplace with the simulator. An answer that KooGallery would not accept is an error.
func simulate(ctx context.Context, verb string, flags ...string) (simulated, error) {
	var result simulated
	output, err := run(ctx,
		[]string{"CALLBACK_URL=" + world.url, "ACCESS_KEY=" + world.keys.accessKey, "CA_FILE=" + world.trust.file}, "",
		append([]string{os.Getenv("E2E_STALLKEEPER"), "simulate", verb, "-o", "json"}, flags...)...)
	if decodeErr := json.Unmarshal([]byte(output), &result); decodeErr != nil {
		return result, errors.Join(err, decodeErr)
	}
	if err != nil {
		return result, fmt.Errorf("%s: %s", verb, strings.Join(result.Problems, "; "))
	}
	return result, nil
}

// call is a call that must succeed, perhaps at a later attempt: KooGallery repeats a call that was not answered.
func call(ctx context.Context, verb string, flags ...string) simulated {
	GinkgoHelper()
	var result simulated
	Eventually(func() (err error) {
		result, err = simulate(ctx, verb, flags...)
		return err
	}).WithContext(ctx).WithTimeout(30 * time.Second).WithPolling(time.Second).Should(Succeed())
	return result
}

// purchase buys.
func (s *sale) purchase(ctx context.Context, quantity int) {
	GinkgoHelper()
	Expect(postOrder(ctx, s.order, "NEW", s.product, quantity)).To(Succeed())
	s.instance = call(ctx, "purchase", "--order", s.order).Answer.InstanceID
	Expect(s.instance).NotTo(BeEmpty())
}

// get reads the instance.
func (s *sale) get(ctx context.Context) (*v1alpha1.MarketplaceInstance, error) {
	instance := &v1alpha1.MarketplaceInstance{}
	return instance, world.kube.Get(ctx, client.ObjectKey{Namespace: salesNamespace, Name: s.instance}, instance)
}

// untilRuns waits until the instance is ready and its workloads have all their pods.
func (s *sale) untilRuns(ctx context.Context, quantity int32) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		instance, err := s.get(ctx)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(notReady(instance.Status.Conditions)).To(BeEmpty())
		s.namespace = instance.Status.Namespace
		g.Expect(s.namespace).NotTo(BeEmpty())
		web, store := &appsv1.Deployment{}, &appsv1.StatefulSet{}
		g.Expect(world.kube.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: "web"}, web)).To(Succeed())
		g.Expect(world.kube.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: "store"}, store)).To(Succeed())
		g.Expect(*web.Spec.Replicas).To(Equal(quantity))
		g.Expect(web.Status.ReadyReplicas).To(Equal(quantity))
		g.Expect(store.Status.ReadyReplicas).To(Equal(int32(1)))
	}).WithContext(ctx).Should(Succeed())
}

// untilGone waits until the tenant's namespace is gone.
func (s *sale) untilGone(ctx context.Context) {
	GinkgoHelper()
	Eventually(func() bool {
		return apierrors.IsNotFound(world.kube.Get(ctx, client.ObjectKey{Name: s.namespace}, &corev1.Namespace{}))
	}).WithContext(ctx).WithTimeout(2*time.Minute).Should(BeTrue(), "the namespace "+s.namespace+" must go")
}

// pods are the tenant's.
func (s *sale) pods(ctx context.Context) ([]corev1.Pod, error) {
	var pods corev1.PodList
	err := world.kube.List(ctx, &pods, client.InNamespace(s.namespace))
	return pods.Items, err
}

// claims are the tenant's, with their UIDs and volumes by name.
func (s *sale) claims(ctx context.Context) (map[string]string, error) {
	var claims corev1.PersistentVolumeClaimList
	if err := world.kube.List(ctx, &claims, client.InNamespace(s.namespace)); err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, claim := range claims.Items {
		found[claim.Name] = string(claim.UID) + " " + claim.Spec.VolumeName
	}
	return found, nil
}

// visit asks one of the tenant's servers, as a visitor who comes through the namespace that the product lets in. With a text it
// is posted.
func (s *sale) visit(ctx context.Context, service, path, posted string) (string, error) {
	address, err := s.address(ctx, service)
	if err != nil {
		return "", err
	}
	args := []string{"exec", "-n", visitorsNamespace, "visitor", "--", "timeout", "5", "wget", "-q", "-O", "-"}
	if posted != "" {
		args = append(args, "--post-data="+posted)
	}
	return kubectl(ctx, "", append(args, "http://"+address+path)...)
}

// untilSeen visits until a page is as it should be: a Service's new address takes a moment to lead anywhere.
func (s *sale) untilSeen(ctx context.Context, service, path, posted, text string) {
	GinkgoHelper()
	Eventually(func() (string, error) { return s.visit(ctx, service, path, posted) }).WithContext(ctx).Should(ContainSubstring(text))
}

// address is that of a tenant's Service. Not its name: Debian's static busybox can't resolve names.
func (s *sale) address(ctx context.Context, service string) (string, error) {
	found := &corev1.Service{}
	err := world.kube.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: service}, found)
	return found.Spec.ClusterIP, err
}

// inside runs a command in the store's container.
func (s *sale) inside(ctx context.Context, args ...string) (string, error) {
	return kubectl(ctx, "", append([]string{"exec", "-n", s.namespace, "store-0", "--"}, args...)...)
}

// operatorPods are the pods of a component, by name.
func operatorPods(ctx context.Context, component string) ([]corev1.Pod, error) {
	var pods corev1.PodList
	err := world.kube.List(ctx, &pods, client.InNamespace(systemNamespace), client.MatchingLabels{"app.kubernetes.io/component": component})
	return pods.Items, err
}

// leader is the name of the pod that leads.
func leader(ctx context.Context) (string, error) {
	lease := &coordinationv1.Lease{}
	if err := world.kube.Get(ctx, client.ObjectKey{Namespace: systemNamespace, Name: "stallkeeper-controller"}, lease); err != nil {
		return "", err
	}
	if lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity == "" {
		return "", errors.New("nobody leads")
	}
	name, _, _ := strings.Cut(*lease.Spec.HolderIdentity, "_")
	return name, nil
}

// kill ends a pod without asking it, as far as Kubernetes can.
func kill(ctx context.Context, name string) error {
	pod := &corev1.Pod{}
	pod.Namespace, pod.Name = systemNamespace, name
	return world.kube.Delete(ctx, pod, client.GracePeriodSeconds(0))
}

// untilComplete waits until a component has all its pods again.
func untilComplete(ctx context.Context, component string) {
	GinkgoHelper()
	mustKubectl(ctx, "", "rollout", "status", "deployment/stallkeeper-"+component, "-n", systemNamespace, "--timeout=120s")
}
