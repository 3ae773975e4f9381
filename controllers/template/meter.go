package template

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/template/parse"
)

// Helm's engine has no limit on work: `{{ range 1000000000 }}{{ end }}` runs for minutes, calls no function and writes
// nothing, so that there is no place to stop it from. Therefore every template text is metered before the engine sees it:
// calls to the functions below are put between its actions, always on the line where they belong, so that the lines in
// errors stay true. What a template means is unchanged.
const (
	// stepFunc n spends n and prints nothing.
	stepFunc = "stallkeeperStep"
	// meterFunc passes the result of a pipeline on and spends its size.
	meterFunc = "stallkeeperMeter"
	// printFunc is meterFunc for a result that is printed.
	printFunc = "stallkeeperPrint"
	// tplTextFunc meters a text that is about to be evaluated by tpl.
	tplTextFunc = "stallkeeperText"
	// enterFunc and leaveFunc stand around such a text and count how deep they lie in each other: Helm has no limit for
	// a value that evaluates itself, and Go can't recover from a full stack.
	enterFunc, leaveFunc = "stallkeeperEnter", "stallkeeperLeave"
	// rangeFunc is meterFunc for what range goes through.
	rangeFunc = "stallkeeperRange"
)

// What work costs, in about the nanoseconds it takes at least; bytes and elements cost one each.
const (
	workBudget    = 1 << 26
	pipelineCost  = 32
	iterationCost = 64
	templateCost  = 512
	tplCost       = 4096
	maxTplDepth   = 100
	// maxFrames is how many calls of Go may lie in each other; a template that is included takes about 15 of them. It is counted
	// at every framesEvery-th template, because counting takes as long as the stack is deep.
	maxFrames   = 1 << 14
	framesEvery = 64
)

// budget is what is left of the work that one rendering may do.
type budget struct {
	left  int64
	depth int
	// entered counts the templates that were begun.
	entered int
}

func newBudget() *budget { return &budget{left: workBudget} }

// spend takes n from the budget.
func (b *budget) spend(n int) error {
	if b.left -= int64(n); b.left < 0 {
		return refusef("the template does more work than rendering may take; it loops, calls itself or grows without end")
	}
	return nil
}

// enter refuses templates that lie too deep in each other. Helm counts how often one includes itself, and not how often many include
// each other, and Go can't recover from a full stack.
func (b *budget) enter() error {
	if b.entered++; b.entered%framesEvery != 0 {
		return nil
	}
	if runtime.Callers(maxFrames, make([]uintptr, 1)) > 0 {
		return refusef("the definitions lie too deep in each other; they include each other without end")
	}
	return nil
}

// size is what a value costs to print or to copy once.
func size(v reflect.Value) int {
	for v.IsValid() && v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if !v.IsValid() {
		return 0
	}
	switch v.Kind() {
	case reflect.String, reflect.Slice, reflect.Array, reflect.Map:
		return v.Len()
	default:
		return 0
	}
}

// functions are the metering functions over this budget. printed is asked about every printed result.
// evaluates is told of every text that tpl evaluates, and the place of that tpl.
func (b *budget) functions(printed func(reflect.Value) (reflect.Value, error), evaluates func(at, text string)) map[string]any {
	pass := func(v reflect.Value) (reflect.Value, error) {
		return v, b.spend(pipelineCost + size(v))
	}
	return map[string]any{
		stepFunc: func(n int) (string, error) {
			if n == templateCost {
				if err := b.enter(); err != nil {
					return "", err
				}
			}
			return "", b.spend(n)
		},
		meterFunc: pass,
		printFunc: func(v reflect.Value) (reflect.Value, error) {
			v, err := printed(v)
			if err != nil {
				return v, err
			}
			return pass(v)
		},
		tplTextFunc: func(asks bool, at, text string) (string, error) {
			evaluates(at, text)
			leave := "{{" + leaveFunc + "}}"
			if strings.HasSuffix(text, "{") { // three braces would be another action
				leave = " {{- " + leaveFunc + "}}"
			}
			return "{{" + enterFunc + "}}" + string(meteredAt("tpl", at, []byte(text), asks)) + leave, b.spend(tplCost + len(text))
		},
		enterFunc: func() (string, error) {
			if b.depth++; b.depth > maxTplDepth {
				return "", refusef("texts evaluated by tpl lie more than %d deep in each other", maxTplDepth)
			}
			return "", nil
		},
		leaveFunc: func() string { b.depth--; return "" },
	}
}

// insertion is a text to put before the byte at an offset.
type insertion struct {
	at   int
	text string
}

// metering collects the insertions for one text.
type metering struct {
	text string
	todo []insertion
	// file and definition are where the text is, for people.
	file, definition string
	// alike counts calls of the same words in a definition.
	alike map[string]int
	// asks says that every value that is asked for is looked for.
	asks bool
	// at is the place to report them at, where that is not where they stand: of a text given to tpl, the place of that call.
	at string
}

