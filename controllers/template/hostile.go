package template

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// HostileText is what a buyer may type in the place of a harmless text.
type HostileText struct {
	// Name says what it tries, for people: "a line break".
	Name string
	Text string
	// Instead says that it is another try of the one before, of use only where no YAML is left of that one and nothing was found yet.
	Instead bool
}

// HostileTexts are texts that mean more than themselves to YAML, to templates or to shells that do not quote. Each has the harmless text in it, so that it
// is found where that is put to use.
func HostileTexts(harmless string) []HostileText {
	const object = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: stallkeeper-hostile\n"
	all := []HostileText{
		{Name: "a line break and a key", Text: harmless + "\nstallkeeper-hostile: x"},
		{Name: "a line break and an indented key", Text: harmless + "\n  stallkeeper-hostile: x"},
		{Name: "a line break and a deeply indented key", Text: harmless + "\n    stallkeeper-hostile: x"},
	}
	all = append(all, moreLines(harmless, "")...)
	all = append(all, []HostileText{
		{Name: "another object", Text: harmless + "\n---\n" + object + "---\n"},
		{Name: "another object behind Windows line ends", Text: harmless + "\r\n---\r\n" + strings.ReplaceAll(object, "\n", "\r\n") + "---\r\n"},
		{Name: "a comma", Text: harmless + ", stallkeeper-hostile: x"},
	}...)
	for _, quote := range []struct{ name, mark string }{{"a quote", `"`}, {"a single quote", "'"}} {
		all = append(all,
			HostileText{Name: quote.name + " and a key", Text: harmless + quote.mark + "\nstallkeeper-hostile: " + quote.mark + "x"},
			HostileText{Name: quote.name + " and a comma", Text: harmless + quote.mark + ", stallkeeper-hostile: " + quote.mark + "x", Instead: true})
		all = append(all, moreLines(harmless, quote.mark)...)
	}
	return append(all, []HostileText{
		// JSON has a quote before and behind what it means as well.
		{Name: "a list in JSON", Text: `[", ` + harmless + `, stallkeeper-hostile: x, "]`},
		{Name: "quotes", Text: harmless + "\"'`\\"},
		{Name: "a comment", Text: harmless + " # x"},
		{Name: "a colon", Text: harmless + ": x"},
		{Name: "the end of a map", Text: harmless + "}, stallkeeper-hostile: {"},
		{Name: "the end of a list", Text: harmless + "], stallkeeper-hostile: [x"},
		{Name: "an action", Text: harmless + "{{ fail \"x\" }}"},
		{Name: "the end of an action", Text: harmless + "}}{{ .Release.Name }}"},
		{Name: "an anchor and a tag", Text: harmless + " &a !!binary *a"},
		{Name: "a shell's command", Text: harmless + "$(id)`id`;|&>"},
		{Name: evaluatedName, Text: harmless + evaluatedProbe},
	}...)
}

// deepest is how far, in steps of two, a line of a template is indented to which another is tried.
const deepest = 16

// moreLines are keys and list items behind a quote and a line break, for lines at any indentation. Deeper ones come last: they would be part of a block of
// text.
func moreLines(harmless, quote string) []HostileText {
	var all []HostileText
	for at := 0; at <= deepest; at += 2 {
		indented := harmless + quote + "\n" + strings.Repeat(" ", at)
		all = append(all,
			HostileText{Name: "a line break and an item", Text: indented + "- " + quote + "stallkeeper-hostile", Instead: true},
			HostileText{Name: "a line break and a key of its indentation", Text: indented + "stallkeeper-hostile: " + quote + "x", Instead: true})
	}
	return all
}

// What evaluates a text as a template makes evaluatedWord of evaluatedProbe.
const (
	evaluatedName  = "a template"
	evaluatedProbe = `{{ "stallkeeper" }}{{ "evaluated" }}`
	evaluatedWord  = "stallkeeperevaluated"
)

// HostileFinding is a hostile text that does more than stand where the harmless one does.
type HostileFinding struct {
	// Text is the name of the hostile text.
	Text string `json:"text"`
	// Change is what it changes: "templates/a.yaml: one ConfigMap more". With Fails it is the error: such a buyer can't be served.
	Change string `json:"change"`
	Fails  bool   `json:"fails,omitempty"`
}

