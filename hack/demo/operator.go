package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// The operator's processes: the first argument of each, and the process's name here.
const (
	webhookProcess    = "webhook"
	controllerProcess = "controller"
	openAPIProcess    = "openapi"
	loginProcess      = "login"
)

// readyTimeout is how long a process may take until its probe says that it is ready. A controller that takes the lease over
// from one that was killed waits 15 s.
const readyTimeout = 60 * time.Second

// tokenLife is how long the processes' tokens hold, in seconds.
const tokenLife = int64(24 * 60 * 60)

// startProcesses starts the fake open API and the operator, and waits until they are ready.
func (d *demo) startProcesses(ctx context.Context) error {
	if err := errors.Join(d.writeCertificates(), d.makeKitKeys()); err != nil {
		return err
	}
	ports, err := freePorts(6)
	if err != nil {
		return err
	}
	callback, webhookMetrics, webhookHealth, controllerMetrics, controllerHealth, openAPI := ports[0], ports[1], ports[2], ports[3], ports[4], ports[5]
	d.apiURL = "http://" + openAPI
	d.ordersURL = d.apiURL + "/orders"
	if err := d.startOpenAPI(ctx, openAPI); err != nil {
		return err
	}
	webhookArgs := map[string]string{
		"bind-address":              callback,
		"metrics-bind-address":      webhookMetrics,
		"health-probe-bind-address": webhookHealth,
		"tls-cert-file":             d.paths.certificate(),
		"tls-private-key-file":      d.paths.privateKey(),
		// No load balancer has to notice first.
		"shutdown-delay": "0s",
	}
	if err := d.startDeployed(ctx, webhookProcess, webhookHealth, webhookArgs); err != nil {
		return err
	}
	controllerArgs := map[string]string{
		"metrics-bind-address":      controllerMetrics,
		"health-probe-bind-address": controllerHealth,
		"clock-skew-url":            "http://" + webhookMetrics,
	}
	if err := d.startDeployed(ctx, controllerProcess, controllerHealth, controllerArgs); err != nil {
		return err
	}
	d.callback = "https://" + callback
	return d.startSignOn(ctx)
}

// startOpenAPI starts KooGallery's open API, which is the simulator.
func (d *demo) startOpenAPI(ctx context.Context, address string) error {
	sold, err := d.readListing("product.yaml")
	if err != nil {
		return err
	}
	joint, err := d.readListing("joint.yaml")
	if err != nil {
		return err
	}
	d.sold, d.joint = sold, joint
	// Without the callbacks' key it would refuse all usage.
	p, err := d.start(openAPIProcess, []string{"AK=" + d.keys.ak, "SK=" + d.keys.sk, "ACCESS_KEY=" + d.keys.accessKey},
		d.paths.stallkeeper(), "simulate", "openapi", "--bind-address", address, "--product-id", sold.productID, "--sku-code", sold.skuCode)
	if err != nil {
		return err
	}
	return d.untilReady(ctx, p, func() error { return answers(address) })
}

// startDeployed starts one of the chart's Deployments as a process: with its arguments, but for those that are local, and
// with a token of its ServiceAccount in place of any other right.
func (d *demo) startDeployed(ctx context.Context, name, health string, local map[string]string) error {
	args, account, err := d.deployed(ctx, name)
	if err != nil {
		return err
	}
	if err := d.writeKubeconfig(ctx, name, account); err != nil {
		return err
	}
	// Nothing of our own environment: the process must not find another kubeconfig than that with its token.
	env := []string{"KUBECONFIG=" + d.paths.tokenFor(name), "HOME=" + d.paths.demo}
	p, err := d.start(name, env, append([]string{d.paths.stallkeeper()}, localArguments(args, local)...)...)
	if err != nil {
		return err
	}
	return d.untilReady(ctx, p, func() error { return probe(ctx, "http://"+health+"/readyz") })
}

// deployed finds the arguments and the ServiceAccount that the installed chart gives to a command of the binary.
func (d *demo) deployed(ctx context.Context, command string) (args []string, account string, err error) {
	var deployments appsv1.DeploymentList
	if err := d.kube.List(ctx, &deployments, client.InNamespace(systemNamespace)); err != nil {
		return nil, "", fmt.Errorf("reading the chart's Deployments: %w", err)
	}
	for _, deployment := range deployments.Items {
		pod := deployment.Spec.Template.Spec
		for _, container := range pod.Containers {
			if len(container.Args) > 0 && container.Args[0] == command {
				return container.Args, pod.ServiceAccountName, nil
			}
		}
	}
	return nil, "", fmt.Errorf("the chart has no Deployment in %s that runs `stallkeeper %s`", systemNamespace, command)
}