// metered is the text with its metering. A text that does not parse is returned as it is: the engine refuses it with the
// same parser, and never runs it.
func metered(name string, text []byte) []byte { return meteredAsking(name, text, false) }

// meteredAsking is metered, and reports values that are asked for and are not there, if asks says so.
func meteredAsking(name string, text []byte, asks bool) []byte {
	return meteredAt(name, "", text, asks)
}

// meteredAt is meteredAsking for a text of which the author knows another place.
func meteredAt(name, at string, text []byte, asks bool) []byte {
	trees := map[string]*parse.Tree{}
	tree := parse.New(name)
	tree.Mode = parse.SkipFuncCheck
	if _, err := tree.Parse(string(text), "", "", trees); err != nil {
		return text
	}
	m := &metering{text: string(text), file: name, alike: map[string]int{}, asks: asks, at: at}
	for _, definition := range slices.Sorted(maps.Keys(trees)) {
		m.definition = definition
		m.tree(trees[definition])
	}
	return []byte(m.apply())
}

func (m *metering) add(at int, format string, args ...any) {
	m.todo = append(m.todo, insertion{at, fmt.Sprintf(format, args...)})
}

// apply puts the insertions in. Those at the same place stay in the order in which they were added.
func (m *metering) apply() string {
	slices.SortStableFunc(m.todo, func(a, b insertion) int { return cmp.Compare(a.at, b.at) })
	var out strings.Builder
	from := 0
	for _, in := range m.todo {
		out.WriteString(m.text[from:in.at])
		out.WriteString(in.text)
		from = in.at
	}
	out.WriteString(m.text[from:])
	return out.String()
}

// tree meters a file's own text or one define. A step comes first, so that templates that only call each other cost
// something before they do.
func (m *metering) tree(t *parse.Tree) {
	if t.Root == nil || parse.IsEmptyTree(t.Root) {
		return // An empty define does not replace a filled one of the same name; with a step in it, it would.
	}
	for _, n := range t.Root.Nodes {
		if text, ok := n.(*parse.TextNode); ok && blank(text) {
			continue
		} else if ok {
			m.add(int(text.Pos), "{{%s %d}}", stepFunc, templateCost)
		}
		if pos, ok := inside(n); ok {
			m.stepBefore(pos, templateCost)
		}
		break
	}
	m.list(t.Root)
}

// inside is a position inside the node's opening action.
func inside(n parse.Node) (int, bool) {
	switch n := n.(type) {
	case *parse.ActionNode:
		return int(n.Pipe.Pos), true
	case *parse.IfNode:
		return int(n.Pipe.Pos), true
	case *parse.WithNode:
		return int(n.Pipe.Pos), true
	case *parse.RangeNode:
		return int(n.Pipe.Pos), true
	case *parse.TemplateNode:
		return int(n.Pos), true
	default:
		return 0, false
	}
}

func (m *metering) list(l *parse.ListNode) {
	if l == nil {
		return
	}
	for _, n := range l.Nodes {
		m.node(n)
	}
}

func (m *metering) node(n parse.Node) {
	switch n := n.(type) {
	case *parse.TextNode:
		if !blank(n) { // Blank text is small, and a step in a blank define would make it a filled one.
			m.add(int(n.Pos), "{{%s %d}}", stepFunc, len(n.Text))
		}
	case *parse.ActionNode:
		if len(n.Pipe.Decl) == 0 {
			m.ask(n.Pipe, printed(n.Pipe))
			m.pipe(n.Pipe, printFunc)
		} else {
			m.pipe(n.Pipe, meterFunc)
		}
	case *parse.IfNode:
		m.ask(n.Pipe, compared(n.Pipe))
		m.branch(&n.BranchNode)
	case *parse.WithNode:
		m.branch(&n.BranchNode)
	case *parse.RangeNode:
		m.stepAfter(int(n.Pipe.Pos), iterationCost)
		m.pipe(n.Pipe, rangeFunc)
		m.list(n.List)
		m.list(n.ElseList)
	case *parse.TemplateNode:
		m.stepBefore(int(n.Pos), templateCost)
		if n.Pipe != nil {
			m.pipe(n.Pipe, meterFunc)
		}
	}
}

func (m *metering) branch(b *parse.BranchNode) {
	m.pipe(b.Pipe, meterFunc)
	m.list(b.List)
	m.list(b.ElseList)
}

// pipe appends a function to the pipeline of an action, after metering the texts that tpl gets in it.
func (m *metering) pipe(p *parse.PipeNode, function string) {
	m.tplTexts(p)
	end, trim := m.actionEnd(int(p.Pos))
	if trim {
		end-- // before the minus; the space in front of it is already there
	}
	if strings.HasSuffix(strings.TrimRight(m.text[:end], " \t\r\n"), "|") { // the parser accepts a pipe with nothing behind it
		m.add(end, " %s ", function)
		return
	}
	m.add(end, "| %s ", function)
}

