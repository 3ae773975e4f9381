// Package docs_test keeps the documentation true to the code: what it names must exist, and what it shows must be accepted.
package docs_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// pages are all pages of the documentation, relative to this folder.
func pages(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("*.md")
	if err != nil || len(found) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	return append(found, "../README.md")
}

// developersPages are those for people who change the code.
func developersPages(t *testing.T) []string {
	t.Helper()
	decisions, err := filepath.Glob("decisions/0*.md")
	if err != nil || len(decisions) == 0 {
		t.Fatalf("no decisions: %v", err)
	}
	return append(decisions, "../CONTRIBUTING.md")
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// constants are the texts of all constants of a file whose name begins with prefix, by name.
func constants(t *testing.T, path, prefix string) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, prefix) || len(spec.Values) != 1 {
			return true
		}
		if literal, ok := spec.Values[0].(*ast.BasicLit); ok {
			text, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			found[spec.Names[0].Name] = text
		}
		return true
	})
	return found
}

// tableCells are the first cells of all rows of the page's tables.
func tableCells(page string) string {
	var cells strings.Builder
	for line := range strings.Lines(page) {
		if cell, _, ok := strings.Cut(strings.TrimPrefix(line, "|"), "|"); ok && strings.HasPrefix(line, "|") {
			cells.WriteString(cell + "\n")
		}
	}
	return cells.String()
}

// conditionFiles are the files of the API that hold conditions and reasons.
func conditionFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../api/v1alpha1/conditions*.go")
	if err != nil || len(files) < 2 {
		t.Fatalf("no files of conditions: %v", err)
	}
	return files
}

func TestTheGuideExplainsEveryConditionAndReason(t *testing.T) {
	explained := tableCells(read(t, "guide.md"))
	for _, prefix := range []string{"Condition", "Reason"} {
		found := map[string]string{}
		for _, path := range conditionFiles(t) {
			maps.Copy(found, constants(t, path, prefix))
		}
		if len(found) == 0 {
			t.Errorf("conditions*.go have no constant that begins with %s", prefix)
		}
		for name, text := range found {
			if !strings.Contains(explained, "`"+text+"`") {
				t.Errorf("no table of guide.md explains %s (%s)", text, name)
			}
		}
	}
}

func TestTheGuideExplainsEveryReasonOfABlocker(t *testing.T) {
	explained := tableCells(read(t, "guide.md"))
	for path, prefix := range map[string]string{
		"../controllers/tenant/refusal.go": "Reason", "../controllers/apply/errors.go": "Reason", "../controllers/apply/pods.go": "Problem",
	} {
		found := constants(t, path, prefix)
		if len(found) == 0 {
			t.Errorf("%s has no constant that begins with %s", path, prefix)
		}
		for name, text := range found {
			if !strings.Contains(explained, "`"+text+"`") {
				t.Errorf("no table of guide.md explains %s (%s of %s)", text, name, path)
			}
		}
	}
}

func TestTheSellersGuideExplainsCodesReasonsAndKeys(t *testing.T) {
	page := read(t, "koogallery.md")
	told := constants(t, "../marketplace/koogallery/codes.go", "Result")
	for name, text := range constants(t, "../marketplace/koogallery/keys.go", "Key") {
		told[name] = text
	}
	// The reasons of refused calls are in a table of the webhook server, the general one after it.
	reasons := regexp.MustCompile(`(?m)^\t\{[A-Za-z.]+, "([A-Za-z]+)"\},$`).FindAllStringSubmatch(read(t, "../webhook/errors.go"), -1)
	if len(reasons) == 0 {
		t.Error("webhook/errors.go has no table of reasons")
	}
	for _, reason := range append(reasons, []string{"", "Unavailable"}) {
		told["reason "+reason[1]] = reason[1]
	}
	for name, text := range told {
		if !strings.Contains(page, "`"+text+"`") {
			t.Errorf("koogallery.md does not explain %s (%s)", text, name)
		}
	}
}

func TestTheLoginsPageExplainsEveryRefusal(t *testing.T) {
	explained := tableCells(read(t, "login.md"))
	found := regexp.MustCompile(`= &refusal\{"([A-Za-z]+)"`).FindAllStringSubmatch(read(t, "../login/refusal.go"), -1)
	if len(found) == 0 {
		t.Error("login/refusal.go has no refusals")
	}
	for _, reason := range found {
		if !strings.Contains(explained, "`"+reason[1]+"`") {
			t.Errorf("no table of login.md explains %s", reason[1])
		}
	}
}

