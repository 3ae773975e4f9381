// Command imports fails when a package of the product has no import rule of its own in .golangci.yml, or when a rule names a folder
// that does not exist. In both cases golangci-lint would silently leave imports unchecked. It runs in the repository's
// root; make verify does.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

func main() {
	problems, err := check()
	if err != nil {
		problems = append(problems, err.Error())
	}
	for _, problem := range problems {
		fmt.Fprintln(os.Stderr, problem)
	}
	if len(problems) > 0 {
		os.Exit(1)
	}
}

// rule is one of depguard's rules: the files that it holds for, as globs with ! before those that are left out, and its mode.
type rule struct {
	ListMode string   `json:"list-mode"`
	Files    []string `json:"files"`
}

func check() ([]string, error) {
	rules, err := readRules(".golangci.yml")
	if err != nil {
		return nil, err
	}
	packages, err := productPackages()
	if err != nil {
		return nil, err
	}
	return append(withoutRule(packages, rules), withoutFolder(rules, exists)...), nil
}

func readRules(name string) (map[string]rule, error) {
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var config struct {
		Linters struct {
			Settings struct {
				Depguard struct {
					Rules map[string]rule `json:"rules"`
				} `json:"depguard"`
			} `json:"settings"`
		} `json:"linters"`
	}
	if err := yaml.Unmarshal(content, &config); err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	rules := config.Linters.Settings.Depguard.Rules
	if len(rules) == 0 {
		return nil, errors.New(name + " has no linters.settings.depguard.rules")
	}
	return rules, nil
}

// productPackages are the folders of the packages that have more than tests, but for those that are not part of the product (hack
// and test) and the generated ones.
func productPackages() ([]string, error) {
	list := exec.Command("go", "list", "-f", "{{if .GoFiles}}{{.Module.Path}} {{.ImportPath}}{{end}}", "./...")
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var folders []string
	for line := range strings.Lines(string(out)) {
		module, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		folder := strings.TrimPrefix(name, module+"/")
		top, _, _ := strings.Cut(folder, "/")
		if top != "hack" && top != "test" && !slices.Contains(strings.Split(folder, "/"), "applyconfiguration") {
			folders = append(folders, folder)
		}
	}
	return folders, nil
}

// withoutRule says which packages no rule in strict mode names. Strict means that what a rule does not list is refused: a rule in
// another mode lets a new import through.
func withoutRule(packages []string, rules map[string]rule) []string {
	var problems []string
	for _, folder := range packages {
		named := false
		for _, r := range rules {
			named = named || r.ListMode == "strict" && r.names(folder)
		}
		if !named {
			problems = append(problems, fmt.Sprintf(
				`package %s has no import rule: add one to depguard in .golangci.yml, with list-mode: strict and files: ["**/%s/*.go", "!$test"]`,
				folder, folder))
		}
	}
	return problems
}

// names says whether one of the rule's globs is the folder's, and none leaves it out.
func (r rule) names(folder string) bool {
	named := false
	for _, glob := range r.Files {
		excluded := strings.HasPrefix(glob, "!")
		pattern, ok := strings.CutSuffix(strings.TrimPrefix(strings.TrimPrefix(glob, "!"), "**/"), "/*.go")
		matched, err := path.Match(pattern, folder)
		switch {
		case !ok || err != nil || !matched:
		case excluded:
			return false
		default:
			named = true
		}
	}
	return named
}

// withoutFolder says which globs of rules match no file or folder. exists is asked with a pattern of path.Match.
func withoutFolder(rules map[string]rule, exists func(pattern string) bool) []string {
	var problems []string
	for name, r := range rules {
		for _, glob := range r.Files {
			pattern, ok := strings.CutPrefix(strings.TrimPrefix(glob, "!"), "**/")
			pattern = strings.TrimSuffix(pattern, "/**")
			if ok && !slices.ContainsFunc(alternatives(pattern), exists) {
				problems = append(problems, fmt.Sprintf("import rule %s: no file matches %s: remove it, or name the folder that took its place", name, glob))
			}
		}
	}
	slices.Sort(problems)
	return problems
}

// alternatives are the patterns that a glob with one {a,b} stands for.
func alternatives(glob string) []string {
	before, rest, found := strings.Cut(glob, "{")
	inside, after, closed := strings.Cut(rest, "}")
	if !found || !closed {
		return []string{glob}
	}
	var all []string
	for _, one := range strings.Split(inside, ",") {
		all = append(all, before+one+after)
	}
	return all
}

func exists(pattern string) bool {
	found, err := filepath.Glob(pattern)
	return err == nil && len(found) > 0
}