// tplTexts wraps the first argument of every tpl below a node: `tpl X .` becomes `tpl (stallkeeperText X) .`. It also gives every
// call of a function whose result changes its place: `uuidv4` becomes `stallkeeperMade "place" "uuidv4"`.
func (m *metering) tplTexts(n parse.Node) {
	switch n := n.(type) {
	case *parse.PipeNode:
		for _, c := range n.Cmds {
			m.tplTexts(c)
		}
	case *parse.ChainNode:
		m.tplTexts(n.Node)
	case *parse.IdentifierNode: // an argument that is a call of its own
		if m.changes(n.Ident) {
			m.add(int(n.Pos), "(")
			m.made(n, n.Ident)
			m.add(int(n.Pos)+len(n.Ident), ")")
		}
	case *parse.CommandNode:
		for _, arg := range n.Args[1:] {
			m.tplTexts(arg)
		}
		ident, ok := n.Args[0].(*parse.IdentifierNode)
		if !ok {
			m.tplTexts(n.Args[0])
			return
		}
		if m.changes(ident.Ident) {
			m.made(ident, n.String())
		}
		if ident.Ident != "tpl" || len(n.Args) < 2 {
			return
		}
		begin := int(ident.Pos) + len(ident.Ident)
		begin += len(m.text[begin:]) - len(strings.TrimLeft(m.text[begin:], " \t\r\n"))
		m.add(begin, "(%s %t %s ", tplTextFunc, m.asks, strconv.Quote(m.tplPlace(int(ident.Pos))))
		m.add(m.operandEnd(begin), ")")
	}
}

// changes says whether a function's result changes.
func (m *metering) changes(function string) bool {
	return kinds[function] != "" || function == neverKept
}

// made gives a call its place.
func (m *metering) made(ident *parse.IdentifierNode, words string) {
	alike := m.definition + ident.Ident + words
	place := sitePlace(m.definition, ident.Ident, words, m.alike[alike])
	m.alike[alike]++
	m.add(int(ident.Pos), "%s %s ", madeFunc, strconv.Quote(site(m.file, m.line(int(ident.Pos)), place)))
	m.add(int(ident.Pos), `"`)
	m.add(int(ident.Pos)+len(ident.Ident), `"`)
}

// line is the line of an offset, counted from 1.
func (m *metering) line(at int) int { return 1 + strings.Count(m.text[:at], "\n") }

// stepBefore puts a step in front of the action around pos. It takes over the action's trim marker, which would
// otherwise find the step instead of the blanks.
func (m *metering) stepBefore(pos, cost int) {
	begin := strings.LastIndex(m.text[:pos], "{{")
	marker := ""
	if strings.HasPrefix(m.text[begin:], "{{- ") || strings.HasPrefix(m.text[begin:], "{{-\t") ||
		strings.HasPrefix(m.text[begin:], "{{-\n") || strings.HasPrefix(m.text[begin:], "{{-\r") {
		marker = "- "
	}
	m.add(begin, "{{%s%s %d}}", marker, stepFunc, cost)
}

// stepAfter puts a step behind the action that pos is in, with that action's trim marker.
func (m *metering) stepAfter(pos, cost int) {
	end, trim := m.actionEnd(pos)
	marker := ""
	if trim {
		marker = " -"
	}
	m.add(end+len("}}"), "{{%s %d%s}}", stepFunc, cost, marker)
}

// actionEnd is the offset of the closing braces of the action that pos is in, and whether a trim marker is before them.
func (m *metering) actionEnd(pos int) (end int, trim bool) {
	end = m.scan(pos, func(i int) bool { return strings.HasPrefix(m.text[i:], "}}") })
	trim = end >= 2 && m.text[end-1] == '-' && strings.ContainsRune(" \t\r\n", rune(m.text[end-2]))
	return end, trim
}

// operandEnd is the offset behind the operand that begins at pos: a literal, a field, a parenthesised pipeline.
func (m *metering) operandEnd(pos int) int {
	depth := 0
	return m.scan(pos, func(i int) bool {
		switch m.text[i] {
		case '(':
			depth++
		case ')':
			depth--
			return depth < 0
		case ' ', '\t', '\r', '\n', '|':
			return depth == 0
		}
		return depth == 0 && strings.HasPrefix(m.text[i:], "}}")
	})
}

// scan is the first offset from pos, outside of quotes, at which stop holds; the end of the text if there is none.
func (m *metering) scan(pos int, stop func(i int) bool) int {
	var quote byte
	for i := pos; i < len(m.text); i++ {
		c := m.text[i]
		switch {
		case quote != 0:
			if c == '\\' && quote != '`' {
				i++
			} else if c == quote {
				quote = 0
			}
		case stop(i):
			return i
		case c == '"' || c == '`' || c == '\'':
			quote = c
		}
	}
	return len(m.text)
}

func blank(n *parse.TextNode) bool { return strings.TrimSpace(string(n.Text)) == "" }
