package template

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	chart "helm.sh/helm/v4/pkg/chart/v2"
)

const (
	// maxMessage is the longest message of an error that is not ours, in bytes. It ends up in a condition.
	maxMessage = 400
	// redacted stands for a text of the inputs.
	redacted = "…"
	// shortestRedacted: shorter texts are everywhere, and leaving them out would make messages unreadable.
	shortestRedacted = 4
)

// ErrNotYAML: a rendered file holds what is no YAML.
var ErrNotYAML = errors.New("a rendered file is not YAML")

// notYAML says in which file, and what is wrong there.
type notYAML struct{ text string }

func (e *notYAML) Error() string { return e.text }
func (e *notYAML) Unwrap() error { return ErrNotYAML }

// reporter words errors for the chart's author: with the chart's file names, and without texts of the inputs.
type reporter struct {
	// root is the name of the chart, which Helm puts before the names of its files.
	root string
	// sources are the author's texts. What stands there may stand in an error.
	sources [][]byte
	// values and secrets are the inputs whose texts may not.
	values  map[string]any
	secrets []string
	// hidden is made of values and secrets when the first error needs it.
	hidden []string
}

// file is a template's name as the author knows it: without the chart's own name.
func (r *reporter) file(name string) string {
	return strings.TrimPrefix(name, r.root+"/")
}

// plain words an error that names no file.
func (r *reporter) plain(err error) error { return errors.New(r.short(err.Error())) }

// location is a place in a template, in the words of text/template: name:line or name:line:column. "gotpl" is the name that
// Helm gives to texts evaluated by tpl.
var location = regexp.MustCompile(`([^\s():"]+):(\d+)(?::\d+)?`)

// executing is what text/template says between the place and the problem.
var executing = regexp.MustCompile(`^executing ".*?" at <.*?>:\s*`)

// evaluatedText is how Helm quotes the whole text that tpl was given.
var evaluatedText = regexp.MustCompile(`(cannot parse template|error during tpl function execution for) "(?:[^"\\]|\\.)*": `)

// execution words an error of Helm's engine: the innermost place, the problem, and the file it was included by.
func (r *reporter) execution(err error) error {
	text := evaluatedText.ReplaceAllString(err.Error(), "")
	var places []string
	rest := text
	for _, at := range location.FindAllStringSubmatchIndex(text, -1) {
		name := text[at[2]:at[3]]
		known := r.knows(name)
		if known {
			places = append(places, fmt.Sprintf("%s:%s", r.file(name), text[at[4]:at[5]]))
		}
		if known || name == "gotpl" {
			rest = text[at[1]:]
		}
	}
	rest = strings.TrimLeft(rest, "): \n")
	rest = executing.ReplaceAllString(rest, "")
	message := r.short(r.unquote(strings.ReplaceAll(rest, ` associated with template "gotpl"`, "")))
	var own *refusal
	if errors.As(err, &own) {
		message = own.text
	}
	if len(places) == 0 {
		return errors.New(message)
	}
	first, last := places[0], places[len(places)-1]
	if first == last {
		return fmt.Errorf("%s: %s", last, message)
	}
	return fmt.Errorf("%s: %s (included by %s)", last, message, first)
}

// knows says whether name is a template file of the chart or of a dependency.
func (r *reporter) knows(name string) bool {
	return strings.HasPrefix(name, r.root+"/") && !strings.HasSuffix(name, "/")
}

// short makes one line of bounded length out of a message, without texts of the inputs.
func (r *reporter) short(message string) string {
	message = r.redact(strings.Join(strings.Fields(r.redact(message)), " "))
	if len(message) > maxMessage {
		cut := maxMessage
		for !utf8.RuneStart(message[cut]) {
			cut--
		}
		message = message[:cut] + redacted
	}
	return message
}

// redact leaves out the texts of the inputs and the results of tenantSecret.
func (r *reporter) redact(message string) string {
	if r.hidden == nil {
		r.hidden = append(r.texts(r.values, []string{}), r.secrets...)
		slices.SortFunc(r.hidden, func(a, b string) int { return cmp.Compare(len(b), len(a)) }) // a text may hold another
	}
	for _, text := range r.hidden {
		message = strings.ReplaceAll(message, text, redacted)
	}
	return message
}

// texts appends the texts in a value that are long enough to matter and don't stand in the chart anyway.
func (r *reporter) texts(v any, to []string) []string {
	var text string
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			to = r.texts(e, to)
		}
		return to
	case []any:
		for _, e := range v {
			to = r.texts(e, to)
		}
		return to
	case string:
		text = v
	case int64, float64:
		text = fmt.Sprint(v)
	}
	for _, form := range []string{text, strings.Trim(fmt.Sprintf("%q", text), `"`), strings.Join(strings.Fields(text), " ")} {
		if len(form) >= shortestRedacted && !slices.Contains(to, form) && !r.public(form) {
			to = append(to, form)
		}
	}
	return to
}

// public says whether a text stands in the author's texts.
func (r *reporter) public(text string) bool {
	return slices.ContainsFunc(r.sources, func(source []byte) bool { return bytes.Contains(source, []byte(text)) })
}

// sources are the template texts of a chart and its dependencies.
func sources(ch *chart.Chart) [][]byte {
	var all [][]byte
	for _, f := range ch.Templates {
		all = append(all, f.Data)
	}
	for _, dep := range ch.Dependencies() {
		all = append(all, sources(dep)...)
	}
	return all
}

// quoted is a quoted piece of a message; an apostrophe inside of a word begins none.
var quoted = regexp.MustCompile("\"[^\"]*\"|`[^`]*`|\\B'[^']*'")

// unquote leaves out the quoted pieces of a message that don't stand in the author's texts: libraries quote what they read,
// and that may be a part of a buyer's text.
func (r *reporter) unquote(message string) string {
	return quoted.ReplaceAllStringFunc(message, func(piece string) string {
		if inner := piece[1 : len(piece)-1]; len(inner) < shortestRedacted || r.public(inner) {
			return piece
		}
		return redacted
	})
}
