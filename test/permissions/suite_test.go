package permissions_test

import (
	"context"

	"fmt"
	"os"
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
)

// callers are the REST configurations of admin and the three ServiceAccounts.
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
		"webhook":    map[string]any{"replicas": 0},
		"controller": map[string]any{"replicas": 0},
		"login":      map[string]any{"enabled": true, "url": "https://login.example.com", "replicas": 0},
		"tenantRBAC": map[string]any{"enabled": true},
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
	return policiesInForce(ctx)
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
		if hasStatus && object.GetKind() == "MarketplaceInstance" {
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

// policiesInForce waits until each of the four policies has refused something: the API server takes a moment to load them.
func policiesInForce(ctx context.Context) error {
	for _, probe := range []request{
		{as: controller, do: "APPLY /api/v1/namespaces/kube-system/secrets/keys"},
		{as: webhook, do: "MERGE " + instances + "/sold", body: "spec: {plan: large}"},
		{as: admin, do: "DELETE " + instances + "/sold"},
		{as: admin, do: "DELETE /api/v1/namespaces/tenant-sold"},
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
