package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

func TestWebhookRefusesFlagsThatCannotWork(t *testing.T) {
	// A cluster that is not there: nothing of this may get as far as asking it.
	t.Setenv("KUBECONFIG", "/nonexistent")
	tests := map[string]struct {
		args []string
		want string
	}{
		"no namespaces":                {nil, "--namespaces is required"},
		"a namespace that can't be":    {[]string{"--namespaces=sales,Not A Namespace"}, `"Not A Namespace" is not a namespace`},
		"an unknown log format":        {[]string{"--namespaces=sales", "--log-format=xml"}, "--log-format must be json or text"},
		"no callbacks at once":         {[]string{"--namespaces=sales", "--max-concurrent-callbacks=0"}, "at least 1"},
		"no connections":               {[]string{"--namespaces=sales", "--max-connections=0"}, "--max-connections"},
		"no connections of an address": {[]string{"--namespaces=sales", "--max-connections-per-address=0"}, "at least 1"},
		"a delay that is negative":     {[]string{"--namespaces=sales", "--shutdown-delay=-1s"}, "must not be negative"},
		"an argument that is no flag":  {[]string{"sales"}, "unknown command"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			root := newRootCommand()
			root.SetArgs(append([]string{"webhook"}, tc.args...))
			err := root.ExecuteContext(context.Background())
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
}

func TestVersionNamesTheBinary(t *testing.T) {
	root := newRootCommand()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetArgs([]string{"version"})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), "stallkeeper "+version+" (commit ") {
		t.Errorf("printed %q", out.String())
	}
}
