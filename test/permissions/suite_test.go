package permissions_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/stallkeeper/stallkeeper/test/apiserver"
	"github.com/stallkeeper/stallkeeper/test/chart"
)

const patience = time.Minute

// Who makes a request.
const (
	admin      = "admin"
	webhook    = "stallkeeper-webhook"
	controller = "stallkeeper-controller"
	login      = "stallkeeper-login"
	// People, and tools that write for them, with the cluster's edit role in the sales namespace.
	editor   = "ben@example.com"
	gitOps   = "system:serviceaccount:argocd:controller"
	restorer = "system:serviceaccount:velero:velero"
	// ServiceAccounts of tenants that have every right in their namespace.
	tenant     = "system:serviceaccount:tenant-sold:app"
	freeTenant = "system:serviceaccount:tenant-free:app"
	// The garbage collector, and its sibling that removes namespaces.
	collector = "system:serviceaccount:kube-system:generic-garbage-collector"
)

// callers are the REST configurations of admin, the three ServiceAccounts and those whom the admin plays.
var callers = map[string]*rest.Config{}

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	binaries, err := apiserver.Find()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	environment := &envtest.Environment{BinaryAssetsDirectory: binaries}
	config, err := environment.Start()
	if err != nil {
		fmt.Fprintf(os.Stderr, "Starting the API server failed: %v\n", err)
		return 1
	}
	code := 1
	if err := install(config); err != nil {
		fmt.Fprintf(os.Stderr, "Installing the chart failed: %v\n", err)
	} else {
		code = m.Run()
	}
	if err := environment.Stop(); err != nil {
		fmt.Fprintf(os.Stderr, "Stopping the API server failed: %v\n", err)
		return 1
	}
	return code
}

// install applies the chart and the fixtures, makes tokens, and returns when the policies are in force.
func install(config *rest.Config) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	rendered, err := chart.Render(chart.Release{}, map[string]any{
		"webhook":    map[string]any{"replicas": 0, "host": "hooks.apps.example.com"},
		"controller": map[string]any{"replicas": 0},
		"login":      map[string]any{"enabled": true, "url": "https://login.example.com", "replicas": 0},
		"tenantRBAC": map[string]any{"enabled": true},
		"admissionPolicies": map[string]any{
			"gitOpsUsers": []any{gitOps}, "restoreUsers": []any{restorer},
		},
		"credentials": map[string]any{
			"secretNames":       []any{"koogallery-openapi", "other-openapi"},
			"ofSalesNamespaces": map[string]any{"sales": []any{"koogallery-openapi"}},
			"apiHosts":          []any{"proxy.example.com"},
		},
		"extraTenantKinds": []any{
			route("httproutes"), route("grpcroutes"), route("tlsroutes"), route("tcproutes"), route("gateways"),
			map[string]any{"group": "keda.sh", "version": "v1alpha1", "resource": "scaledjobs"},
		},
		"tenantLimits": map[string]any{
			"ingressHostSuffixes": []any{".apps.example.com", ".tenants.example.com"}, "priorityClassNames": []any{"tenants"},
			"inlineCSIDrivers": []any{"secrets.example.com"}, "cloudIdentityAnnotations": []any{"iam.gke.io/gcp-service-account"},
		},
	})
	if err != nil {
		return err
	}
	callers[admin] = config
	c, err := client.New(config, client.Options{})
	if err != nil {
		return err
	}
	for _, batch := range [][]*unstructured.Unstructured{
		{namespace("stallkeeper-system", nil)},
		rendered.OfKind("Namespace"),
		rendered.OfKind("CustomResourceDefinition"),
		without(rendered.Objects, "Namespace", "CustomResourceDefinition", "ValidatingAdmissionPolicyBinding"),
		fixtures(),
		rendered.OfKind("ValidatingAdmissionPolicyBinding"),
	} {
		if err := createAll(ctx, c, batch); err != nil {
			return err
		}
	}
	for _, account := range []string{webhook, controller, login} {
		if callers[account], err = withToken(ctx, config, account); err != nil {
			return err
		}
	}
	for _, played := range []string{editor, gitOps, restorer, tenant, freeTenant, collector} {
		callers[played] = playing(config, played)
	}
	return policiesInForce(ctx)
}

