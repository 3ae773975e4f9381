package template

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"
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
		{evaluatedName, harmless + evaluatedProbe},
	}
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
	for _, hostile := range HostileTexts(harmless) {
		out, err := render(hostile.Text)
		if err != nil {
			found = append(found, HostileFinding{Text: hostile.Name, Change: err.Error(), Fails: true})
		} else if change := base.differs(shapeOf(out, isTyped), follows); change != "" {
			found = append(found, HostileFinding{Text: hostile.Name, Change: change})
		} else if change := evaluatedIn(out); change != "" {
			found = append(found, HostileFinding{Text: hostile.Name, Change: change})
		}
	}
	return found, nil
}

// typedSigns are what means more than itself to YAML or to a template wherever it stands in a text.
const typedSigns = "\"'\\{}[]"

// Suspicious reports whether a text could be more than a text to a template that prints it without a quote. Lines of plain words could not,
// and neither could a whole JSON object or array: a template that reads such texts as lists or settings makes of them what they say.
func Suspicious(text string) bool {
	switch lines := strings.FieldsFunc(text, isLineBreak); {
	case json.Valid([]byte(text)) && strings.ContainsAny(text[:1], "{["):
		return false
	case !slices.ContainsFunc(lines, isStructured):
		return false
	}
	return true
}

func isLineBreak(r rune) bool {
	return r == '\n' || r == '\r' || r == '\v' || r == 0x85 || r == 0x2028 || r == 0x2029
}

// isStructured says whether a line has what makes it more than words to YAML.
func isStructured(line string) bool {
	words := strings.Fields(line)
	return Harmless(line, 'x') != line || len(words) > 0 && slices.Contains([]string{"-", "?", "---", "..."}, words[0])
}

// Harmless is a text with a letter in the place of everything that could be more than a text.
func Harmless(text string, letter rune) string {
	runes := []rune(text)
	changed := slices.Clone(runes)
	for i, r := range runes {
		first := i == 0
		blankBefore := first || runes[i-1] == ' '
		blankAfter := i+1 == len(runes) || runes[i+1] == ' '
		switch {
		case r < ' ', r >= 0x7f && r < 0xa0, r == 0x2028, r == 0x2029, strings.ContainsRune(typedSigns, r),
			r == ':' && blankAfter, r == '#' && blankBefore, first && strings.ContainsRune("&*!|>%@`", r):
			changed[i] = letter
		}
	}
	return string(changed)
}

// kept is a part of a text that is the same whatever is made harmless, by which it is found in what is made of it: the first of four
// characters or more, which hardly ever stand in a checksum, else the longest.
func kept(text string) string {
	const cut = '\x00'
	parts := strings.Split(Harmless(text, cut), string(cut))
	longest := ""
	for _, part := range parts {
		if part = strings.TrimSpace(part); len(part) >= 4 {
			return part
		}
		if len(part) > len(longest) {
			longest = part
		}
	}
	return longest
}

// CheckTyped compares what is made of texts that somebody has typed with what is made of the same texts when they are harmless, by each of two
// letters, and names a file in which they change more than the fields in which they stand, or are evaluated; empty where none. render renders with
// each of the texts changed. Where it fails there is nothing to compare with, and nothing is said: a chart may bound what it takes.
func CheckTyped(texts []string, typed Output, render func(change func(text string) string) (Output, error)) string {
	var suspicious, acting []string
	for _, text := range texts {
		if Suspicious(text) {
			suspicious = append(suspicious, text)
		}
		if isActing(text) {
			acting = append(acting, text)
		}
	}
	change, compared := changedBy(suspicious, typed, render)
	if !compared && len(suspicious) > 1 {
		// One that has to have its signs, such as a color's, does not keep the others from being looked at.
		for _, text := range suspicious {
			if change == "" {
				change, _ = changedBy([]string{text}, typed, render)
			}
		}
	}
	if change != "" || len(acting) == 0 || len(typed.Evaluated) == 0 {
		return fileOf(change)
	}
	without, err := render(func(text string) string {
		letter, _ := lettersOf(text)
		return strings.ReplaceAll(text, actionBegin, strings.Repeat(string(letter), len(actionBegin)))
	})
	if err != nil {
		return typed.Evaluated.of(acting)
	}
	return typed.Evaluated.beyond(without.Evaluated)
}

// NeedsCheck says whether CheckTyped would render for one of the texts.
func NeedsCheck(texts []string) bool {
	return slices.ContainsFunc(texts, func(text string) bool { return Suspicious(text) || isActing(text) })
}

// changedBy names a field that texts change beyond their own; compared says whether there was something to compare with.
func changedBy(texts []string, typed Output, render func(change func(text string) string) (Output, error)) (change string, compared bool) {
	if len(texts) == 0 {
		return "", true
	}
	var parts []string
	for _, text := range texts {
		parts = append(parts, kept(text))
	}
	isTyped := func(text string) bool {
		return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(text, part) })
	}
	plain, err := render(func(text string) string {
		if letter, _ := lettersOf(text); slices.Contains(texts, text) {
			return Harmless(text, letter)
		}
		return text
	})
	if err != nil {
		return "", false
	}
	other, err := render(func(text string) string {
		if _, letter := lettersOf(text); slices.Contains(texts, text) {
			return Harmless(text, letter)
		}
		return text
	})
	if err != nil {
		return "", false
	}
	return shapeOf(plain, isTyped).differs(shapeOf(typed, isTyped), shapeOf(other, isTyped)), true
}

// lettersOf are two that stand in the place of a text's signs: letters of its own, as far as it has any, so that a schema that bounds the characters
// of such a text takes them.
func lettersOf(text string) (one, other rune) {
	spare := "xy"
	if strings.ToUpper(text) == text {
		spare = "XY"
	}
	for _, r := range text + spare {
		switch {
		case !unicode.IsLetter(r) || r == one:
		case one == 0:
			one = r
		default:
			return one, r
		}
	}
	return one, one
}

// fileOf is the file of a change. What follows, kinds and fields, may be what was typed.
func fileOf(change string) string {
	file, _, _ := strings.Cut(change, ": ")
	return file
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