// localArguments puts other values in place of those that make sense in a pod only. Of the URL of another process the path
// stays. A flag that the chart does not set is not added.
func localArguments(args []string, local map[string]string) []string {
	changed := slices.Clone(args)
	for i, arg := range changed {
		name, value, hasValue := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		replacement, isLocal := local[name]
		if !hasValue || !isLocal {
			continue
		}
		if strings.HasPrefix(replacement, "http://") {
			if old, err := url.Parse(value); err == nil {
				replacement += old.Path
			}
		}
		changed[i] = "--" + name + "=" + replacement
	}
	return changed
}

// writeKubeconfig writes a kubeconfig whose only right is a token of the ServiceAccount.
func (d *demo) writeKubeconfig(ctx context.Context, name, account string) error {
	life := tokenLife
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &life}}
	serviceAccount := &corev1.ServiceAccount{}
	serviceAccount.Namespace, serviceAccount.Name = systemNamespace, account
	if err := d.kube.SubResource("token").Create(ctx, serviceAccount, request); err != nil {
		return fmt.Errorf("asking for a token of ServiceAccount %s: %w", account, err)
	}
	administrator, err := clientcmd.LoadFromFile(d.paths.kubeconfig())
	if err != nil {
		return fmt.Errorf("reading %s: %w", d.paths.kubeconfig(), err)
	}
	if err := clientcmdapi.FlattenConfig(administrator); err != nil {
		return fmt.Errorf("reading %s: %w", d.paths.kubeconfig(), err)
	}
	current, found := administrator.Contexts[administrator.CurrentContext]
	if !found {
		return fmt.Errorf("%s has no current context", d.paths.kubeconfig())
	}
	config := clientcmdapi.NewConfig()
	config.Clusters["cluster"] = administrator.Clusters[current.Cluster]
	config.AuthInfos[account] = &clientcmdapi.AuthInfo{Token: request.Status.Token}
	config.Contexts[account] = &clientcmdapi.Context{Cluster: "cluster", AuthInfo: account, Namespace: salesNamespace}
	config.CurrentContext = account
	if err := clientcmd.WriteToFile(*config, d.paths.tokenFor(name)); err != nil {
		return fmt.Errorf("writing the kubeconfig of ServiceAccount %s: %w", account, err)
	}
	return nil
}

// untilReady waits until the probe finds no error. A process that ends before is an error with the end of its log.
func (d *demo) untilReady(ctx context.Context, p process, check func() error) error {
	waiting, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for {
		err := check()
		if err == nil {
			return nil
		}
		if p.hasEnded() {
			return fmt.Errorf("%s ended by itself:\n%s", p.Name, d.endOfLog(p.Name))
		}
		if waiting.Err() != nil {
			return fmt.Errorf("%s is not ready after %s: %w\n%s", p.Name, readyTimeout, err, d.endOfLog(p.Name))
		}
		pause(waiting, 100*time.Millisecond)
	}
}

func (d *demo) endOfLog(name string) string {
	content, err := os.ReadFile(d.paths.log(name))
	if err != nil {
		return ""
	}
	return lastLines(string(content), errorLines)
}

// probe asks a health endpoint.
func probe(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		reason, _ := io.ReadAll(io.LimitReader(answer.Body, 300))
		return fmt.Errorf("the probe answers %d: %s", answer.StatusCode, strings.TrimSpace(string(reason)))
	}
	return nil
}

// freePorts finds addresses on 127.0.0.1 that nobody listens on.
func freePorts(n int) ([]string, error) {
	addresses := make([]string, 0, n)
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("looking for a free port: %w", err)
		}
		// Closed only when all are found, or the same one would be found again.
		defer listener.Close()
		addresses = append(addresses, listener.Addr().String())
	}
	return addresses, nil
}

// describeProduct connects the marketplace and says what is sold.
func (d *demo) describeProduct(ctx context.Context) error {
	if err := d.applySecrets(ctx); err != nil {
		return err
	}
	marketplace, err := readSample[v1alpha1.Marketplace](d.paths.sample("marketplace.yaml"))
	if err != nil {
		return err
	}
	marketplace.Spec.KooGallery.API.URL = d.apiURL
	product, err := readSample[v1alpha1.MarketplaceProduct](d.paths.sample("product.yaml"))
	if err != nil {
		return err
	}
	joint, err := readSample[v1alpha1.MarketplaceProduct](d.paths.sample("joint.yaml"))
	if err != nil {
		return err
	}
	joint.Spec.Access.FrontEndURL = d.signOn.frontEnd.url + "/"
	for _, object := range []client.Object{&marketplace, &product, &joint} {
		if err := d.apply(ctx, object); err != nil {
			return err
		}
	}
	for _, sold := range []*v1alpha1.MarketplaceProduct{&product, &joint} {
		if err := d.untilDescribed(ctx, &marketplace, sold); err != nil {
			return err
		}
	}
	d.callback += marketplace.Status.CallbackPath
	if d.keep {
		return d.writeEnv()
	}
	return nil
}