func TestTheReadmeShowsTheSmallestSamples(t *testing.T) {
	readme := read(t, "../README.md")
	// The block stands in a list, three blanks to the right.
	plain := regexp.MustCompile(`(?m)^ {3}`).ReplaceAllString(readme, "")
	for _, sample := range []string{"marketplace.yaml", "product.yaml"} {
		if !strings.Contains(plain, read(t, "../config/samples/smallest/"+sample)) {
			t.Errorf("README.md does not show config/samples/smallest/%s as it is", sample)
		}
	}
	if lines := strings.Count(readme, "\n"); lines >= 200 {
		t.Errorf("README.md has %d lines; move something into docs", lines)
	}
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

func TestLinksLeadSomewhere(t *testing.T) {
	for _, page := range slices.Concat(pages(t), developersPages(t)) {
		for _, found := range link.FindAllStringSubmatch(read(t, page), -1) {
			target, anchor, _ := strings.Cut(found[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			path := page
			if target != "" {
				path = filepath.Join(filepath.Dir(page), target)
			}
			if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s links to %s, which does not exist", page, found[1])
				continue
			}
			if anchor != "" && !slices.Contains(anchors(read(t, path)), anchor) {
				t.Errorf("%s links to %s, and there is no such heading", page, found[1])
			}
		}
	}
}

// path is what looks like a file or folder of this repository, with * and one {a,b} where several are meant.
var path = regexp.MustCompile("`((?:api|charts|cmd|config|controllers|directory|docs|hack|login|marketplace|subscription|test|webhook)/[^`\\s]+)`")

func TestFilesThatAreNamedExist(t *testing.T) {
	seen := 0
	for _, page := range slices.Concat(pages(t), developersPages(t)) {
		for _, found := range path.FindAllStringSubmatch(read(t, page), -1) {
			for _, name := range alternatives(found[1]) {
				seen++
				if there, err := filepath.Glob(filepath.Join("..", name)); err != nil || len(there) == 0 {
					t.Errorf("%s names %s, which does not exist", page, name)
				}
			}
		}
	}
	if seen == 0 {
		t.Error("no page names a file")
	}
}

// alternatives are the paths that one with {a,b} stands for.
func alternatives(name string) []string {
	before, rest, found := strings.Cut(name, "{")
	inside, after, closed := strings.Cut(rest, "}")
	if !found || !closed {
		return []string{name}
	}
	var all []string
	for _, one := range strings.Split(inside, ",") {
		all = append(all, before+one+after)
	}
	return all
}

// anchors are the names by which a page's headings are linked to.
func anchors(page string) []string {
	var found []string
	for line := range strings.Lines(page) {
		if title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
			name := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), "")
			found = append(found, strings.ReplaceAll(name, " ", "-"))
		}
	}
	return found
}

func TestMakeTargetsExist(t *testing.T) {
	makefile := read(t, "../Makefile")
	for _, page := range pages(t) {
		for _, found := range regexp.MustCompile("(?m)(?:^ *|`)make ([a-z-]+)").FindAllStringSubmatch(read(t, page), -1) {
			if !regexp.MustCompile(`(?m)^` + found[1] + `:`).MatchString(makefile) {
				t.Errorf("%s speaks of `make %s`, which the Makefile does not have", page, found[1])
			}
		}
	}
}

func TestChartValuesExist(t *testing.T) {
	var values map[string]any
	if err := yaml.Unmarshal([]byte(read(t, "../charts/stallkeeper/values.yaml")), &values); err != nil {
		t.Fatal(err)
	}
	for _, page := range pages(t) {
		for _, found := range regexp.MustCompile(`--set(?:-json)? ["']?([A-Za-z.]+)=`).FindAllStringSubmatch(read(t, page), -1) {
			if !hasValue(values, strings.Split(found[1], ".")) {
				t.Errorf("%s sets %s, and the chart has no such value", page, found[1])
			}
		}
	}
}

func hasValue(values map[string]any, path []string) bool {
	value, ok := values[path[0]]
	if !ok || len(path) == 1 {
		return ok
	}
	below, ok := value.(map[string]any)
	return ok && hasValue(below, path[1:])
}

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

func TestExamplesHaveNoUnknownFields(t *testing.T) {
	kinds := map[string]func() any{
		"Marketplace":         func() any { return &v1alpha1.Marketplace{} },
		"MarketplaceProduct":  func() any { return &v1alpha1.MarketplaceProduct{} },
		"MarketplaceInstance": func() any { return &v1alpha1.MarketplaceInstance{} },
		"MarketplaceRevision": func() any { return &v1alpha1.MarketplaceRevision{} },
		"UsageRecord":         func() any { return &v1alpha1.UsageRecord{} },
	}
	for _, page := range pages(t) {
		for _, block := range yamlBlock.FindAllStringSubmatch(read(t, page), -1) {
			for _, document := range documents(block[1]) {
				var head struct{ APIVersion, Kind string }
				if err := yaml.Unmarshal([]byte(document), &head); err != nil {
					t.Errorf("%s has an example that is not YAML: %v", page, err)
					continue
				}
				// Settings of other tools are tested with those tools' libraries.
				if page == "gitops.md" && !strings.HasPrefix(head.APIVersion, v1alpha1.GroupVersion.Group+"/") {
					continue
				}
				object, ok := kinds[head.Kind]
				if !ok {
					t.Errorf("%s has an example of kind %q", page, head.Kind)
					continue
				}
				if err := yaml.UnmarshalStrict([]byte(document), object()); err != nil {
					t.Errorf("%s has an example that the API would not accept: %v", page, err)
				}
			}
		}
	}
}

