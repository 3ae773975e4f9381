package template

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

const (
	// typedSigns are what means more than itself to YAML or to a template wherever it stands in a text.
	typedSigns = "\"'\\{}[]"
	// flowSigns end a text that stands without a quote in a list or map in brackets. They are in many names and addresses.
	flowSigns = ",?"
	// noLetter is no letter and stands in no text.
	noLetter = '\x00'
)

// Suspicious reports whether a text could be more than a text to a template that prints it without the right quote. Lines of plain words without a
// comma could not.
func Suspicious(text string) bool { return strings.Contains(text, ",") || !isWords(text) }

// isWords says whether a text is lines of words, with commas or without.
func isWords(text string) bool {
	isBreak := func(r rune) bool {
		return r == '\n' || r == '\r' || r == '\v' || r == 0x85 || r == 0x2028 || r == 0x2029
	}
	return !slices.ContainsFunc(strings.FieldsFunc(text, isBreak), isStructured)
}

// isStructured says whether a line has what makes it more than words to YAML.
func isStructured(line string) bool {
	words := strings.Fields(line)
	return withLetters(line, noLetter, "") != line || len(words) > 0 && slices.Contains([]string{"-", "?", "---", "..."}, words[0])
}

// Harmless is a text with a letter in the place of everything that could be more than a text.
func Harmless(text string, letter rune) string { return withLetters(text, letter, flowSigns) }

// withLetters has a letter in the place of what could be more than a text, and of each of the signs.
func withLetters(text string, letter rune, signs string) string {
	runes := []rune(text)
	changed := slices.Clone(runes)
	for i, r := range runes {
		first := i == 0
		blankBefore := first || runes[i-1] == ' '
		blankAfter := i+1 == len(runes) || runes[i+1] == ' '
		switch {
		case r < ' ', r >= 0x7f && r < 0xa0, r == 0x2028, r == 0x2029, strings.ContainsRune(typedSigns, r), strings.ContainsRune(signs, r),
			r == ':' && blankAfter, r == '#' && blankBefore, first && strings.ContainsRune("&*!|>%@`", r):
			changed[i] = letter
		}
	}
	return string(changed)
}

// form is a text in other words, of which there are two: 0 and 1.
type form func(text string, which int) string

// inLetters is a text without signs. What is words but for its commas stays lines, of which a template may make a list.
func inLetters(text string, which int) string {
	letter := lettersOf(text)[which]
	if isWords(text) {
		return strings.Map(func(r rune) rune {
			if strings.ContainsRune(flowSigns, r) {
				return letter
			}
			return r
		}, text)
	}
	return Harmless(text, letter)
}

// readable is inLetters, but JSON says the same as before.
func readable(text string, which int) string {
	same, is := respelled(text)
	if !is {
		return inLetters(text, which)
	}
	// What is cut off at either end differs as well.
	blank, last := strings.Repeat(" ", which), len(same)-1
	return same[:1] + blank + same[1:last] + blank + same[last:]
}

// listed is readable, but a text is as long a list of what commas part as before.
func listed(text string, which int) string {
	if hasCommas(text) {
		if isWords(text) {
			return text
		}
		return withLetters(text, lettersOf(text)[which], "")
	}
	return readable(text, which)
}

// hasCommas says whether a text that is no JSON has commas.
func hasCommas(text string) bool {
	return !isJSON(text) && strings.Contains(text, ",")
}

// lettered is readable, with JSON of texts without signs but commas. What is words stays lines of them, and JSON in a text stays JSON, of which a
// template may read more.
func lettered(text string, which int) string {
	letter := lettersOf(text)[which]
	same, is := jsonWith(text, func(inner string, isKey bool) string {
		var said string
		if json.Unmarshal([]byte(`"`+inner+`"`), &said) != nil || isKey && isName(said) || !isKey && (isWords(said) || isJSON(said)) {
			return escaped(inner)
		}
		return escaped(withLetters(inner, letter, ""))
	})
	if is {
		return same
	}
	return readable(text, which)
}

