package template

import (
	"reflect"
	"regexp/syntax"
	"slices"
)

// takingApart are the functions that make something else than text out of text.
var takingApart = []string{
	"split", "splitn", "splitList", "regexSplit", "mustRegexSplit", "regexFindAll", "mustRegexFindAll", "int", "int64",
	"float64", "atoi", "toDecimal", "urlParse", "semver", "buildCustomCert",
}

// describing are the functions whose result says what kind of value it is, and not what it holds.
var describing = []string{"kindIs", "kindOf", "typeIs", "typeIsLike", "typeOf", "empty", "hasKey", "get", "dig", "default", "ternary"}

// copying are the functions that walk through a whole value to copy it.
var copying = []string{
	"deepCopy", "mustDeepCopy", "merge", "mustMerge", "mergeOverwrite", "mustMergeOverwrite", "toStrings",
}

// regular are the functions that run a regular expression over a text: their first two arguments.
var regular = []string{
	"regexMatch", "mustRegexMatch", "regexFind", "mustRegexFind", "regexFindAll", "mustRegexFindAll", "regexReplaceAll",
	"mustRegexReplaceAll", "regexReplaceAllLiteral", "mustRegexReplaceAllLiteral", "regexSplit", "mustRegexSplit",
}

// regexCost is what a regular expression may take over a text: each of its steps at each place. One that does not parse costs
// nothing, since the function refuses it.
func regexCost(expression, text string) int {
	parsed, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return 0
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return 0
	}
	return len(program.Inst) * (len(text) + 64)
}

var errorType = reflect.TypeFor[error]()

// guarded is a function with a guard before it.
type guarded struct {
	*session
	name string
	fn   reflect.Value
	out  reflect.Type
	// dumps: the function walks through its arguments as a whole.
	text, scalar, apart, dumps bool
}

// guard stands before a function: it follows the results of functions that change, keeps values out that hold themselves and the key
// of ours out of what is printed as a whole, and bounds the text that comes back.
func (s *session) guard(name string, fn any) any {
	f := reflect.ValueOf(fn)
	t := f.Type()
	g := &guarded{session: s, name: name, fn: f, out: t.Out(0), apart: slices.Contains(takingApart, name)}
	switch g.out.Kind() {
	case reflect.String:
		g.text = true
	case reflect.Bool, reflect.Int, reflect.Int64, reflect.Float64:
		g.scalar = true
	}
	describes := slices.Contains(describing, name)
	g.dumps = slices.Contains(copying, name) || name == "keys" || name == "values" || g.text && !describes
	if describes || !g.text && !g.scalar && !g.apart && !g.dumps {
		return fn
	}
	in := make([]reflect.Type, t.NumIn())
	for i := range in {
		in[i] = t.In(i)
	}
	return reflect.MakeFunc(reflect.FuncOf(in, []reflect.Type{g.out, errorType}, t.IsVariadic()), g.run).Interface()
}

func (g *guarded) refuse(err error) []reflect.Value {
	return []reflect.Value{reflect.Zero(g.out), reflect.ValueOf(err)}
}

func (g *guarded) run(args []reflect.Value) []reflect.Value {
	if slices.Contains(regular, g.name) {
		if err := g.spend(regexCost(args[0].String(), args[1].String())); err != nil {
			return g.refuse(err)
		}
	}
	if g.dumps {
		var err error
		if args, err = g.whole.args(args, g.name != "toStrings" && !slices.Contains(copying, g.name)); err != nil {
			return g.refuse(err)
		}
	}
	marked := g.changing.marksIn(args, g.text)
	if len(marked) == 0 {
		return g.bounded(g.call(args))
	}
	if g.text {
		if result, ok := g.natural(args, marked); ok {
			return g.bounded(result)
		}
		joined := reflect.New(g.out).Elem()
		joined.SetString(joinMarks(marked))
		return []reflect.Value{joined, reflect.Zero(errorType)}
	}
	args, err := g.changing.takeApart(args, marked)
	if err != nil {
		return g.refuse(err)
	}
	return g.bounded(g.call(args))
}

// natural is the function's own result, if all marks are still in it.
func (g *guarded) natural(args []reflect.Value, marked []string) (result []reflect.Value, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false // a function may not like a mark in the place of a number, say
		}
	}()
	result = g.call(args)
	if len(result) > 1 && !result[1].IsNil() {
		return nil, false
	}
	found := marks.FindAllString(result[0].String(), -1)
	for _, mark := range marked {
		if !slices.Contains(found, mark) {
			return nil, false
		}
	}
	return result, true
}

func (g *guarded) call(args []reflect.Value) []reflect.Value {
	if g.fn.Type().IsVariadic() {
		return g.fn.CallSlice(args)
	}
	return g.fn.Call(args)
}

// bounded refuses too long a text.
func (g *guarded) bounded(result []reflect.Value) []reflect.Value {
	if g.text && result[0].Len() > maxOutputBytes {
		return g.refuse(refusef("%s makes too long a text", g.name))
	}
	if len(result) == 1 {
		result = append(result, reflect.Zero(errorType))
	}
	return result
}

// lookup answers what is known without a cluster: the tenant's own Secrets that hold a kept value. Everything else is not there.
func (s *session) lookup(version, kind, namespace, name string) (map[string]any, error) {
	if version != "v1" || kind != "Secret" || namespace != s.namespace || s.asked == nil {
		return map[string]any{}, nil
	}
	s.asked[name] = true
	if name == "" {
		items := []any{}
		for _, each := range sortedKeys(s.secretsSeen) {
			items = append(items, copyPlain(s.secretsSeen[each]))
		}
		if len(items) == 0 {
			return map[string]any{}, nil
		}
		return map[string]any{"apiVersion": "v1", "kind": "SecretList", "items": items}, nil
	}
	found, ok := copyPlain(s.secretsSeen[name]).(map[string]any)
	if !ok {
		return map[string]any{}, nil
	}
	return found, nil
}
