package koogallery

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/internal/exact"
)

// nested reads an object, or a string with one in it, that the activity can do without.
func (f *fields) nested(name string) *fields {
	raw := f.unquoted(name)
	inner := &fields{}
	if f.err == nil && len(raw) > 0 && !isNull(raw) && exact.Unmarshal(raw, &inner.members) != nil {
		f.note(name)
		inner.members = nil
	}
	return inner
}

// either reads a short text here, or out of other members where it is not here.
func (f *fields) either(other *fields, name string, maxLength int) string {
	if isNull(f.members[name]) && !isNull(other.members[name]) {
		return other.short(name, maxLength)
	}
	return f.short(name, maxLength)
}

// list reads an array of objects, or a string with one in it; each is called for every object. The first error in one of them
// says where it is.
func (f *fields) list(name string, most int, each func(*fields)) {
	raw := f.unquoted(name)
	if f.err != nil || len(raw) == 0 || isNull(raw) {
		return
	}
	var elements []object
	if exact.Unmarshal(raw, &elements) != nil && exact.Unmarshal(quoteNames(raw), &elements) != nil {
		f.fail("%s must be an array of objects, or a string containing such JSON, without duplicate members", name)
		return
	}
	if len(elements) > most {
		f.fail("%s has more than %d elements", name, most)
		return
	}
	for i, members := range elements {
		inner := &fields{}
		var ok bool
		if inner.members, ok = trimmed(members); !ok {
			inner.fail("duplicate member")
		}
		each(inner)
		for _, note := range inner.notes {
			f.note(name + "." + note)
		}
		if inner.err != nil {
			f.err = fmt.Errorf("%w (in %s, element %d)", inner.err, name, i+1)
			return
		}
	}
}

// unquoted is a member's JSON, or the JSON in the string that it is.
func (f *fields) unquoted(name string) json.RawMessage {
	raw := f.members[name]
	if f.err != nil || isNull(raw) || raw[0] != '"' {
		return raw
	}
	return json.RawMessage(strings.TrimSpace(f.text(name)))
}

// trimmed takes the blanks off the names; false if two of them are the same then.
func trimmed(members object) (object, bool) {
	clean := make(object, len(members))
	for name, value := range members {
		clean[strings.TrimSpace(name)] = value
	}
	return clean, len(clean) == len(members)
}

// quoteNames puts quotes around the names that have none: a printed example of allOrgSync is such (protocol page 8.2). What is
// no JSON besides stays none.
func quoteNames(raw []byte) []byte {
	quoted := make([]byte, 0, len(raw)+len(raw)/4)
	for at := 0; at < len(raw); {
		switch {
		case raw[at] == '"':
			end := endOfString(raw, at)
			quoted = append(quoted, raw[at:end]...)
			at = end
		case isNameStart(raw[at]):
			end := at
			for end < len(raw) && (isNameStart(raw[end]) || '0' <= raw[end] && raw[end] <= '9') {
				end++
			}
			if colon := skipBlank(raw, end); colon < len(raw) && raw[colon] == ':' {
				quoted = append(append(append(quoted, '"'), raw[at:end]...), '"')
			} else {
				quoted = append(quoted, raw[at:end]...)
			}
			at = end
		default:
			quoted = append(quoted, raw[at])
			at++
		}
	}
	return quoted
}

func isNameStart(b byte) bool { return b == '_' || 'a' <= b|0x20 && b|0x20 <= 'z' }
