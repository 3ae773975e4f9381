package template

import (
	"cmp"
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
	// dicts are the maps that the template has made: what is nothing there was missing where it came from.
	dicts map[uintptr]map[string]any
}

// dict is a function that makes a map, or changes one, and notes the map.
func (m *missing) dict(f func(...any) map[string]any) func(...any) map[string]any {
	return func(args ...any) map[string]any {
		made := f(args...)
		m.dicts[reflect.ValueOf(made).Pointer()] = made
		return made
	}
}

// list are the missing values, each once, in the order in which they were asked for.
func (m *missing) list() []MissingValue { return m.found }

// askFunc reports a path that leads nowhere. It prints nothing and changes nothing.
const askFunc = "stallkeeperAsk"

func (m *missing) functions() template.FuncMap {
	return template.FuncMap{askFunc: func(at, path string, root any) string {
		keys := strings.Split(path, ".")[1:]
		if len(m.found) >= maxMissing || len(keys) > 0 && m.there(reflect.ValueOf(root), keys) || len(keys) == 0 && root != nil {
			return ""
		}
		at, inText := strings.CutSuffix(at, inTpl)
		file, line, _ := strings.Cut(at, "|")
		number, _ := strconv.Atoi(line)
		if inText {
			path += inTplWords
		}
		if one := (MissingValue{File: file, Line: number, Path: path}); !slices.Contains(m.found, one) {
			m.found = append(m.found, one)
		}
		return ""
	}}
}

// inTplWords follow the path of a value that a text given to tpl asks for.
const inTplWords = " in the text that tpl is given"

// there says whether a path leads to something. What is no map is none of our business: a method, a field, or an error of the
// engine's. A null is there, because somebody wrote it, but in a map that the template has made.
func (m *missing) there(v reflect.Value, path []string) bool {
	for _, key := range path {
		for v.IsValid() && v.Kind() == reflect.Interface {
			v = v.Elem()
		}
		if !v.IsValid() || v.Kind() != reflect.Map || v.Type().Key().Kind() != reflect.String {
			return true
		}
		of := v.Pointer()
		v = v.MapIndex(reflect.ValueOf(key).Convert(v.Type().Key()))
		if !v.IsValid() || m.dicts[of] != nil && v.Kind() == reflect.Interface && v.IsNil() {
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

// comparing are the functions that compare nothing as if it were a value.
var comparing = []string{"eq", "ne", "lt", "le", "gt", "ge"}

// ask puts a question before an action for every path that its pipeline needs.
func (m *metering) ask(pipe *parse.PipeNode, paths []askedPath) {
	if !m.asks {
		return
	}
	begin, marker := strings.LastIndex(m.text[:int(pipe.Pos)], "{{"), ""
	opening := m.text[begin+len("{{") : int(pipe.Pos)]
	if strings.HasPrefix(opening, "-") {
		marker = "- "
	}
	if strings.Contains(opening, "else") {
		return // Before an else is a branch that is not taken, in a scope of its own.
	}
	for _, n := range paths {
		root := "."
		if variable, ok := n.Node.(*parse.VariableNode); ok {
			root = variable.Ident[0]
		}
		m.add(begin, "{{%s%s %s %s %s}}", marker, askFunc, strconv.Quote(m.place(int(n.Position()))), strconv.Quote(n.words), root)
	}
}

// place is the place of an offset, as the author knows it.
func (m *metering) place(offset int) string {
	return cmp.Or(m.at, fmt.Sprintf("%s|%d", m.file, m.line(offset)))
}

// tplPlace is the place of a call of tpl, at which is reported what its text does.
func (m *metering) tplPlace(offset int) string {
	return strings.TrimSuffix(m.place(offset), inTpl) + inTpl
}

// inTpl says of a place that what is missing there is asked for by the text that a tpl there evaluates.
const inTpl = "|tpl"

// askedPath is a path that is needed: the field or variable that it begins with, and all of it in the template's words.
type askedPath struct {
	parse.Node
	words string
}

// printed are the paths that a pipeline prints as they are, or through functions that make something of nothing.
func printed(p *parse.PipeNode) []askedPath {
	var found []askedPath
	for _, command := range p.Cmds {
		if path, ok := indexed(command); ok {
			found = append(found, path)
			continue
		}
		args := command.Args[1:]
		switch function := functionOf(command); {
		case function == "":
			args = command.Args
		case function == "ternary":
			args = args[min(2, len(args)):] // the condition; of the two others one is not used
		case !slices.Contains(passing, function) && !slices.Contains(comparing, function):
			found = nil // whatever went in is its business
			continue
		}
		for _, arg := range args {
			if path, ok := pathOf(arg); ok {
				found = append(found, path)
			} else if pipe, ok := arg.(*parse.PipeNode); ok {
				found = append(found, printed(pipe)...)
			}
		}
	}
	return found
}

// compared are the paths that a condition compares, whatever the others say. One that is only asked whether it is there may be missing.
func compared(p *parse.PipeNode) []askedPath {
	if len(p.Cmds) != 1 {
		return nil
	}
	command := p.Cmds[0]
	switch function := functionOf(command); {
	case slices.Contains(comparing, function):
		return printed(p)
	case len(command.Args) > 1 && slices.Contains([]string{"and", "or", "not"}, function):
		// What follows the first of them may hold only because of it.
		if pipe, ok := command.Args[1].(*parse.PipeNode); ok {
			return compared(pipe)
		}
	case function == "" && len(command.Args) == 1:
		if pipe, ok := command.Args[0].(*parse.PipeNode); ok {
			return compared(pipe)
		}
	}
	return nil
}

// functionOf is the function that a command calls; empty where it calls none.
func functionOf(command *parse.CommandNode) string {
	if function, ok := command.Args[0].(*parse.IdentifierNode); ok {
		return function.Ident
	}
	return ""
}

// pathOf is the path that an operand is: a field, a variable, or a field of one in parentheses.
func pathOf(n parse.Node) (askedPath, bool) {
	switch n := n.(type) {
	case *parse.FieldNode, *parse.VariableNode:
		return askedPath{n, n.String()}, true
	case *parse.ChainNode:
		pipe, ok := n.Node.(*parse.PipeNode)
		if !ok || len(pipe.Cmds) != 1 || len(pipe.Decl) > 0 {
			return askedPath{}, false
		}
		path, ok := indexed(pipe.Cmds[0])
		if !ok && len(pipe.Cmds[0].Args) == 1 {
			path, ok = pathOf(pipe.Cmds[0].Args[0])
		}
		path.words += "." + strings.Join(n.Field, ".")
		return path, ok
	}
	return askedPath{}, false
}

// indexed is the path of an index by constant keys, such as index .Values.map "key", or of get. A key with a dot would look like two.
func indexed(command *parse.CommandNode) (askedPath, bool) {
	function := functionOf(command)
	if function != "index" && function != "get" || len(command.Args) < 3 {
		return askedPath{}, false
	}
	path, ok := pathOf(command.Args[1])
	if !ok {
		return askedPath{}, false
	}
	for _, arg := range command.Args[2:] {
		key, ok := arg.(*parse.StringNode)
		if !ok || key.Text == "" || strings.Contains(key.Text, ".") {
			return askedPath{}, false
		}
		path.words += "." + key.Text
	}
	return path, true
}
