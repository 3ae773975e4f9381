package build

import (
	"strings"
	"testing"
)

const goMod = `module example

require k8s.io/kubernetes v1.37.2 // indirect

require (
	go.etcd.io/etcd/server/v3 v3.7.0 // indirect
	sigs.k8s.io/kwok v0.8.0
)
`

func TestParsePins(t *testing.T) {
	pins, err := ParsePins([]byte(goMod), []byte("sum"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"gitVersion=v1.37.2", "gitMajor=1", "gitMinor=37"} {
		if !strings.Contains(pins.ldflags(), want) {
			t.Errorf("ldflags do not set %s: %s", want, pins.ldflags())
		}
	}
	other, err := ParsePins([]byte(goMod), []byte("another sum"))
	if err != nil {
		t.Fatal(err)
	}
	if pins.stamp(etcd) == other.stamp(etcd) {
		t.Error("another go.sum gives the same stamp")
	}
	if pins.stamp(etcd) == pins.stamp(kwok) {
		t.Error("another package gives the same stamp")
	}
}

func TestParsePinsRefuses(t *testing.T) {
	cases := map[string]string{
		"an empty go.mod":                      "",
		"a go.mod without kwok":                strings.ReplaceAll(goMod, kwok, "example.com/other"),
		"a Kubernetes version without a minor": strings.ReplaceAll(goMod, "v1.37.2", "v1"),
	}
	for name, content := range cases {
		t.Run(name, func(t *testing.T) {
			if _, err := ParsePins([]byte(content), nil); err == nil {
				t.Error("it is accepted")
			}
		})
	}
}
