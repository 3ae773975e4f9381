package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// documented finds the simulator's commands in a page, up to what the shell makes of the line.
var documented = regexp.MustCompile(`(?:bin/)?stallkeeper simulate ([^\n|` + "`" + `&]+)`)

// variable is what a shell would replace.
var variable = regexp.MustCompile(`\$\{?\w+\}?`)

func TestDocumentedCommandsExist(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	found := 0
	for _, page := range append(pages, "../../README.md") {
		content, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range documented.FindAllStringSubmatch(string(content), -1) {
			found++
			args := strings.Fields(variable.ReplaceAllString(strings.TrimSuffix(strings.TrimSpace(match[1]), "…"), "x"))
			if args[0] == "--help" {
				continue
			}
			cmd, rest, err := newSimulateCommand().Find(args)
			if err != nil || cmd.Name() != args[0] {
				t.Errorf("%s: there is no command %q", page, match[1])
				continue
			}
			if err := cmd.ParseFlags(rest); err != nil {
				t.Errorf("%s: %q: %v", page, match[0], err)
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d commands are documented", found)
	}
}
