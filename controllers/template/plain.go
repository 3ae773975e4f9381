package template

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// Plain values are what JSON has: map[string]any, []any, string, bool, nil, and numbers as int64, or as float64 where they
// are no whole number of 64 bits. Templates, schemas and unstructured objects all want this form.

// plain makes a plain copy of any value that has a JSON form.
func plain(v any) (any, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, errors.New("the value has no JSON form") // the original text can hold the value
	}
	var out any
	if err := utiljson.Unmarshal(data, &out); err != nil {
		return nil, errors.New("the value has no JSON form")
	}
	return out, nil
}

// plainMap is plain for a map; a nil one becomes an empty one.
func plainMap(m map[string]any) (map[string]any, error) {
	if len(m) == 0 {
		return map[string]any{}, nil
	}
	v, err := plain(m)
	if err != nil {
		return nil, err
	}
	out, _ := v.(map[string]any)
	return out, nil
}

// maxWhole is the largest whole number up to which a float holds all of them.
const maxWhole = 1 << 53

// asHelm gives a plain value the numbers that Helm reads from a file of values: floats. Charts ask for them: `kindIs "float64"`,
// `eq .Values.limit 10.0`. A whole number that a float can't hold stays whole, where Helm would give another one.
func asHelm(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, e := range v {
			v[key] = asHelm(e)
		}
	case []any:
		for i, e := range v {
			v[i] = asHelm(e)
		}
	case int64:
		if v >= -maxWhole && v <= maxWhole {
			return float64(v)
		}
	}
	return v
}

// DecodeValues reads values in JSON, such as those of a plan, without rounding large whole numbers. Nothing are no values; what is
// no object is an error.
func DecodeValues(raw []byte) (map[string]any, error) {
	if len(raw) == 0 {
		return map[string]any{}, nil
	}
	var values map[string]any
	if err := utiljson.Unmarshal(raw, &values); err != nil {
		return nil, errors.New("the values are not an object")
	}
	if values == nil {
		values = map[string]any{}
	}
	return values, nil
}

// copyPlain copies the maps and lists of a plain value.
func copyPlain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if v == nil {
			return v
		}
		out := maps.Clone(v)
		for k, e := range out {
			out[k] = copyPlain(e)
		}
		return out
	case []any:
		out := slices.Clone(v)
		for i, e := range out {
			out[i] = copyPlain(e)
		}
		return out
	default:
		return v
	}
}

// joinPath appends a key to the path of a value: values.ingress.host, values.annotations["a.b/c"].
func joinPath(path, key string) string {
	simple := key != "" && strings.Trim(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == ""
	if simple {
		return path + "." + key
	}
	return path + "[" + strconv.Quote(key) + "]"
}

// noValue is what text/template prints for what is not set. Helm removes it from the rendered text, wherever it comes from:
// a buyer's `<no value>{a}`, written as the text it is, would become the map {a}.
const noValue = "<no value>"

// checkTextsOf refuses texts and keys that Helm does not pass on as they are. The error names the path of the first one.
func checkTextsOf(path string, v any) error {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if err := checkText("a key of "+path, key); err != nil {
				return err
			}
			if err := checkTextsOf(joinPath(path, key), v[key]); err != nil {
				return err
			}
		}
	case []any:
		for i, e := range v {
			if err := checkTextsOf(fmt.Sprintf("%s[%d]", path, i), e); err != nil {
				return err
			}
		}
	case string:
		return checkText(path, v)
	}
	return nil
}

func checkText(path, text string) error {
	if marks.MatchString(text) {
		return fmt.Errorf("%s holds a text that rendering uses for itself", path)
	}
	if strings.Contains(text, noValue) {
		return fmt.Errorf("%s holds the text %s, which Helm removes from what it renders", path, noValue)
	}
	if strings.ContainsFunc(text, notInYAML) {
		return fmt.Errorf("%s holds a control character or a separator of lines (U+2028) that YAML can't hold", path)
	}
	return nil
}

// notInYAML: the characters that don't come through Helm's toYaml, which escapes only those below the blank.
//
//   - U+0085, U+2028 and U+2029 are line breaks for YAML and not for indent: what stands behind one begins at the start of the
//     line, outside of the text it belongs to. A buyer could add keys that way.
//   - Of a map with one of the others somewhere in it, toYaml makes an empty text, so that all its keys are lost.
func notInYAML(c rune) bool {
	switch c {
	case '\u2028', '\u2029', '\ufeff', '\ufffe', '\uffff':
		return true
	default:
		return c >= 0x7f && c <= 0x9f
	}
}
