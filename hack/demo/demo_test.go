package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

func TestLocalArgumentsKeepWhatTheChartSays(t *testing.T) {
	tests := map[string]struct {
		args  []string
		local map[string]string
		want  []string
	}{
		"a bind address is replaced, the rest stays": {
			args:  []string{"webhook", "--namespaces=sales,more", "--bind-address=:8443"},
			local: map[string]string{"bind-address": "127.0.0.1:1"},
			want:  []string{"webhook", "--namespaces=sales,more", "--bind-address=127.0.0.1:1"},
		},
		"a flag that the chart does not set is not added": {
			args:  []string{"webhook"},
			local: map[string]string{"tls-cert-file": "x"},
			want:  []string{"webhook"},
		},
		"the path of another process's address stays": {
			args:  []string{"controller", "--clock-skew-url=http://stallkeeper-webhook-metrics.ns.svc:8080/clock-skew"},
			local: map[string]string{"clock-skew-url": "http://127.0.0.1:2"},
			want:  []string{"controller", "--clock-skew-url=http://127.0.0.1:2/clock-skew"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, localArguments(tc.args, tc.local)); diff != "" {
				t.Errorf("arguments (-want +got):\n%s", diff)
			}
		})
	}
}

func TestShellReadsTheEnvFileBack(t *testing.T) {
	for _, value := range []string{"", "https://127.0.0.1:1/v1/sales/koogallery", "a b", "it's", `$HOME "x" \`, "#1"} {
		output, err := exec.Command("sh", "-c", "VALUE="+shellQuoted(value)+`; printf %s "$VALUE"`).Output()
		if err != nil || string(output) != value {
			t.Errorf("%q comes back as %q (%v)", value, output, err)
		}
	}
}

func TestAProcessOfAnotherCommandLineIsNotOurs(t *testing.T) {
	d := &demo{paths: paths{root: t.TempDir(), demo: t.TempDir()}}
	ours, err := d.start("sleeper", nil, "/bin/sleep", "600")
	if err != nil {
		t.Fatal(err)
	}
	// Start returns before the new program has replaced the forked one on some kernels.
	if err := d.until(t.Context(), 10*time.Second, "the process runs", func(context.Context) (string, error) {
		return missingWhen(!ours.alive(), "it does not"), nil
	}); err != nil {
		t.Fatal(err)
	}
	another := process{Name: "sleeper", PID: ours.PID, Args: []string{"/bin/sleep", "601"}}
	if err := another.stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !ours.alive() {
		t.Fatal("a process was ended for its id alone")
	}
	next := &demo{paths: d.paths, out: &printer{out: &bytes.Buffer{}}}
	if err := next.cleanEarlier(t.Context()); err != nil {
		t.Fatal(err)
	}
	if ours.alive() {
		t.Error("the next demo has not ended what the earlier one left")
	}
	if _, err := os.Stat(d.paths.record()); !os.IsNotExist(err) {
		t.Error("the record is still there")
	}
}

func TestTimelineNotesEachStateOnce(t *testing.T) {
	begin := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	var line timeline
	line.called("a", "purchase CS1", begin)
	line.reached("a", "Running", "Ready", begin.Add(1500*time.Millisecond))
	line.reached("b", "Pending", "OrderPending", begin.Add(2*time.Second))
	line.reached("a", "Running", "Ready", begin.Add(3*time.Second))
	line.called("a", "freeze", begin.Add(30*time.Second))
	line.reached("a", "Suspended", "Expired", begin.Add(31*time.Second))
	want := []string{
		"   0.0 s  KooGallery: purchase CS1",
		"   1.5 s    Running      Ready",
		"  30.0 s  KooGallery: freeze",
		"  31.0 s    Suspended    Expired",
	}
	if diff := cmp.Diff(want, line.of("a", begin)); diff != "" {
		t.Errorf("timeline (-want +got):\n%s", diff)
	}
}

func TestOutputIsIndentedAcrossWrites(t *testing.T) {
	var out bytes.Buffer
	live := &indented{out: &out}
	for _, part := range []string{"Building etcd … ", "12 s\nBuilding ", "kwok … ", "3 s\n"} {
		if _, err := live.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if want := "  Building etcd … 12 s\n  Building kwok … 3 s\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

// A field that a kind does not have would be dropped silently by the API server.
func TestSamplesHaveNoUnknownFields(t *testing.T) {
	samples := filepath.Join("..", "..", "config", "samples")
	for _, path := range []string{"smallest/marketplace.yaml", "demo/marketplace.yaml"} {
		if got, err := readSample[v1alpha1.Marketplace](filepath.Join(samples, path)); err != nil || got.Kind != "Marketplace" {
			t.Errorf("%s: kind %q, %v", path, got.Kind, err)
		}
	}
	for _, path := range []string{"smallest/product.yaml", "demo/product.yaml", "demo/joint.yaml", "chart-product/product.yaml"} {
		if got, err := readSample[v1alpha1.MarketplaceProduct](filepath.Join(samples, path)); err != nil || got.Kind != "MarketplaceProduct" {
			t.Errorf("%s: kind %q, %v", path, got.Kind, err)
		}
	}
}

func TestTheDemosProductIsForSale(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (&demo{paths: paths{root: root}}).readListing("product.yaml"); err != nil {
		t.Error(err)
	}
}
