package template

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
)

// A function that gives another result at every call can't be a function of the inputs. What it gives is followed instead: the first
// rendering gets a mark from every such call, and shows in which fields of which objects it ends. A call whose result ends nowhere
// does no harm. For the others a second rendering gets the values that are kept for the tenant, and makes those that are missing.

// kinds say whose values can stand in for each other when a template changes: a text stays the text that it was, whichever function
// makes it now. What depends on another value, or has a form of its own, is a kind alone.
var kinds = map[string]string{
	"randAlphaNum": "text", "randAlpha": "text", "randNumeric": "text", "randAscii": "text", "randBytes": "text", "uuidv4": "text",
	"shuffle": "text", "randInt": "number", "genPrivateKey": "key", "bcrypt": "bcrypt", "htpasswd": "htpasswd", "encryptAES": "encryptAES",
	"genCA": "ca", "genCAWithKey": "ca", "genSelfSignedCert": "certificate", "genSelfSignedCertWithKey": "certificate",
	"genSignedCert": "certificate", "genSignedCertWithKey": "certificate",
}

// neverKept is the function whose result can't be kept: it is meant to change.
const neverKept = "ago"

const (
	// makingCost is spent by a function that makes a key or a hash, which takes about a tenth of a second.
	makingCost = 1 << 22
	// certificateParam is the place of the issuer among genSignedCert's arguments.
	certificateParam = 4
)

// certificate has the fields of what sprig's functions return.
type certificate struct{ Cert, Key string }

// call is one call of such a function in one rendering.
type call struct {
	// id is the place that asked: the file, the definition, the words of the call, and how often that place was reached before.
	id string
	// function, file and line are for people.
	function, file string
	line           int
	args           []any
	// lost: what became of the result can't be followed, because it was taken apart or decided something.
	lost bool
	// from are the calls whose results are among the arguments.
	from []int
	// sample is a value that stands in for the mark where that can't be.
	sample *KeptValue
}

// changing are the calls of one rendering.
type changing struct {
	*budget
	// refused: there is nothing to keep a value in, and taking a result apart is refused.
	refused bool
	calls   []*call
	// reached counts how often a place was reached.
	reached map[string]int
	// bound are the calls that get a value, and the key that it is kept by; nil in the first rendering. A call that was not seen
	// then gets a value too.
	bound map[string]string
	// idle are the calls that were seen and get a mark.
	idle map[string]bool
	// kept are the values of the tenant, made the new ones.
	kept, made Kept
}

func newChanging(b *budget) *changing { return &changing{budget: b, reached: map[string]int{}} }

// madeFunc calls one of the functions at a place.
const madeFunc = "stallkeeperMade"

// functions are those functions, and the one that knows the place.
func (c *changing) functions() template.FuncMap {
	f := template.FuncMap{
		madeFunc: func(site, function string, args ...any) (any, error) { return c.call(site, function, args) },
	}
	for name := range kinds {
		f[name] = func(args ...any) (any, error) { return c.call("", name, args) }
	}
	f[neverKept] = func(args ...any) (any, error) { return c.call("", neverKept, args) }
	return f
}

// site words a place for madeFunc: the line does not belong to what is kept by.
func site(file string, line int, place string) string {
	return fmt.Sprintf("%s|%d|%s", file, line, place)
}

// place is what a call is kept by within its file: the definition, the function and its words, and which one of several alike.
func sitePlace(definition, function, words string, nth int) string {
	sum := sha256.Sum256([]byte(words))
	return strings.Join([]string{definition, function, hex.EncodeToString(sum[:4]), strconv.Itoa(nth)}, "/")
}

// call answers one call.
func (c *changing) call(site, function string, args []any) (any, error) {
	parts := strings.SplitN(site+"||", "|", 3)
	at := parts[0] + "/" + strings.TrimRight(parts[2], "|")
	nth := c.reached[at]
	c.reached[at]++
	made := &call{id: fmt.Sprintf("%s#%d", at, nth), function: function, file: parts[0], args: args}
	made.line, _ = strconv.Atoi(parts[1])
	number := len(c.calls)
	c.calls = append(c.calls, made)
	for _, mark := range allMarks(reflect.ValueOf(args), 0, nil) {
		made.from = append(made.from, markNumber(mark))
	}
	if err := c.spend(pipelineCost); err != nil {
		return nil, err
	}
	if c.bound == nil || c.idle[made.id] || function == neverKept {
		return c.marked(made, number)
	}
	key, ok := c.bound[made.id]
	if !ok {
		_, bySite := index(c.kept)
		if key = bySite[made.id]; key == "" || slices.Contains(slices.Collect(maps.Values(c.bound)), key) {
			key = "at " + made.id
		}
	}
	value, err := c.value(key, made)
	if err != nil {
		return nil, err
	}
	return value.result(), nil
}

