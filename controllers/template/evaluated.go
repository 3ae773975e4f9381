package template

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"
)

// Evaluated says which actions stood in the texts that tpl has evaluated, and how often: by the file in which that tpl stands, and a digest of the
// action. No text of a buyer is evaluated without being one of them, however the template has changed it before.
type Evaluated map[string]int

// actionBegin begins an action.
const actionBegin = "{{"

// actions finds the actions of a text. One without an end reaches to the end of the text.
var actions = regexp.MustCompile(`(?s)\{\{.*?(?:\}\}|$)`)

func isActing(text string) bool { return strings.Contains(text, actionBegin) }

// note takes in a text that tpl is about to evaluate.
func (e Evaluated) note(at, text string) {
	if e == nil {
		return
	}
	file, _, _ := strings.Cut(at, "|")
	for _, action := range actions.FindAllString(text, -1) {
		e[file+": "+digestOf(action)]++
	}
}

// digestOf is that of an action, however its words are parted: a long text is folded where it is printed as YAML.
func digestOf(action string) string {
	sum := sha256.Sum256([]byte(strings.Join(strings.Fields(action), "")))
	return hex.EncodeToString(sum[:16])
}

// beyond is the file of an action that was evaluated more often than in another rendering; empty if none was.
func (e Evaluated) beyond(other Evaluated) string {
	for _, key := range sortedKeys(e) {
		if e[key] > other[key] {
			return fileOf(key)
		}
	}
	return ""
}

// of is the file in which an action of these texts was evaluated; empty if none was.
func (e Evaluated) of(texts []string) string {
	var theirs []string
	for _, text := range texts {
		for _, action := range actions.FindAllString(text, -1) {
			theirs = append(theirs, digestOf(action))
		}
	}
	for _, key := range sortedKeys(e) {
		if file, digest, _ := strings.Cut(key, ": "); slices.Contains(theirs, digest) {
			return file
		}
	}
	return ""
}
