package template

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/stallkeeper/stallkeeper/stored"
)

const (
	// maxMade is the longest random text, in characters.
	maxMade = 4096
	// maxKept bounds the values that are kept for a tenant, and maxKeptBytes their encoded size. They live in one Secret, which the
	// API server limits to 1 MiB.
	maxKept      = 1024
	maxKeptBytes = 512 << 10
	// maxPlaces bounds the fields that one value is known to have ended in.
	maxPlaces = 16
	// maxKeptParts bounds the members of what is decoded: a value has five besides its places.
	maxKeptParts = maxKept * (maxPlaces + 6)
)

// Kept are the values that random functions gave for one tenant, by a name that says where the first one ended:
// "Secret/app-db/password", "Deployment/web/spec.template.metadata.annotations.rollme", or, of one that ends in no field,
// "at templates/a.yaml/…". To have a value made anew, leave its name out.
type Kept map[string]KeptValue

// KeptValue is one such value. It prints as its function's name: it is a password as a rule.
type KeptValue struct {
	// Function is the template function that gave it.
	Function string `json:"function"`
	// Value is the text, the number in decimals, or the certificate in PEM.
	Value string `json:"value"`
	// Key is the private key of a certificate, in PEM.
	Key string `json:"key,omitempty"`
	// Of is a digest of what the value follows from, such as the password of a hash. When it differs, the value is made anew.
	Of string `json:"of,omitempty"`
	// Site is the place in the template that asked last.
	Site string `json:"site"`
	// Places are the fields that the value ended in, and for those of a Secret in which form: "value", "certificate" or "key" for
	// the whole of it, "text:" and the text for what was made of it, "" for a part of a longer text.
	Places map[string]string `json:"places,omitempty"`
}

// String keeps the value out of logs and errors.
func (v KeptValue) String() string { return "a value of " + v.Function }

// GoString is String.
func (v KeptValue) GoString() string { return v.String() }

// EncodeKept is the form in which a Secret holds them. The error says that there are too many.
func EncodeKept(kept Kept) ([]byte, error) {
	if len(kept) > maxKept {
		return nil, fmt.Errorf("the template makes %d random values; at most %d are kept for a tenant", len(kept), maxKept)
	}
	data, err := json.Marshal(kept)
	if err == nil && len(data) > maxKeptBytes {
		return nil, fmt.Errorf("the random values of a tenant have %d bytes; at most %d are kept", len(data), maxKeptBytes)
	}
	return data, err
}

// DecodeKept reads EncodeKept's form; nothing is an empty one. It is never nil without an error.
func DecodeKept(data []byte) (Kept, error) {
	kept := Kept{}
	if len(data) == 0 {
		return kept, nil
	}
	if len(data) > 2*maxKeptBytes || stored.Decode(data, &kept, maxKeptParts) != nil || kept == nil {
		return nil, fmt.Errorf("the kept values are not what was written")
	}
	return kept, nil
}

// With are the values with newer ones over them.
func (k Kept) With(newer Kept) Kept {
	all := maps.Clone(k)
	if all == nil {
		all = Kept{}
	}
	maps.Copy(all, newer)
	return all
}

// texts are the values themselves, for what must not be in errors.
func (k Kept) texts() []string {
	var texts []string
	for _, value := range k {
		for _, text := range []string{value.Value, value.Key} {
			if len(text) >= shortestRedacted {
				texts = append(texts, text)
			}
		}
	}
	return texts
}

// result is what the function gives to the template.
func (v KeptValue) result() any {
	switch kinds[v.Function] {
	case "ca", "certificate":
		return certificate{v.Value, v.Key}
	case "number":
		n, _ := strconv.Atoi(v.Value)
		return n
	default:
		return v.Value
	}
}

// part is the part of a value that a mark stands for.
func (v KeptValue) part(part string) string {
	if part == "k" {
		return v.Key
	}
	return v.Value
}

// ending is a field of an object that the result of a call ends in.
type ending struct {
	// name names the field: Secret/name/key, Kind/name/path.
	name string
	// secret says that the field belongs to a Secret, sole that the field holds nothing of another call.
	secret, sole bool
}

// endings finds for every call, by its number, the fields in which it ends. Those of Secrets come first.
func endings(objects []Object) map[int][]ending {
	found := map[int][]ending{}
	nameless := map[string]int{}
	for _, object := range objects {
		name := object.GetName()
		if marks.MatchString(name) {
			// A name that is random itself names nothing.
			name = fmt.Sprintf("?%d in %s", nameless[object.GetKind()+object.File], object.File)
			nameless[object.GetKind()+object.File]++
		}
		prefix := object.GetKind() + "/" + name + "/"
		secret := isSecret(object)
		walkTexts("", object.Object, func(path, text string) {
			in := marks.FindAllString(text, -1)
			numbers := []int{}
			for _, m := range in {
				if n := markNumber(m); !slices.Contains(numbers, n) {
					numbers = append(numbers, n)
				}
			}
			for i, n := range numbers {
				end := ending{name: prefix + path, secret: secret, sole: len(numbers) == 1}
				if secret {
					end.name = prefix + strings.TrimPrefix(strings.TrimPrefix(path, "data."), "stringData.")
				}
				if i > 0 {
					end.name += "#" + strconv.Itoa(i+1)
				}
				found[n] = append(found[n], end)
			}
		})
	}
	for n := range found {
		slices.SortStableFunc(found[n], func(a, b ending) int { return boolOrder(b.secret) - boolOrder(a.secret) })
	}
	return found
}

