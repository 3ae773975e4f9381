package template

import (
	"fmt"
	"slices"
	"strings"
)

// HostileText is what a buyer may type in the place of a harmless text.
type HostileText struct {
	// Name says what it tries, for people: "a line break".
	Name string
	Text string
}

// HostileTexts are texts that mean more than themselves to YAML, to templates or to shells that do not quote. Each begins with the
// harmless text, so that it is found where that is put to use.
func HostileTexts(harmless string) []HostileText {
	const object = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: stallkeeper-hostile\n"
	return []HostileText{
		{"a line break and a key", harmless + "\nstallkeeper-hostile: x"},
		{"a line break and an indented key", harmless + "\n  stallkeeper-hostile: x"},
		{"a line break and a deeply indented key", harmless + "\n    stallkeeper-hostile: x"},
		{"another object", harmless + "\n---\n" + object + "---\n"},
		{"another object behind Windows line ends", harmless + "\r\n---\r\n" + strings.ReplaceAll(object, "\n", "\r\n") + "---\r\n"},
		{"a quote and a key", harmless + "\"\nstallkeeper-hostile: \"x"},
		{"a single quote and a key", harmless + "'\nstallkeeper-hostile: 'x"},
		{"quotes", harmless + "\"'`\\"},
		{"a comment", harmless + " # x"},
		{"a colon", harmless + ": x"},
		{"the end of a map", harmless + "}, stallkeeper-hostile: {"},
		{"the end of a list", harmless + "], stallkeeper-hostile: [x"},
		{"an action", harmless + "{{ fail \"x\" }}"},
		{"the end of an action", harmless + "}}{{ .Release.Name }}"},
		{"an anchor and a tag", harmless + " &a !!binary *a"},
		{"a shell's command", harmless + "$(id)`id`;|&>"},
	}
}

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
	base, follows := shapeOf(first, harmless), shapeOf(second, harmless)
	var found []HostileFinding
	for _, hostile := range HostileTexts(harmless) {
		out, err := render(hostile.Text)
		if err != nil {
			found = append(found, HostileFinding{Text: hostile.Name, Change: err.Error(), Fails: true})
		} else if change := base.differs(shapeOf(out, harmless), follows); change != "" {
			found = append(found, HostileFinding{Text: hostile.Name, Change: change})
		}
	}
	return found, nil
}

// shape is the structure of objects: each of their fields by its path, with what is known of its value.
type shape map[string]string

// anyText stands for a text that has the harmless one in it.
const anyText = "text, with the buyer's in it"

// shapeOf walks through the objects. They are told apart by file and kind, and by their order, since a buyer's text may be part of
// a name.
func shapeOf(out Output, harmless string) shape {
	s := shape{}
	counted := map[string]int{}
	for _, object := range out.Objects {
		of := object.File + ": " + object.GetKind()
		counted[of]++
		s.walk(fmt.Sprintf("%s %d", of, counted[of]), object.Object, harmless)
	}
	return s
}

func (s shape) walk(path string, v any, harmless string) {
	switch v := v.(type) {
	case map[string]any:
		s[path] = "map"
		for _, key := range sortedKeys(v) {
			name := key
			if strings.Contains(key, harmless) {
				name = "<" + anyText + ">"
			}
			s.walk(path+" "+name, v[key], harmless)
		}
	case []any:
		s[path] = fmt.Sprintf("list of %d", len(v))
		for i, item := range v {
			s.walk(fmt.Sprintf("%s[%d]", path, i), item, harmless)
		}
	case string:
		if strings.Contains(v, harmless) {
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