// isName says whether a key of JSON is words in one line behind any leading signs, which add no field where it is printed.
func isName(key string) bool {
	return !strings.ContainsFunc(key, unicode.IsControl) && isWords(strings.TrimLeft(key, "&*!|>%@`#"))
}

// respelled is a JSON object or array that says the same with escapes in the place of the signs in its texts, and without line breaks and blanks between
// them. A template that reads it finds nothing changed. Where the quotes of the JSON and of the template are out of step, so that YAML takes what is in its
// texts for what is outside, no YAML is left of it: behind a quote that closes, there is a letter or an escape.
func respelled(text string) (string, bool) {
	return jsonWith(text, func(inner string, _ bool) string { return escaped(inner) })
}

func isJSON(text string) bool {
	_, is := respelled(text)
	return is
}

// jsonWith changes what is between the quotes of the texts of a JSON object or array, and takes out the blanks around them.
func jsonWith(text string, change func(inner string, isKey bool) string) (string, bool) {
	text = strings.Trim(text, " \t\r\n")
	if text == "" || !strings.ContainsAny(text[:1], "{[") || !json.Valid([]byte(text)) {
		return "", false
	}
	var out strings.Builder
	for {
		between, after, found := strings.Cut(text, `"`)
		out.WriteString(strings.Join(strings.Fields(between), ""))
		if !found {
			return out.String(), true
		}
		end := textEnd(after)
		text = strings.TrimPrefix(after[end:], `"`)
		isKey := strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), ":")
		out.WriteString(`"` + change(after[:end], isKey) + `"`)
	}
}

// textEnd is where the quote stands that ends a text of JSON.
func textEnd(text string) int {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++ // what is escaped ends no text
		case '"':
			return i
		}
	}
	return len(text)
}

// escaped is what stands between the quotes of a text of JSON, with escapes in the place of its signs.
func escaped(text string) string {
	var out strings.Builder
	runes, leading := []rune(text), true
	changed := []rune(Harmless(text, noLetter))
	for i := 0; i < len(runes); i++ {
		switch r := runes[i]; {
		case r == '\\' && i+1 < len(runes):
			out.WriteString(string(runes[i : i+2]))
			i++
		case changed[i] != r, r == ':' && leading:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			out.WriteRune(r)
		}
		leading = leading && runes[i] == ' '
	}
	return out.String()
}

// kept is a part of a text that is the same in all its forms, by which it is found in what is made of it: the first of four characters or more, which
// hardly ever stand in a checksum, else the longest.
func kept(text string) string {
	same, is := respelled(text)
	longest := ""
	for part := range strings.SplitSeq(Harmless(text, noLetter), string(noLetter)) {
		part = strings.TrimSpace(part)
		if is && !strings.Contains(same, part) {
			continue
		}
		if len(part) >= 4 {
			return part
		}
		if len(part) > len(longest) {
			longest = part
		}
	}
	return longest
}

// Rerender renders with each of the texts that somebody has typed changed.
type Rerender func(change func(text string) string) (Output, error)

