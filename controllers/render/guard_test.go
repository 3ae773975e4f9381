package render

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// A template that is evaluated in the controller's process may end it, and ends it again at each start.
func TestTemplatesAreEvaluatedInWorkersOnly(t *testing.T) {
	const module = "github.com/stallkeeper/stallkeeper/controllers/"
	// Those that render what is their own, and what stands for a renderer that was not given.
	allowed := map[string]bool{"hack/chartcompare/compare.go": true, "controllers/controllers.go": true, "controllers/product/controller.go": true}
	evaluates := map[string]string{
		module + "template.Parse": "Renderer.Load", module + "template.EvaluateString": "Renderer.EvaluateString",
		module + "template.EvaluateValues": "Renderer.EvaluateValues", module + "render.InProcess": "a *Pool",
	}
	root, looked := filepath.Join("..", ".."), 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		switch name = filepath.ToSlash(name); {
		case entry.IsDir() && (name == "bin" || name == ".git" || name == "controllers/render" || name == "controllers/template"):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || allowed[name]:
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		looked++
		for used, instead := range evaluates {
			if uses(file, used) {
				t.Errorf("%s uses %s: call %s", name, used, instead)
			}
		}
		return nil
	})
	if err != nil || looked < 100 {
		t.Errorf("%d files were looked at, %v", looked, err)
	}
}

// uses says whether a file names what is exported, as the path of its package and its name.
func uses(file *ast.File, exported string) bool {
	dot := strings.LastIndex(exported, ".")
	as := ""
	for _, imported := range file.Imports {
		if strings.Trim(imported.Path.Value, `"`) == exported[:dot] {
			as = exported[strings.LastIndex(exported[:dot], "/")+1 : dot]
			if imported.Name != nil {
				as = imported.Name.Name
			}
		}
	}
	found := false
	ast.Inspect(file, func(node ast.Node) bool {
		if selector, ok := node.(*ast.SelectorExpr); ok && as != "" && selector.Sel.Name == exported[dot+1:] {
			of, isName := selector.X.(*ast.Ident)
			found = found || isName && of.Name == as
		}
		return true
	})
	return found
}