func boolOrder(b bool) int {
	if b {
		return 1
	}
	return 0
}

func isSecret(object Object) bool {
	return object.GetKind() == "Secret" && object.GetAPIVersion() == "v1"
}

// walkTexts visits the texts of a value in the order of its keys. An item of a list is called by its name, where it has one.
func walkTexts(path string, v any, visit func(path, text string)) {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range sortedKeys(v) {
			below := key
			if path != "" {
				below = path + "." + key
			}
			if marks.MatchString(key) {
				visit(path+".?", key)
			}
			walkTexts(below, v[key], visit)
		}
	case []any:
		for i, item := range v {
			index := strconv.Itoa(i)
			if m, ok := item.(map[string]any); ok {
				if name, ok := m["name"].(string); ok && !marks.MatchString(name) {
					index = name
				}
			}
			walkTexts(path+"["+index+"]", item, visit)
		}
	case string:
		visit(path, v)
	}
}

// needed are the numbers of the calls whose results matter: those that end in an object, decided something, or went into another
// that does.
func needed(calls []*call, ends map[int][]ending) map[int]bool {
	need := map[int]bool{}
	for n := len(calls) - 1; n >= 0; n-- { // arguments are called before what takes them
		if calls[n].lost || len(ends[n]) > 0 {
			need[n] = true
		}
		if need[n] {
			for _, from := range calls[n].from {
				need[from] = true
			}
		}
	}
	return need
}

// binding says which kept value each needed call gets, by the call's id. First come those that end in the same field as before,
// then those that stand at the same place in the template; the others get a new name.
func binding(calls []*call, need map[int]bool, ends map[int][]ending, kept Kept) map[string]string {
	b := &binder{kept: kept, bound: map[string]string{}, claimed: map[string]bool{}}
	byPlace, bySite := index(kept)
	for n, made := range calls {
		for _, end := range ends[n] {
			if need[n] && b.claim(made, byPlace[end.name]) {
				break
			}
		}
	}
	for n, made := range calls {
		if _, has := b.bound[made.id]; need[n] && !has {
			b.claim(made, bySite[made.id])
		}
	}
	for n, made := range calls {
		if _, has := b.bound[made.id]; need[n] && !has {
			key := newName(made, ends[n], func(key string) bool { return b.claimed[key] || b.taken(made, key) })
			b.bound[made.id], b.claimed[key] = key, true
		}
	}
	return b.bound
}

// binder gives each kept value to one call.
type binder struct {
	kept    Kept
	bound   map[string]string
	claimed map[string]bool
}

// claim binds a call to a kept value, if that is of its kind and no other call's.
func (b *binder) claim(made *call, key string) bool {
	if b.kept[key].Function == "" || b.claimed[key] || b.taken(made, key) {
		return false
	}
	b.bound[made.id], b.claimed[key] = key, true
	return true
}

// taken says whether a value of another kind has the name.
func (b *binder) taken(made *call, key string) bool {
	function := b.kept[key].Function
	return function != "" && kinds[function] != kinds[made.function]
}

// newName names a value after the first field that it ends in.
func newName(made *call, ends []ending, taken func(string) bool) string {
	name := "at " + made.id
	if len(ends) > 0 {
		name = ends[0].name
	}
	key := name
	for i := 2; taken(key); i++ {
		key = name + "~" + strconv.Itoa(i)
	}
	return key
}

// index finds kept values by the fields that they ended in and by the places that asked. Where two say the same, the one that is
// called so wins.
func index(kept Kept) (byPlace, bySite map[string]string) {
	byPlace, bySite = map[string]string{}, map[string]string{}
	for _, key := range sortedKeys(kept) {
		for place := range kept[key].Places {
			if byPlace[place] == "" || place == key {
				byPlace[place] = key
			}
		}
		bySite[kept[key].Site] = key
	}
	return byPlace, bySite
}

// secretTexts are the texts of a Secret by their keys, decoded.
func secretTexts(object Object) map[string]string {
	texts := map[string]string{}
	data, _ := object.Object["data"].(map[string]any)
	for key, value := range data {
		text, _ := value.(string)
		if decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text)); err == nil {
			texts[key] = string(decoded)
		}
	}
	plainTexts, _ := object.Object["stringData"].(map[string]any)
	for key, value := range plainTexts {
		texts[key], _ = value.(string)
	}
	return texts
}

// setSecret sets a text of a Secret where the template has it.
func setSecret(object Object, key, text string) {
	if data, ok := object.Object["stringData"].(map[string]any); ok && data[key] != nil {
		data[key] = text
		return
	}
	if data, ok := object.Object["data"].(map[string]any); ok && data[key] != nil {
		data[key] = base64.StdEncoding.EncodeToString([]byte(text))
	}
}

// form is how a value ended in a text.
func (v KeptValue) form(text string, sole bool) string {
	switch {
	case text == v.Value:
		return "value"
	case v.Key != "" && text == v.Key:
		return "key"
	case !sole || strings.Contains(text, v.Value) || v.Key != "" && strings.Contains(text, v.Key) || len(text) > maxMade:
		return ""
	default:
		return "text:" + text
	}
}

// formed is the text that a form means; false for a part of a longer text, which follows the template.
func (v KeptValue) formed(form string) (string, bool) {
	switch form {
	case "value":
		return v.Value, true
	case "key":
		return v.Key, true
	default:
		return strings.CutPrefix(form, "text:")
	}
}