// CheckTyped compares what is made of texts that somebody has typed with what is made of the same texts when they are harmless, by each of two
// letters, and names a file in which they change more than the fields in which they stand, or are evaluated; empty where none. Where rendering fails there is
// nothing to compare with, and nothing is said: a chart may bound what it takes.
func CheckTyped(texts []string, typed Output, render Rerender) string {
	var suspicious, acting []string
	for _, text := range texts {
		if Suspicious(text) {
			suspicious = append(suspicious, text)
		}
		if isActing(text) {
			acting = append(acting, text)
		}
	}
	change, compared := comparison{suspicious, typed, render}.change()
	if !compared && len(suspicious) > 1 {
		// One that has to have its signs, such as a color's, does not keep the others from being looked at.
		for _, text := range suspicious {
			if change == "" {
				change, _ = comparison{[]string{text}, typed, render}.change()
			}
		}
	}
	if change != "" || len(acting) == 0 || len(typed.Evaluated) == 0 {
		return fileOf(change)
	}
	without, err := render(func(text string) string {
		return strings.ReplaceAll(text, actionBegin, strings.Repeat(string(lettersOf(text)[0]), len(actionBegin)))
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

// comparison is that of what is made of texts with what is made of other forms of them.
type comparison struct {
	texts  []string
	typed  Output
	render Rerender
}

// change names a field that the texts change beyond their own; compared says whether there was something to compare with.
func (c comparison) change() (change string, compared bool) {
	change, compared = c.with(readable)
	if change != "" && c.splits() {
		change = ""
	}
	switch {
	case !slices.ContainsFunc(c.texts, isJSON):
	case !compared:
		// Out of step with the quotes around it, no JSON can be rendered but the one that was typed.
		change, compared = c.with(inLetters)
	case change == "" && slices.ContainsFunc(c.texts, func(text string) bool { return lettered(text, 0) != readable(text, 0) }):
		// A template may read it and print its texts without a quote.
		change, _ = c.with(lettered)
	}
	return change, compared
}

// with compares with a form. It renders nothing for texts that are in this form already.
func (c comparison) with(to form) (change string, compared bool) {
	if !slices.ContainsFunc(c.texts, func(text string) bool { return to(text, 0) != text }) {
		return "", true
	}
	var outs [2]Output
	for which := range outs {
		var err error
		if outs[which], err = c.rendered(func(text string) string { return to(text, which) }); err != nil {
			return "", false
		}
	}
	return c.shape(outs[0]).differs(c.shape(c.typed), c.shape(outs[1])), true
}

// splits says whether it is the template that parts texts at their commas, and has quotes around the parts. Where it is YAML, because a text stands without
// a quote in a list or map in brackets, a bracket before each comma leaves no YAML, and neither do two commas, which a template takes that bounds the
// characters of a text or leaves out the parts that have others.
func (c comparison) splits() bool {
	if !slices.ContainsFunc(c.texts, hasCommas) {
		return false
	}
	if change, compared := c.with(listed); change != "" || !compared {
		return false
	}
	for _, sign := range []string{"],", ",,"} {
		out, err := c.rendered(func(text string) string {
			if !hasCommas(text) {
				return readable(text, 0)
			}
			return strings.ReplaceAll(listed(text, 0), ",", sign)
		})
		switch {
		case errors.Is(err, ErrNotYAML):
			return false
		case err == nil && (sign == ",," || len(c.shape(out)) == len(c.shape(c.typed))):
			// The texts may be in the names of fields.
			return true
		}
	}
	return true
}

// rendered renders with the texts, and no others, changed.
func (c comparison) rendered(change func(text string) string) (Output, error) {
	return c.render(func(text string) string {
		if slices.Contains(c.texts, text) {
			return change(text)
		}
		return text
	})
}

func (c comparison) shape(out Output) shape {
	var parts []string
	for _, text := range c.texts {
		parts = append(parts, kept(text))
	}
	return shapeOf(out, func(text string) bool {
		return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(text, part) })
	})
}

// lettersOf are two that stand in the place of a text's signs: letters of its own, as far as it has any, so that a schema that bounds the characters
// of such a text takes them.
func lettersOf(text string) [2]rune {
	spare := "xy"
	if strings.ToUpper(text) == text {
		spare = "XY"
	}
	var one rune
	for _, r := range text + spare {
		switch {
		case !unicode.IsLetter(r) || r == one:
		case one == 0:
			one = r
		default:
			return [2]rune{one, r}
		}
	}
	return [2]rune{one, one}
}

// fileOf is the file of a change. What follows, kinds and fields, may be what was typed.
func fileOf(change string) string {
	file, _, _ := strings.Cut(change, ": ")
	return file
}
