package main

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestTheImageIsBuiltFromAllThatTheBinaryIs: images are built by few, and packages are added by many.
func TestTheImageIsBuiltFromAllThatTheBinaryIs(t *testing.T) {
	const module = "github.com/stallkeeper/stallkeeper/"
	imports, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := func(path string) []string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(string(text), "\n")
	}
	dockerfile, dockerignore := lines("../../Dockerfile"), lines("../../.dockerignore")
	folders := map[string]bool{}
	for imported := range strings.Lines(string(imports)) {
		if path, ours := strings.CutPrefix(strings.TrimSpace(imported), module); ours {
			folder, _, _ := strings.Cut(path, "/")
			folders[folder] = true
		}
	}
	if len(folders) < 2 {
		t.Fatalf("folders: %v", folders)
	}
	for folder := range folders {
		if !slices.Contains(dockerfile, "COPY "+folder+"/ "+folder+"/") {
			t.Errorf("Dockerfile does not copy %s/", folder)
		}
		if !slices.Contains(dockerignore, "!"+folder) {
			t.Errorf(".dockerignore hides %s/", folder)
		}
	}
}

// TestTheBasesOfTheImageArePinned: a tag is whatever its registry says today.
func TestTheBasesOfTheImageArePinned(t *testing.T) {
	dockerfile, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	pinned := regexp.MustCompile(`(?m)^ARG (BUILD|BASE)_IMAGE=[a-z0-9./-]+:[a-z0-9.-]+@sha256:[0-9a-f]{64}$`)
	if found := pinned.FindAllString(string(dockerfile), -1); len(found) != 2 {
		t.Errorf("pinned by digest are %q, want both bases", found)
	}
	for line := range strings.Lines(string(dockerfile)) {
		if from, ok := strings.CutPrefix(line, "FROM "); ok && !strings.HasPrefix(from, "${") {
			t.Errorf("%q is a base that is no argument", line)
		}
	}
}
