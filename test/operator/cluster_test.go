package operator_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/test/chart"
)

const (
	systemNamespace = "stallkeeper-system"
	salesNamespace  = "sales"
)

// cluster is the control plane, as its administrator.
type cluster struct {
	client.Client
	paths  paths
	config *rest.Config
}

func startCluster(ctx context.Context, p paths) (*cluster, error) {
	if err := controlplane(ctx, p, "up"); err != nil {
		return nil, err
	}
	config, err := clientcmd.BuildConfigFromFlags("", p.kubeconfig())
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	// Specs ask often, and there is nobody else to be fair to.
	config.QPS, config.Burst = 200, 400
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, err
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	kube, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("connecting to the control plane: %w", err)
	}
	return &cluster{Client: kube, paths: p, config: config}, nil
}

// apiServerProcess is the id of the API server's process.
func (c *cluster) apiServerProcess() (int, error) {
	content, err := os.ReadFile(filepath.Join(c.paths.cluster(), "state.json"))
	if err != nil {
		return 0, err
	}
	var state struct {
		Processes []struct {
			Name string `json:"name"`
			PID  int    `json:"pid"`
		} `json:"processes"`
	}
	if err := json.Unmarshal(content, &state); err != nil {
		return 0, err
	}
	for _, p := range state.Processes {
		if p.Name == "kube-apiserver" && p.PID > 1 {
			return p.PID, nil
		}
	}
	return 0, fmt.Errorf("the control plane's state names no API server: %s", content)
}

// kubectl runs kubectl as the cluster's administrator in the sales namespace.
func (c *cluster) kubectl(ctx context.Context, args ...string) (string, error) {
	return run(ctx, c.paths.dir, []string{"KUBECONFIG=" + c.paths.kubeconfig()},
		append([]string{c.paths.kubectl(), "-n", salesNamespace}, args...)...)
}

// installChart creates what Helm would, with no pods: the node is simulated, so the processes run beside the cluster.
func installChart(ctx context.Context, c *cluster) (chart.Rendered, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	rendered, err := chart.Render(chart.Release{Namespace: systemNamespace}, map[string]any{
		// What no level may show is looked for at the highest.
		"webhook": map[string]any{"replicas": 0, "extraArgs": []any{"--log-level=10"}},
		"login": map[string]any{
			"enabled": true, "replicas": 0, "url": "https://login.example.com", "extraArgs": []any{"--allow-loopback-http", "--log-level=10"},
		},
		// Nobody waits a day for a query.
		"controller":      map[string]any{"replicas": 0, "extraArgs": []any{"--license-query-interval=2s", "--log-level=10", "--allow-loopback"}},
		"salesNamespaces": []any{salesNamespace},
		// The fake open API runs beside the cluster.
		"credentials": map[string]any{"apiHosts": []any{"127.0.0.1"}},
		// Retentions last seconds here.
		"admissionPolicies": map[string]any{"minRetentionSeconds": 0},
		// Charts on trial may have Roles; the specs show that without it they are refused.
		"tenantRBAC": map[string]any{"enabled": trialCharts != ""},
	})
	if err != nil {
		return chart.Rendered{}, err
	}
	system := &unstructured.Unstructured{}
	system.SetAPIVersion("v1")
	system.SetKind("Namespace")
	system.SetName(systemNamespace)
	first := map[string]bool{"Namespace": true, "CustomResourceDefinition": true}
	objects := append([]*unstructured.Unstructured{system}, rendered.OfKind("Namespace")...)
	objects = append(objects, rendered.OfKind("CustomResourceDefinition")...)
	for _, object := range rendered.Objects {
		if !first[object.GetKind()] {
			objects = append(objects, object)
		}
	}
	for _, object := range objects {
		if err := c.Create(ctx, object); err != nil {
			return chart.Rendered{}, fmt.Errorf("creating %s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	return rendered, errors.Join(c.untilServed(ctx), c.untilPoliciesHold(ctx))
}

// untilServed waits until the API server serves the kinds.
func (c *cluster) untilServed(ctx context.Context) error {
	for _, list := range []client.ObjectList{
		&v1alpha1.MarketplaceList{}, &v1alpha1.MarketplaceProductList{}, &v1alpha1.MarketplaceInstanceList{},
		&v1alpha1.UsageRecordList{},
	} {
		err := wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(ctx context.Context) (bool, error) {
			err := c.List(ctx, list)
			if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
				return false, nil
			}
			return err == nil, err
		})
		if err != nil {
			return fmt.Errorf("waiting until %T is served: %w", list, err)
		}
	}
	return nil
}

// untilPoliciesHold waits until an admission policy refuses something: the API server takes a moment to load them.
func (c *cluster) untilPoliciesHold(ctx context.Context) error {
	sales := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: salesNamespace}}
	err := wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		err := c.Delete(ctx, sales, client.DryRunAll)
		return err != nil && strings.Contains(err.Error(), "ValidatingAdmissionPolicy"), nil
	})
	if err != nil {
		return fmt.Errorf("waiting until the admission policies hold: %w", err)
	}
	return nil
}

// kubeconfigOf writes a kubeconfig whose only right is a token of the ServiceAccount.
func (c *cluster) kubeconfigOf(ctx context.Context, account string) (string, error) {
	life := int64(3600)
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &life}}
	serviceAccount := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: account}}
	if err := c.SubResource("token").Create(ctx, serviceAccount, request); err != nil {
		return "", fmt.Errorf("asking for a token of ServiceAccount %s: %w", account, err)
	}
	world.hidden.add("a ServiceAccount's token", request.Status.Token)
	config := clientcmdapi.NewConfig()
	config.Clusters["cluster"] = &clientcmdapi.Cluster{Server: c.config.Host, CertificateAuthorityData: c.config.CAData}
	config.AuthInfos[account] = &clientcmdapi.AuthInfo{Token: request.Status.Token}
	config.Contexts[account] = &clientcmdapi.Context{Cluster: "cluster", AuthInfo: account}
	config.CurrentContext = account
	path := filepath.Join(c.paths.dir, account+".kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		return "", fmt.Errorf("writing the kubeconfig of ServiceAccount %s: %w", account, err)
	}
	return path, nil
}
