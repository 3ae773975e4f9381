package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// planted stands for a key: no log may show it, in plain or as a Secret has it.
const planted = "planted-secret-8d1f0c"

// secretServer is an API server that knows one Secret and takes every other one.
func secretServer(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method != http.MethodGet {
			w.WriteHeader(http.StatusCreated)
			_, _ = io.Copy(w, r.Body)
			return
		}
		_ = json.NewEncoder(w).Encode(&corev1.Secret{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
			ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "keys"}, Data: map[string][]byte{"accessKey": []byte(planted)},
		})
	}))
	t.Cleanup(server.Close)
	return server
}

// client-go logs the bodies of what it sends and gets from verbosity 8 on.
func TestNoLogLevelShowsASecret(t *testing.T) {
	defer klog.ClearLogger()
	server := secretServer(t)
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{corev1.SchemeGroupVersion})
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Secret"), meta.RESTScopeNamespace)
	cluster, err := client.New(&rest.Config{Host: server.URL, BearerToken: planted, ContentConfig: rest.ContentConfig{ContentType: "application/json"}},
		client.Options{Scheme: scheme, Mapper: mapper})
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"json", "text"} {
		for level := range 20 {
			t.Run(fmt.Sprintf("%s, level %d", format, level), func(t *testing.T) {
				var out bytes.Buffer
				log, err := (&processFlags{logFormat: format, logLevel: level}).loggerTo(&out)
				if err != nil {
					t.Fatal(err)
				}
				klog.SetLogger(log)
				uses(t, logr.NewContext(t.Context(), log), cluster)
				text := out.String()
				for _, form := range []string{planted, base64.StdEncoding.EncodeToString([]byte(planted))} {
					if strings.Contains(text, form) {
						t.Errorf("the log says\n%s", text)
					}
				}
				if level >= maxLogLevel && text == "" {
					t.Error("nothing is logged, so that nothing is proved")
				}
			})
		}
	}
}

// uses reads, creates and patches a Secret.
func uses(t *testing.T, ctx context.Context, cluster client.Client) { //nolint:revive // the test comes first
	t.Helper()
	secret := &corev1.Secret{}
	if err := cluster.Get(ctx, client.ObjectKey{Namespace: "sales", Name: "keys"}, secret); err != nil {
		t.Fatal(err)
	}
	if got := string(secret.Data["accessKey"]); got != planted {
		t.Fatalf("read %q", got)
	}
	secret.ResourceVersion = ""
	if err := cluster.Create(ctx, secret.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	changed := secret.DeepCopy()
	changed.Data["other"] = []byte(planted)
	if err := cluster.Patch(ctx, changed, client.MergeFrom(secret)); err != nil {
		t.Fatal(err)
	}
	ctrl.LoggerFrom(ctx).V(1).Info("Used", "secret", klog.KObj(secret))
}

func TestALogLevelBelowZeroIsRefused(t *testing.T) {
	if _, err := (&processFlags{logFormat: "json", logLevel: -1}).loggerTo(io.Discard); err == nil || !strings.Contains(err.Error(), "--log-level") {
		t.Errorf("the error is %v", err)
	}
}
