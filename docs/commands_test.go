package docs_test

import (
	"regexp"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/strvals"

	"github.com/stallkeeper/stallkeeper/test/chart"
)

// shellBlock finds the blocks of commands of a page: what is said about running them, and the commands. test/operator runs them with
// the same expression.
var shellBlock = regexp.MustCompile("(?ms)^ *```sh([^\\n]*)\\n(.*?)^ *```")

// commandPages are the pages that tell people what to type.
func commandPages(t *testing.T) []string {
	t.Helper()
	return append(pages(t), "../charts/stallkeeper/README.md", "../config/samples/README.md")
}

func TestEveryBlockOfCommandsIsRunOrSaysWhyNot(t *testing.T) {
	opened := regexp.MustCompile("(?m)^ *```([a-z]*)(.*)$")
	run := 0
	for _, page := range commandPages(t) {
		content := read(t, page)
		for i, fence := range opened.FindAllStringSubmatch(content, -1) {
			// Every second one closes a block.
			if i%2 == 1 {
				continue
			}
			reason, excused := strings.CutPrefix(fence[2], " not run: ")
			switch language := fence[1]; {
			case language == "bash", language == "shell", language == "console":
				t.Errorf("%s has a block in %q: write sh, which test/operator runs", page, language)
			case language == "" && regexp.MustCompile("(?m)^ *```\\n *(kubectl|helm|make|bin/) ").MatchString(content):
				t.Errorf("%s has a block of commands without a language: write sh, which test/operator runs", page)
			case language != "sh":
			case fence[2] == "":
				run++
			case !excused || len(strings.Fields(reason)) < 4:
				t.Errorf("%s has a block %q: it is run by test/operator, unless it says \"not run: \" and why", page, fence[0])
			}
		}
	}
	if run < 40 {
		t.Errorf("only %d blocks are run: the expression does not find them any more", run)
	}
}

// helmCommand finds an installation or an upgrade, and what it sets.
var (
	helmCommand = regexp.MustCompile(`(?m)^ *helm (?:install|upgrade)(?:[^\n\\]|\\\n)*`)
	helmSet     = regexp.MustCompile(`--set (?:"([^"]*)"|(\S+))`)
)

// What can't be installed in a test is at least what the chart takes.
func TestHelmTakesTheCommandsValues(t *testing.T) {
	names := strings.NewReplacer("{USER}", "{somebody}", "USER", "somebody")
	seen := 0
	for _, page := range commandPages(t) {
		for _, block := range shellBlock.FindAllStringSubmatch(read(t, page), -1) {
			for _, command := range helmCommand.FindAllString(block[2], -1) {
				seen++
				values := map[string]any{}
				for _, set := range helmSet.FindAllStringSubmatch(command, -1) {
					if err := strvals.ParseInto(names.Replace(set[1]+set[2]), values); err != nil {
						t.Errorf("%s: %v in %s", page, err, command)
					}
				}
				if _, err := chart.Render(chart.Release{}, values); err != nil {
					t.Errorf("%s: %v in %s", page, err, command)
				}
			}
		}
	}
	if seen < 6 {
		t.Errorf("only %d commands of Helm are found", seen)
	}
}