// CheckHostile renders with hostile texts in the place of a harmless one, and says what each changes in the set of objects or in their
// structure: an object more or fewer, a field more or fewer, a field of another type, a field that has another value and does not
// have the harmless text in it. What differs already between two harmless texts, such as a checksum, is left out. The error is that of
// a harmless text.
func CheckHostile(harmless string, render func(text string) (Output, error)) ([]HostileFinding, error) {
	first, err := render(harmless)
	if err != nil {
		return nil, err
	}
	second, err := render(harmless + "b")
	if err != nil {
		return nil, err
	}
	isTyped := func(text string) bool { return strings.Contains(text, harmless) }
	base, follows := shapeOf(first, isTyped), shapeOf(second, isTyped)
	var found []HostileFinding
	noYAML, changes := false, false
	for _, hostile := range HostileTexts(harmless) {
		if hostile.Instead && (!noYAML || changes) {
			continue
		}
		out, err := render(hostile.Text)
		noYAML = errors.Is(err, ErrNotYAML)
		if err != nil {
			found = append(found, HostileFinding{Text: hostile.Name, Change: err.Error(), Fails: true})
			continue
		}
		changed := shapeOf(out, isTyped)
		change := cmp.Or(base.differs(changed, follows), evaluatedIn(out))
		if same, is := respelled(hostile.Text); is && change != "" {
			if out, err := render(same); err == nil && shapeOf(out, isTyped).differs(changed, base) == "" {
				continue // the template reads what it says
			}
		}
		if change != "" {
			found, changes = append(found, HostileFinding{Text: hostile.Name, Change: change}), true
		}
	}
	return found, nil
}

// evaluatedIn names a field in which a text was evaluated.
func evaluatedIn(out Output) string {
	is := func(text string) bool { return strings.Contains(text, evaluatedWord) }
	found := shapeOf(out, is)
	for _, path := range sortedKeys(found) {
		if found[path] == anyText || strings.Contains(path, "<"+anyText+">") {
			return path + " evaluates it"
		}
	}
	return ""
}

// shape is the structure of objects: each of their fields by its path, with what is known of its value.
type shape map[string]string

// anyText stands for a text that has the harmless one in it.
const anyText = "text, with the buyer's in it"

// shapeOf walks through the objects. They are told apart by file and kind, and by their order, since a buyer's text may be part of
// a name.
func shapeOf(out Output, isTyped func(text string) bool) shape {
	s := shape{}
	counted := map[string]int{}
	for _, object := range out.Objects {
		of := object.File + ": " + object.GetKind()
		counted[of]++
		s.walk(fmt.Sprintf("%s %d", of, counted[of]), object.Object, isTyped)
	}
	return s
}

func (s shape) walk(path string, v any, isTyped func(text string) bool) {
	switch v := v.(type) {
	case map[string]any:
		s[path] = "map"
		for _, key := range sortedKeys(v) {
			name := key
			if isTyped(key) {
				name = "<" + anyText + ">"
			}
			s.walk(path+" "+name, v[key], isTyped)
		}
	case []any:
		s[path] = fmt.Sprintf("list of %d", len(v))
		for i, item := range v {
			s.walk(fmt.Sprintf("%s[%d]", path, i), item, isTyped)
		}
	case string:
		if isTyped(v) {
			s[path] = anyText
			return
		}
		s[path] = "text " + v
	default:
		s[path] = fmt.Sprintf("%T %v", v, v)
	}
}

// differs names the first field that differs, leaving out those that follow any text, by follows.
func (s shape) differs(other, follows shape) string {
	paths := append(sortedKeys(s), sortedKeys(other)...)
	slices.Sort(paths)
	for _, path := range slices.Compact(paths) {
		before, had := s[path]
		after, has := other[path]
		switch {
		case before == after && had == has:
		case !had:
			return path + " is new"
		case !has:
			return path + " is gone"
		case kindOfShape(before) != kindOfShape(after):
			return path + " has another type"
		case follows[path] == before:
			return path + " has another value"
		}
	}
	return ""
}

// kindOfShape is the first word of a field's entry.
func kindOfShape(entry string) string {
	word, _, _ := strings.Cut(entry, " ")
	return strings.TrimSuffix(word, ",")
}
