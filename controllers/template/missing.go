package template

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"
)

// maxMissing bounds how many missing values are reported.
const maxMissing = 100

// MissingValue is a value that a template prints and that is not there. Helm prints nothing in its place.
type MissingValue struct {
	// File and Line are the place in the template, as its author knows it.
	File string `json:"file"`
	Line int    `json:"line"`
	// Path is what was asked for in the template's words: ".Values.replica", "$.Values.replica", "$size".
	Path string `json:"path"`
}

// String is the place and what is missing there.
func (m MissingValue) String() string { return fmt.Sprintf("%s:%d: %s", m.File, m.Line, m.Path) }

// missing collects the missing values of one rendering.
type missing struct {
	found []MissingValue
}

// list are the missing values, each once, in the order in which they were asked for.
func (m *missing) list() []MissingValue { return m.found }

// askFunc reports a path that leads nowhere. It prints nothing and changes nothing.
const askFunc = "stallkeeperAsk"

func (m *missing) functions() template.FuncMap {
	return template.FuncMap{askFunc: func(at, path string, root any) string {
		keys := strings.Split(path, ".")[1:]
		if len(m.found) >= maxMissing || len(keys) > 0 && there(reflect.ValueOf(root), keys) || len(keys) == 0 && root != nil {
			return ""
		}
		file, line, _ := strings.Cut(at, "|")
		number, _ := strconv.Atoi(line)
		if one := (MissingValue{File: file, Line: number, Path: path}); !slices.Contains(m.found, one) {
			m.found = append(m.found, one)
		}
		return ""
	}}
}

// there says whether a path leads to something. What is no map is none of our business: a method, a field, or an error of the
// engine's. A null is there: somebody wrote it.
func there(v reflect.Value, path []string) bool {
	for _, key := range path {
		for v.IsValid() && v.Kind() == reflect.Interface {
			v = v.Elem()
		}
		if !v.IsValid() || v.Kind() != reflect.Map || v.Type().Key().Kind() != reflect.String {
			return true
		}
		v = v.MapIndex(reflect.ValueOf(key).Convert(v.Type().Key()))
		if !v.IsValid() {
			return false
		}
	}
	return true
}

// passing are the functions that make something of nothing without a word, where the author meant a value. All others, such as default
// and include, may be there for values that are missing.
var passing = []string{
	"quote", "squote", "int", "int64", "float64", "toString", "toYaml", "toJson", "toRawJson", "toPrettyJson", "b64enc", "upper", "lower",
	"title", "trim", "trunc", "indent", "nindent", "printf", "print", "println", "add", "add1", "mul", "sub", "div", "mod", "max", "min", "ceil",
	"floor", "round", "replace", "cat", "join", "sha256sum", "trimSuffix", "trimPrefix", "trimAll", "nospace", "kebabcase", "snakecase",
	"camelcase", "urlquery", "toDecimal", "list", "tuple",
}

// ask puts a question before an action for every path that it prints.
func (m *metering) ask(action *parse.ActionNode) {
	if !m.asks {
		return
	}
	for _, n := range asked(action.Pipe) {
		root, words := ".", n.words
		if variable, ok := n.Node.(*parse.VariableNode); ok {
			root = variable.Ident[0]
		}
		begin, marker := strings.LastIndex(m.text[:int(action.Pipe.Pos)], "{{"), ""
		if strings.HasPrefix(m.text[begin:], "{{-") {
			marker = "- "
		}
		m.add(begin, "{{%s%s %s %s %s}}", marker, askFunc, strconv.Quote(fmt.Sprintf("%s|%d", m.file, m.line(int(n.Position())))),
			strconv.Quote(words), root)
	}
}

// askedPath is a path that is printed: the field or variable that it begins with, and all of it in the template's words.
type askedPath struct {
	parse.Node
	words string
}

// asked are the paths that a pipeline prints as they are, or through functions that pass nothing on.
func asked(p *parse.PipeNode) []askedPath {
	var found []askedPath
	for _, command := range p.Cmds {
		function, isFunction := command.Args[0].(*parse.IdentifierNode)
		if path, ok := indexed(command); ok {
			found = append(found, path)
			continue
		}
		if isFunction && !slices.Contains(passing, function.Ident) {
			found = nil // whatever went in is its business
			continue
		}
		for i, arg := range command.Args {
			switch arg := arg.(type) {
			case *parse.FieldNode, *parse.VariableNode:
				if i > 0 || len(command.Args) == 1 {
					found = append(found, askedPath{arg, arg.String()})
				}
			case *parse.PipeNode:
				found = append(found, asked(arg)...)
			}
		}
	}
	return found
}

// indexed is the path of an index by constant keys, such as index .Values.map "key". A key with a dot would look like two.
func indexed(command *parse.CommandNode) (askedPath, bool) {
	function, ok := command.Args[0].(*parse.IdentifierNode)
	if !ok || function.Ident != "index" || len(command.Args) < 3 {
		return askedPath{}, false
	}
	switch command.Args[1].(type) {
	case *parse.FieldNode, *parse.VariableNode:
	default:
		return askedPath{}, false
	}
	words := command.Args[1].String()
	for _, arg := range command.Args[2:] {
		key, ok := arg.(*parse.StringNode)
		if !ok || key.Text == "" || strings.Contains(key.Text, ".") {
			return askedPath{}, false
		}
		words += "." + key.Text
	}
	return askedPath{command.Args[1], words}, true
}
