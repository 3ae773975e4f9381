package apiserver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// ended is a test that notes how it was ended.
type ended struct {
	testing.TB
	how string
}

func (e *ended) Helper()               {}
func (e *ended) Fatalf(string, ...any) { e.how = "failed" }
func (e *ended) Skip(...any)           { e.how = "skipped" }

func TestBinaries(t *testing.T) {
	there := t.TempDir()
	if err := os.WriteFile(filepath.Join(there, "kube-apiserver"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ assets, ci, how, folder string }{
		"a folder with an API server is taken":                 {assets: there, folder: there},
		"so it is in CI":                                       {assets: there, ci: "true", folder: there},
		"without an API server, a developer's test is skipped": {assets: t.TempDir(), how: "skipped"},
		"without an API server, a test in CI fails":            {assets: t.TempDir(), ci: "true", how: "failed"},
		"CI may be set to anything":                            {assets: t.TempDir(), ci: "1", how: "failed"},
		"a developer may say that this is no CI":               {assets: t.TempDir(), ci: "false", how: "skipped"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("KUBEBUILDER_ASSETS", tc.assets)
			t.Setenv("CI", tc.ci)
			e := &ended{TB: t}
			if folder := Binaries(e); folder != tc.folder || e.how != tc.how {
				t.Errorf("got folder %q and test %q, want %q and %q", folder, e.how, tc.folder, tc.how)
			}
		})
	}
}

func TestFindLooksBelowTheRepositorysRoot(t *testing.T) {
	t.Setenv("KUBEBUILDER_ASSETS", "")
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	want := filepath.Join(root, "bin", "controlplane")
	if folder, err := Find(); err == nil && folder != want || err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("got %q and %v, want %q", folder, err, want)
	}
}
