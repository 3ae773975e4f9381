package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

const testKitKey = "kit-key-of-the-test"

// newKitEndpoint answers as a correct seller with the Kit does; file is its public key.
func newKitEndpoint(t *testing.T) (e *endpoint, key *rsa.PrivateKey, file string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "public.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), 0o600); err != nil {
		t.Fatal(err)
	}
	e = newEndpoint(t, func(marketplace.Event) marketplace.Outcome { return marketplace.Outcome{} })
	e.callbacks, err = koogallery.NewCallbacks(map[string][]byte{
		koogallery.KeyAccess: []byte(testKey), koogallery.KeyKit: []byte(testKitKey),
		koogallery.KeyKitPrivate: pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}),
	}, koogallery.WithVersions(koogallery.AllVersions()...))
	if err != nil {
		t.Fatal(err)
	}
	return e, key, file
}

func TestKitCalls(t *testing.T) {
	e, _, public := newKitEndpoint(t)
	server := httptest.NewServer(e)
	defer server.Close()
	for _, generation := range []string{"--v1=false", "--v1"} {
		for _, args := range [][]string{
			{"tenant"}, {"application", "--public-key-file", public}, {"users", "--user", "a,b", "--flag", "3"}, {"department", "--flag", "0"}, {"departments"},
		} {
			cmd := newSimulateCommand()
			var out strings.Builder
			cmd.SetOut(&out)
			cmd.SetErr(&out)
			cmd.SetArgs(append(append([]string{"kit-" + args[0]}, args[1:]...), generation, "--instance", testInstance, "--url", server.URL+"/v1/sales/koogallery", "--access-key", testKitKey))
			if err := cmd.Execute(); err != nil {
				t.Errorf("kit-%s %s: %v\n%s", args[0], generation, err, out.String())
				continue
			}
			event := e.events[len(e.events)-1]
			if event.Kind != marketplace.Synchronize || event.InstanceID != testInstance || event.Test {
				t.Errorf("kit-%s %s: %+v", args[0], generation, event)
			}
		}
	}
	if application := e.events[1].Sync.Application; application == nil || application.ClientSecret != "example-client-secret" {
		t.Error("the client secret did not arrive")
	}
}

func TestTheKitsDebugCasesAreGood(t *testing.T) {
	e, key, _ := newKitEndpoint(t)
	server := httptest.NewServer(e)
	defer server.Close()
	for _, public := range []*rsa.PublicKey{nil, &key.PublicKey} {
		results := koogallerytest.Conformance{
			Caller: koogallerytest.Caller{URL: server.URL, AccessKey: testKey}, KitKey: testKitKey, KitPublicKey: public,
			Generations: []koogallerytest.Generation{koogallerytest.KitV2, koogallerytest.KitV1},
		}.Run(t.Context())
		if len(results) < 25 {
			t.Errorf("%d cases", len(results))
		}
		for _, result := range results {
			if !result.Good() {
				t.Errorf("%s, %s: %q", result.Generation, result.Name(), result.Problems)
			}
		}
	}
	for _, event := range e.events {
		if !event.Test {
			t.Error("a case was no debug call")
		}
	}
}

func TestKitFlags(t *testing.T) {
	for args, want := range map[string]string{
		"application": "--public-key-file is required",
		"application --public-key-file /nonexistent": "reading --public-key-file",
		"tenant --flag 3":       "--flag must be from 0 to 2",
		"department --code a,b": "--code must be a single code",
	} {
		cmd := newSimulateCommand()
		cmd.SetOut(&strings.Builder{})
		cmd.SetErr(&strings.Builder{})
		cmd.SetArgs(append(strings.Fields("kit-"+args), []string{"--url", "http://127.0.0.1:1", "--access-key", "k"}...))
		if err := cmd.Execute(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("kit-%s: %v, want %q", args, err, want)
		}
	}
}
