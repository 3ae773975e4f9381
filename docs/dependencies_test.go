package docs_test

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestThePageOfDependenciesIsTheBinarys compares the page with the modules that the binary imports and go.mod names as direct ones.
func TestThePageOfDependenciesIsTheBinarys(t *testing.T) {
	direct := map[string]bool{}
	for _, found := range regexp.MustCompile(`(?m)^\t(\S+) v\S+$`).FindAllStringSubmatch(read(t, "../go.mod"), -1) {
		direct[found[1]] = true
	}
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "../cmd/stallkeeper")
	output, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for line := range strings.Lines(string(output)) {
		if module := strings.TrimSpace(line); direct[module] {
			used[module] = true
		}
	}
	if len(used) == 0 {
		t.Fatal("the binary has no dependency")
	}
	for _, row := range regexp.MustCompile(`(?m)^\| (\S+\.\S+/\S+) \| .+ \| (.+) \|$`).FindAllStringSubmatch(read(t, "dependencies.md"), -1) {
		if !used[row[1]] {
			t.Errorf("dependencies.md lists %s, which the binary does not use directly", row[1])
		}
		delete(used, row[1])
	}
	for module := range used {
		t.Errorf("dependencies.md does not say who keeps %s", module)
	}
}
