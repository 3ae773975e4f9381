package controllers

import (
	"errors"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

func newTestScheme(t testing.TB) *runtime.Scheme {
	t.Helper()
	scheme, err := bothSchemes()
	if err != nil {
		t.Fatal(err)
	}
	return scheme
}

func bothSchemes() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	return scheme, errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme))
}
