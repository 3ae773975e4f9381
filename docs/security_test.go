package docs_test

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// testNames are the tests and fuzz targets of this repository.
func testNames(t *testing.T) []string {
	t.Helper()
	var names []string
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (path == "../bin" || path == "../.git"):
			return fs.SkipDir
		case strings.HasSuffix(path, "_test.go"):
			for _, found := range declared.FindAllStringSubmatch(read(t, path), -1) {
				names = append(names, found[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestTheThreatModelIsProved(t *testing.T) {
	attackers := []string{
		"the controller's token", "the webhook's token", "the sign-on bridge's token", "a callback key", "a leaked URL of SaaS V1.0",
		"a registry's credentials", "a seller with rights in one sales namespace", "a product's author", "a tenant's workload", "a buyer", "a stranger",
	}
	const columns = 6
	_, table, _ := strings.Cut(read(t, "security.md"), "| attacker | writes | reaches | is stopped from | by | proved by |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	rows := map[string][]string{}
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != columns {
			t.Fatalf("%d cells instead of %d: %s", len(cells), columns, line)
		}
		attacker, _, _ := strings.Cut(strings.TrimSpace(cells[0]), " (")
		rows[attacker] = cells
	}
	there := testNames(t)
	for _, attacker := range attackers {
		cells := rows[attacker]
		if cells == nil {
			t.Errorf("no row for %s", attacker)
			continue
		}
		for _, cell := range cells {
			if strings.TrimSpace(cell) == "" {
				t.Errorf("%s: a cell is empty", attacker)
			}
		}
		for proof := range strings.SplitSeq(cells[columns-1], ",") {
			if name := strings.Trim(proof, " `"); !slices.Contains(there, name) {
				t.Errorf("%s: there is no test %q", attacker, name)
			}
		}
	}
}
