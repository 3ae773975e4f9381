package template

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"text/template"

	"github.com/BurntSushi/toml"
	"helm.sh/helm/v4/pkg/chart/common"
	"sigs.k8s.io/yaml"
	goyaml "sigs.k8s.io/yaml/goyaml.v3"
)

// maxNesting is how deep a value may be nested that is printed or copied as a whole. One that holds itself, by set, has no end, and
// Go can't recover from the full stack that printing it leads to.
const maxNesting = 256

// A value that holds another one twice, which holds another one twice, is small, and has no end where it is walked through. maxWalked is how
// many elements are walked through at once: more would not fit into what a template may render. Beyond walkedFree each costs walkCost.
const (
	maxWalked  = 1 << 20
	walkedFree = 1 << 13
	walkCost   = 16
)

// whole keeps out of what is printed as a whole what may not be there.
type whole struct {
	*budget
	// values are .Values as the chart sees them, ours what is in them below stallkeeperKey.
	values map[string]any
	ours   any
}

// args are the arguments of a function that walks through them, without our key where the function prints them. The error says
// that one holds itself.
func (w whole) args(args []reflect.Value, prints bool) ([]reflect.Value, error) {
	copied := false
	for i, arg := range args {
		if !container(arg) {
			continue
		}
		walked := 0
		holds, err := w.look(arg, 0, &walked)
		if err == nil {
			err = w.spend(walked + walkCost*max(0, walked-walkedFree))
		}
		if err != nil {
			return nil, err
		}
		if !holds || !prints {
			continue
		}
		if !copied {
			args, copied = slices.Clone(args), true
		}
		args[i] = without(w, arg)
	}
	return args, nil
}

// without is a value of the same type without our key.
func without(w whole, v reflect.Value) reflect.Value {
	if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Interface || v.Kind() == reflect.Interface || v.Kind() == reflect.Map {
		stripped := reflect.ValueOf(w.strip(v.Interface()))
		if stripped.Type().AssignableTo(v.Type()) {
			out := reflect.New(v.Type()).Elem()
			out.Set(stripped)
			return out
		}
		if stripped.Type().ConvertibleTo(v.Type()) {
			return stripped.Convert(v.Type())
		}
	}
	if v.Kind() == reflect.Slice { // []map[string]any, the arguments of keys and values
		out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			out.Index(i).Set(without(w, v.Index(i)))
		}
		return out
	}
	return v
}

// container says whether a value can hold others.
func container(v reflect.Value) bool {
	for v.IsValid() && v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if !v.IsValid() {
		return false
	}
	switch v.Kind() {
	case reflect.Map, reflect.Slice, reflect.Pointer, reflect.Struct:
		return v.Type() != reflect.TypeFor[[]byte]()
	}
	return false
}

// look walks through a value, counts its elements and says whether our key is in it. The error says that it is nested too deep, or holds
// itself, or too much.
func (w whole) look(v reflect.Value, depth int, walked *int) (holds bool, err error) {
	switch v.Kind() {
	case reflect.Map, reflect.Slice, reflect.Array:
		*walked += 1 + v.Len()
	}
	if *walked > maxWalked {
		return false, refusef("the value holds more than %d elements, or the same ones again and again", maxWalked)
	}
	if depth > maxNesting {
		return false, refusef("the value holds itself, or is nested more than %d deep", maxNesting)
	}
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			return false, nil
		}
		return w.look(v.Elem(), depth+1, walked)
	case reflect.Map, reflect.Slice, reflect.Array:
		holds = v.Kind() == reflect.Map && w.has(v)
		for _, e := range v.Seq2() {
			if !container(e) {
				continue
			}
			inner, err := w.look(e, depth+1, walked)
			if err != nil {
				return false, err
			}
			holds = holds || inner
		}
	}
	return holds, nil
}

// has says whether a map is .Values, or a copy of them with more in it.
func (w whole) has(v reflect.Value) bool {
	if w.ours == nil || v.Type().Key().Kind() != reflect.String || v.Len() < len(w.values) {
		return false
	}
	if v.Pointer() == reflect.ValueOf(w.values).Pointer() {
		return v.MapIndex(reflect.ValueOf(stallkeeperKey)).IsValid()
	}
	e := v.MapIndex(reflect.ValueOf(stallkeeperKey))
	if !e.IsValid() || len(w.values) < 2 {
		return false
	}
	for key := range w.values {
		if !v.MapIndex(reflect.ValueOf(key)).IsValid() {
			return false
		}
	}
	return reflect.DeepEqual(e.Interface(), w.ours)
}

// strip copies what leads to our key, and leaves it out.
func (w whole) strip(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return w.stripMap(v)
	case common.Values:
		return w.stripMap(v)
	case []any:
		out := slices.Clone(v)
		for i, e := range out {
			out[i] = w.strip(e)
		}
		return out
	default:
		return v
	}
}

func (w whole) stripMap(v map[string]any) map[string]any {
	if v == nil {
		return v
	}
	out := make(map[string]any, len(v))
	ours := w.has(reflect.ValueOf(v))
	for key, e := range v {
		if !ours || key != stallkeeperKey {
			out[key] = w.strip(e)
		}
	}
	return out
}

// withoutOurs is what range goes through.
func (w whole) withoutOurs(v reflect.Value) reflect.Value {
	inner := v
	for inner.IsValid() && inner.Kind() == reflect.Interface {
		inner = inner.Elem()
	}
	if !inner.IsValid() || inner.Kind() != reflect.Map || !w.has(inner) {
		return v
	}
	out := map[string]any{}
	for entries := inner.MapRange(); entries.Next(); {
		if key := entries.Key().String(); key != stallkeeperKey {
			out[key] = entries.Value().Interface()
		}
	}
	return reflect.ValueOf(out)
}

// dumps are Helm's functions that write a whole value, as Helm has them, so that a guard can stand before them.
func dumps() template.FuncMap {
	must := func(write func(any) (string, error)) func(any) (string, error) { return write }
	return template.FuncMap{
		"toYaml": quiet(asYAML), "mustToYaml": must(asYAML),
		"toJson": quiet(asJSON), "mustToJson": must(asJSON),
		"toToml":     func(v any) string { text, err := asTOML(v); return orError(text, err) },
		"mustToToml": must(asTOML),
		"toYamlPretty": quiet(func(v any) (string, error) {
			var data bytes.Buffer
			encoder := goyaml.NewEncoder(&data)
			encoder.SetIndent(2)
			err := encoder.Encode(v)
			return strings.TrimSuffix(data.String(), "\n"), err
		}),
	}
}

// quiet makes the empty text of what can't be written, as Helm does.
func quiet(write func(any) (string, error)) func(any) string {
	return func(v any) string {
		text, err := write(v)
		if err != nil {
			return ""
		}
		return text
	}
}

func orError(text string, err error) string {
	if err != nil {
		return err.Error()
	}
	return text
}

func asYAML(v any) (string, error) {
	data, err := yaml.Marshal(v)
	return strings.TrimSuffix(string(data), "\n"), err
}

func asJSON(v any) (string, error) {
	data, err := json.Marshal(v)
	return string(data), err
}

func asTOML(v any) (string, error) {
	var out bytes.Buffer
	err := toml.NewEncoder(&out).Encode(v)
	return out.String(), err
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