// playing is a configuration of the admin who plays somebody else. People and tools have every right here, so that what is refused is
// refused by a policy; a ServiceAccount has the groups that its token would have.
func playing(config *rest.Config, user string) *rest.Config {
	played := rest.CopyConfig(config)
	played.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: []string{"system:authenticated"}}
	parts := strings.Split(user, ":")
	switch {
	case user == tenant || user == freeTenant:
		played.Impersonate.Groups = append(played.Impersonate.Groups, "system:serviceaccounts", "system:serviceaccounts:"+parts[2])
	case len(parts) == 4:
		played.Impersonate.Groups = append(played.Impersonate.Groups, "system:masters", "system:serviceaccounts:"+parts[2])
	default:
		played.Impersonate.Groups = append(played.Impersonate.Groups, "system:masters")
	}
	return played
}

func without(objects []*unstructured.Unstructured, kinds ...string) []*unstructured.Unstructured {
	var rest []*unstructured.Unstructured
next:
	for _, object := range objects {
		for _, kind := range kinds {
			if object.GetKind() == kind {
				continue next
			}
		}
		rest = append(rest, object)
	}
	return rest
}

// createAll creates objects, and waits for kinds that the API server does not know yet. Status is written where the fixture
// has one.
func createAll(ctx context.Context, c client.Client, objects []*unstructured.Unstructured) error {
	for _, object := range objects {
		status, hasStatus := object.Object["status"]
		err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
			err := c.Create(ctx, object)
			// A kind of a CRD that was made just now is not found for a moment.
			if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
				return false, nil
			}
			return err == nil, err
		})
		if err != nil {
			return fmt.Errorf("creating %s %s: %w", object.GetKind(), object.GetName(), err)
		}
		if hasStatus && object.GetAPIVersion() == "stallkeeper.io/v1alpha1" {
			object.Object["status"] = status
			if err := c.Status().Update(ctx, object); err != nil {
				return fmt.Errorf("writing the status of %s: %w", object.GetName(), err)
			}
		}
	}
	return nil
}

// withToken is a configuration with the ServiceAccount's token and nothing else of the admin's.
func withToken(ctx context.Context, config *rest.Config, account string) (*rest.Config, error) {
	clientset, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	token, err := clientset.CoreV1().ServiceAccounts("stallkeeper-system").CreateToken(ctx, account,
		&authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("requesting a token of %s: %w", account, err)
	}
	anonymous := rest.AnonymousClientConfig(config)
	anonymous.BearerToken = token.Status.Token
	return anonymous, nil
}

// policiesInForce waits until each policy has refused something: the API server takes a moment to load them.
func policiesInForce(ctx context.Context) error {
	for _, probe := range []request{
		{as: controller, do: "APPLY /api/v1/namespaces/kube-system/secrets/keys"},
		{as: webhook, do: "MERGE " + instances + "/sold", body: "spec: {plan: large}"},
		{as: admin, do: "DELETE " + instances + "/sold"},
		{as: admin, do: "DELETE /api/v1/namespaces/tenant-sold"},
		{as: admin, do: "DELETE " + products + "/shop"},
		{as: admin, do: "DELETE " + revisions + "/shop-1"},
		{as: admin, do: "DELETE /api/v1/namespaces/sales/secrets/sold-access"},
		{as: editor, do: "MERGE " + instances + "/sold", body: "spec: {subscription: {customerID: c}}"},
		{as: editor, do: "MERGE " + records + "/sold-1", body: "spec: {delivery: {pushTime: '2026-01-01T11:00:00Z'}}"},
		{as: editor, do: "MERGE " + products + "/shop", body: "spec: {lifecycle: {afterRetention: Delete, retentionPeriodSeconds: 0}}"},
		{as: editor, do: "MERGE " + markets + "/koogallery", body: "spec: {kooGallery: {api: {credentialsSecretName: mine}}}"},
		{as: editor, do: "MERGE /api/v1/namespaces/tenant-sold", body: "metadata: {labels: {stallkeeper.io/instance: other}}"},
		{as: controller, do: "MERGE /apis/apps/v1/namespaces/tenant-sold/deployments/app", body: "spec: {template: {spec: {nodeName: a}}}"},
		{as: webhook, do: "POST /api/v1/namespaces/sales/secrets", body: "{apiVersion: v1, kind: Secret, metadata: {name: x}}"},
	} {
		err := wait.PollUntilContextCancel(ctx, 100*time.Millisecond, true, func(ctx context.Context) (bool, error) {
			answer, err := probe.send(ctx)
			return answer.refusedByPolicy(), err
		})
		if err != nil {
			return fmt.Errorf("waiting for a policy to refuse %q: %w", probe.do, err)
		}
	}
	return nil
}

// route is a kind of the Gateway API that tenants may have.
func route(resource string) map[string]any {
	return map[string]any{"group": "gateway.networking.k8s.io", "version": "v1", "resource": resource}
}