// marked is the mark of a call.
func (c *changing) marked(made *call, number int) (any, error) {
	switch {
	case made.function == "randInt": // a number can't carry a mark
		if c.refused {
			return nil, changes(made.function)
		}
		made.lost = true
		sample, err := c.sampleOf(made)
		if err != nil {
			return nil, err
		}
		return sample.result(), nil
	case kinds[made.function] == "ca" || kinds[made.function] == "certificate":
		return certificate{mark(number, "c"), mark(number, "k")}, nil
	default:
		return mark(number, ""), nil
	}
}

// value is what is kept by a key, made if there is none. What depends on another value is made anew when that one changes: the hash
// of a password, a certificate of another issuer.
func (c *changing) value(key string, made *call) (KeptValue, error) {
	if already, ok := c.made[key]; ok {
		return already, nil
	}
	of := dependsOn(made)
	if kept, ok := c.kept[key]; ok && kept.Of == of {
		return kept, nil
	}
	value, err := c.make(made)
	if err != nil {
		return KeptValue{}, err
	}
	value.Of, value.Site = of, made.id
	c.made[key] = value
	return value, nil
}

// dependsOn is a digest of what a result follows from; empty for what stands alone.
func dependsOn(made *call) string {
	var of string
	switch made.function {
	case "bcrypt", "htpasswd", "encryptAES":
		of = fmt.Sprintf("%q", made.args)
	case "genSignedCert", "genSignedCertWithKey":
		if len(made.args) > certificateParam {
			of = fmt.Sprint(field(made.args[certificateParam], "Cert"))
		}
	default:
		return ""
	}
	sum := sha256.Sum256([]byte(of))
	return hex.EncodeToString(sum[:8])
}

// field is a text field of a struct.
func field(of any, name string) string {
	v := reflect.ValueOf(of)
	if v.Kind() != reflect.Struct || !v.FieldByName(name).IsValid() {
		return ""
	}
	return v.FieldByName(name).String()
}

// makers are sprig's functions.
var makers = sprig.TxtFuncMap()

// make calls sprig's function.
func (c *changing) make(made *call) (KeptValue, error) {
	if err := c.affordable(made); err != nil {
		return KeptValue{}, err
	}
	f := reflect.ValueOf(makers[made.function])
	args, err := arguments(made.function, f.Type(), made.args)
	if err != nil {
		return KeptValue{}, err
	}
	results := f.Call(args)
	if len(results) > 1 && !results[1].IsNil() {
		return KeptValue{}, refusef("%s failed; look at its arguments", made.function) // sprig's words may quote a key
	}
	value := KeptValue{Function: made.function}
	switch result := results[0]; result.Kind() {
	case reflect.Struct:
		value.Value, value.Key = field(result.Interface(), "Cert"), field(result.Interface(), "Key")
	case reflect.Int:
		value.Value = strconv.FormatInt(result.Int(), 10)
	default:
		value.Value = result.String()
	}
	return value, nil
}

// affordable spends what a function takes, and refuses too long a text.
func (c *changing) affordable(made *call) error {
	kind := kinds[made.function]
	if kind == "text" && strings.HasPrefix(made.function, "rand") && len(made.args) == 1 {
		if n := reflect.ValueOf(made.args[0]); n.IsValid() && n.CanInt() && (n.Int() < 0 || n.Int() > maxMade) {
			return refusef("%s makes a text of at most %d characters", made.function, maxMade)
		}
	}
	if kind == "text" || kind == "number" {
		return c.spend(templateCost)
	}
	return c.spend(makingCost)
}

// arguments are the arguments as a function wants them, by the rules of text/template.
func arguments(name string, t reflect.Type, args []any) ([]reflect.Value, error) {
	if len(args) != t.NumIn() {
		return nil, refusef("wrong number of arguments for %s: want %d got %d", name, t.NumIn(), len(args))
	}
	in := make([]reflect.Value, len(args))
	for i, arg := range args {
		want, v := t.In(i), reflect.ValueOf(arg)
		switch {
		case !v.IsValid():
			in[i] = reflect.Zero(want)
		case v.Type().AssignableTo(want):
			in[i] = v
		case v.CanInt() && (want.Kind() == reflect.Int || want.Kind() == reflect.Int64):
			in[i] = v.Convert(want)
		case want.Kind() == reflect.Struct && v.Kind() == reflect.Struct:
			in[i] = reflect.New(want).Elem()
			in[i].FieldByName("Cert").SetString(field(arg, "Cert"))
			in[i].FieldByName("Key").SetString(field(arg, "Key"))
		default:
			return nil, refusef("%s: argument %d is %s, which the function does not take", name, i+1, kindOf(arg))
		}
	}
	return in, nil
}

