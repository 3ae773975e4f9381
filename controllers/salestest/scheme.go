package salestest

import (
	"errors"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// NewTestScheme is a new scheme of BothSchemes.
func NewTestScheme(t testing.TB) *runtime.Scheme {
	t.Helper()
	scheme, err := BothSchemes()
	if err != nil {
		t.Fatal(err)
	}
	return scheme
}

// BothSchemes is a new scheme with the kinds of Kubernetes and of the project.
func BothSchemes() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	return scheme, errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme))
}
