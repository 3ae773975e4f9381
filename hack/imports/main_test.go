package main

import (
	"path"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEveryPackageNeedsARule(t *testing.T) {
	strict := func(files ...string) map[string]rule {
		return map[string]rule{"a": {ListMode: "strict", Files: files}}
	}
	for name, tc := range map[string]struct {
		rules map[string]rule
		named bool
	}{
		"a strict rule with its folder names it":             {strict("**/controllers/sale/*.go", "!$test"), true},
		"so does one of several globs":                       {strict("**/login/*.go", "**/controllers/sale/*.go"), true},
		"so does a folder of any name":                       {strict("**/controllers/*/*.go"), true},
		"a rule that is not strict lets new imports through": {map[string]rule{"a": {Files: []string{"**/controllers/sale/*.go"}}}, false},
		"a rule for everything is nobody's own":              {strict("$all"), false},
		"a rule for the folder above does not reach it":      {strict("**/controllers/*.go"), false},
		"nor does one for all below that":                    {strict("**/controllers/**"), false},
		"nor one for a folder of the same name":              {strict("**/sale/*.go"), false},
		"a file is not the package":                          {strict("**/controllers/sale/facts.go"), false},
		"what a rule leaves out it does not name":            {strict("**/controllers/*/*.go", "!**/controllers/sale/*.go"), false},
		"leaving out tests leaves out no package":            {strict("!$test", "**/controllers/sale/*.go"), true},
	} {
		t.Run(name, func(t *testing.T) {
			if problems := withoutRule([]string{"controllers/sale"}, tc.rules); (len(problems) == 0) != tc.named {
				t.Errorf("named %v, want %v: %q", len(problems) == 0, tc.named, problems)
			}
		})
	}
}

func TestEveryRuleNeedsAFolder(t *testing.T) {
	files := []string{"login/find.go", "controllers/sale/sale.go", "controllers/sale", "controllers"}
	exists := func(pattern string) bool {
		return slices.ContainsFunc(files, func(file string) bool {
			matched, err := path.Match(pattern, file)
			return err == nil && matched
		})
	}
	rules := map[string]rule{
		"there": {Files: []string{"**/controllers/sale/*.go", "**/controllers/**", "!**/login/{find,gone}.go", "$all", "!$test"}},
		"gone":  {Files: []string{"**/controllers/sources/*.go", "!**/login/{a,b}.go", "**/sources/**"}},
	}
	want := []string{
		"import rule gone: no file matches !**/login/{a,b}.go: remove it, or name the folder that took its place",
		"import rule gone: no file matches **/controllers/sources/*.go: remove it, or name the folder that took its place",
		"import rule gone: no file matches **/sources/**: remove it, or name the folder that took its place",
	}
	if diff := cmp.Diff(want, withoutFolder(rules, exists)); diff != "" {
		t.Error(diff)
	}
}