// sampleOf is a value that stands in for a mark during the first rendering, where it does not reach an object.
func (c *changing) sampleOf(made *call) (*KeptValue, error) {
	if made.sample == nil {
		value, err := c.make(made)
		if err != nil {
			return nil, err
		}
		made.sample = &value
	}
	return made.sample, nil
}

// takeApart puts values in the place of the marks of some arguments.
func (c *changing) takeApart(args []reflect.Value, marked []string) ([]reflect.Value, error) {
	texts := map[string]string{}
	for _, m := range marked {
		made := c.calls[markNumber(m)]
		if c.refused || made.function == neverKept {
			return nil, changes(made.function)
		}
		made.lost = true
		sample, err := c.sampleOf(made)
		if err != nil {
			return nil, err
		}
		texts[m] = sample.part(markPart(m))
	}
	out := slices.Clone(args)
	for i, arg := range args {
		text, ok := textOf(arg)
		if !ok {
			continue
		}
		value := reflect.ValueOf(marks.ReplaceAllStringFunc(text, func(m string) string { return texts[m] }))
		if value.Type().AssignableTo(arg.Type()) {
			out[i] = reflect.New(arg.Type()).Elem()
			out[i].Set(value)
		}
	}
	return out, nil
}

// textOf is the text that an argument is.
func textOf(v reflect.Value) (string, bool) {
	for v.IsValid() && v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if !v.IsValid() || v.Kind() != reflect.String {
		return "", false
	}
	return v.String(), true
}

// marksIn are the marks in arguments, each once; deep says that those inside of maps and lists count.
func (c *changing) marksIn(args []reflect.Value, deep bool) []string {
	if len(c.calls) == 0 {
		return nil
	}
	var found []string
	for _, arg := range args {
		if text, ok := textOf(arg); ok {
			found = appendNew(found, c.known(marks.FindAllString(text, -1)))
		} else if deep {
			found = appendNew(found, c.known(allMarks(arg, 0, nil)))
		}
	}
	return found
}

// known leaves out what only looks like a mark: a text of the inputs.
func (c *changing) known(found []string) []string {
	return slices.DeleteFunc(found, func(m string) bool { return markNumber(m) >= len(c.calls) })
}

func appendNew(to, more []string) []string {
	for _, m := range more {
		if !slices.Contains(to, m) {
			to = append(to, m)
		}
	}
	return to
}

// mark stands for the result of a call, or for one part of a certificate. It has nothing that YAML or a URL would take for more.
func mark(number int, part string) string {
	return fmt.Sprintf("stallkeeper.io/changes/%d%s.", number, part)
}

var marks = regexp.MustCompile(`stallkeeper\.io/changes/(\d{1,6})([ck]?)\.`)

func markNumber(m string) int {
	n, _ := strconv.Atoi(marks.FindStringSubmatch(m)[1])
	return n
}

func markPart(m string) string { return marks.FindStringSubmatch(m)[2] }

func joinMarks(found []string) string { return strings.Join(found, "") }

// allMarks appends the marks in a value.
func allMarks(v reflect.Value, depth int, to []string) []string {
	if !v.IsValid() || depth > 16 { // A value may hold itself, by set.
		return to
	}
	switch v.Kind() {
	case reflect.String:
		return appendNew(to, marks.FindAllString(v.String(), -1))
	case reflect.Interface, reflect.Pointer:
		return allMarks(v.Elem(), depth+1, to)
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return to
		}
		for i := range v.Len() {
			to = allMarks(v.Index(i), depth+1, to)
		}
	case reflect.Map:
		for entries := v.MapRange(); entries.Next(); {
			to = allMarks(entries.Value(), depth+1, to)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			to = allMarks(v.Field(i), depth+1, to)
		}
	}
	return to
}

// changes is the error for using a result that changes where there is nothing to keep it in.
func changes(function string) error {
	return refusef("%s gives another result at every pass; use {{ tenantSecret \"name\" }} instead, "+
		"or set the chart's value that holds this text", function)
}

// printed is what is printed of a value. It refuses a mark, where what is printed is all that there is.
func (s *session) printed(v reflect.Value) (reflect.Value, error) {
	if container(v) {
		shown, err := s.whole.args([]reflect.Value{v}, true)
		if err != nil {
			return v, err
		}
		v = shown[0]
	}
	if !s.changing.refused || len(s.changing.calls) == 0 {
		return v, nil
	}
	if found := s.changing.known(allMarks(v, 0, nil)); len(found) > 0 {
		return v, changes(s.changing.calls[markNumber(found[0])].function)
	}
	return v, nil
}