// documents are the parts of a block of YAML, without the indent of the list that the block may stand in.
func documents(block string) []string {
	indent := len(block) - len(strings.TrimLeft(block, " "))
	plain := regexp.MustCompile(`(?m)^ {`+strconv.Itoa(indent)+`}`).ReplaceAllString(block, "")
	return strings.Split(plain, "\n---\n")
}

// patch is a merge patch of one of our kinds, as docs and scripts write it for a shell.
var patch = regexp.MustCompile(`kubectl patch ([a-z]+) [^\n]*--type=merge -p '((?:[^'\n]|'"[^"\n]*"')*)'(?:\s|$)`)

// correction is a JSON patch that sets a correction as a whole: with a merge patch the fields of the former one would stay in it.
var correction = regexp.MustCompile(`kubectl patch mpi [^\n]*--type=json -p '\[\{"op":"add","path":"/spec/correction","value":((?:[^'\n]|'"[^"\n]*"')*)\}\]'`)

func TestCorrectionsAreSetAsAWhole(t *testing.T) {
	seen := 0
	for _, page := range append(pages(t), "../charts/stallkeeper/README.md") {
		content := read(t, page)
		for _, found := range correction.FindAllStringSubmatch(content, -1) {
			seen++
			value := regexp.MustCompile(`'"[^"\n]*"'`).ReplaceAllString(found[1], "somebody")
			if err := yaml.UnmarshalStrict([]byte(value), &v1alpha1.Correction{}); err != nil {
				t.Errorf("%s has a correction that the API would not accept: %v\n%s", page, err, found[1])
			}
		}
		if regexp.MustCompile(`--type=merge -p '\{"spec":\{"correction":\{`).MatchString(content) {
			t.Errorf("%s patches a correction by merging, which keeps what the former one said", page)
		}
	}
	if seen < 6 {
		t.Errorf("only %d corrections were found: the expression does not find them any more", seen)
	}
}

func TestPatchesHaveNoUnknownFields(t *testing.T) {
	kinds := map[string]func() any{
		"mkt":  func() any { return &v1alpha1.Marketplace{} },
		"mpp":  func() any { return &v1alpha1.MarketplaceProduct{} },
		"mpi":  func() any { return &v1alpha1.MarketplaceInstance{} },
		"urec": func() any { return &v1alpha1.UsageRecord{} },
	}
	seen := 0
	for _, page := range append(pages(t), "../charts/stallkeeper/README.md") {
		for _, found := range patch.FindAllStringSubmatch(read(t, page), -1) {
			object, ok := kinds[found[1]]
			if !ok {
				if found[1] != "secret" {
					t.Errorf("%s patches a %s, and there is no such short name", page, found[1])
				}
				continue
			}
			seen++
			// A variable of the shell stands between two quoted texts.
			content := regexp.MustCompile(`'"[^"\n]*"'`).ReplaceAllString(found[2], "somebody")
			if err := yaml.UnmarshalStrict([]byte(content), object()); err != nil {
				t.Errorf("%s has a patch that the API would not accept: %v\n%s", page, err, found[2])
			}
			if strings.Contains(content, `"subscription"`) {
				t.Errorf("%s tells people to write into spec.subscription, which only machines do:\n%s", page, found[2])
			}
		}
	}
	if seen < 10 {
		t.Errorf("only %d patches were found: the expression does not find them any more", seen)
	}
}

func TestCommandsNameKindsThatExist(t *testing.T) {
	known := []string{
		"all", "clusterrole", "configmap", "controllerrevisions", "crd", "job", "jobs", "mkr", "mkt", "mpi", "mpp", "namespace", "pods", "role",
		"rolebinding", "secret", "urec", "job/app-migrate", "deploy/NAME",
	}
	for _, page := range append(pages(t), "../charts/stallkeeper/README.md", "../config/samples/README.md") {
		for _, found := range regexp.MustCompile(`kubectl (?:get|describe|patch|delete|wait|annotate|label) ([a-z][a-z/,-]*)`).FindAllStringSubmatch(read(t, page), -1) {
			for _, kind := range strings.Split(found[1], ",") {
				if !slices.Contains(known, kind) {
					t.Errorf("%s has a command about %q: is it the name of a kind? Ours are mkt, mpp, mkr, mpi and urec", page, kind)
				}
			}
		}
	}
}

func TestNoCommandReplacesAPartOfASecret(t *testing.T) {
	for _, page := range append(pages(t), "../charts/stallkeeper/README.md") {
		if strings.Contains(read(t, page), "kubectl replace -f") {
			t.Errorf("%s replaces an object from a part of it: that deletes a Secret's other keys", page)
		}
		if strings.Contains(read(t, page), "--reuse-values") {
			t.Errorf("%s upgrades with --reuse-values, which leaves a newer chart's values out: use --reset-then-reuse-values", page)
		}
	}
}
