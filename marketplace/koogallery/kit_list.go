package koogallery

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
)

// personal reads a text about a person or an organisation that may be missing. Control characters in it are dropped: a line
// break in one name is no reason to refuse all of a list.
func (f *fields) personal(name string, maxLength int) string {
	text := f.looseString(name)
	if f.err != nil {
		return ""
	}
	text = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, text))
	if len(text) > maxLength && length(text) > maxLength {
		f.fail("%s has more than %d characters", name, maxLength)
		return ""
	}
	return text
}

// looseString reads a text that may stand there as a number, such as a telephone number.
func (f *fields) looseString(name string) string {
	raw := f.members[name]
	if f.err == nil && len(raw) > 0 && (raw[0] == '-' || '0' <= raw[0] && raw[0] <= '9') {
		return string(raw)
	}
	return f.text(name)
}

// nested reads an object, or a string with one in it, that may be missing. Its errors are those of f.
func (f *fields) nested(name string) *fields {
	raw := f.unquoted(name)
	inner := &fields{}
	if f.err != nil || len(raw) == 0 || isNull(raw) {
		return inner
	}
	if json.Unmarshal(raw, &inner.members) != nil {
		f.fail("%s must be an object, or a string with such JSON in it", name)
	}
	return inner
}

// or reads a field out of other members where f itself does not have it.
func (f *fields) or(other *fields) *either { return &either{f, other} }

// either are two places where a field may stand.
type either struct{ first, second *fields }

func (e *either) of(name string) *fields {
	if isNull(e.first.members[name]) && !isNull(e.second.members[name]) {
		return e.second
	}
	return e.first
}

func (e *either) personal(name string, maxLength int) string {
	return e.read(name, func(f *fields) string { return f.personal(name, maxLength) })
}

func (e *either) looseText(name string) string {
	return e.read(name, func(f *fields) string { return f.looseText(name) })
}

func (e *either) read(name string, read func(*fields) string) string {
	from := e.of(name)
	text := read(from)
	if e.first.err == nil {
		e.first.err = from.err
	}
	return text
}

// list reads an array of objects, or a string with one in it; each is called for every object. The first error in one of them
// says where it is.
func (f *fields) list(name string, most int, each func(*fields)) {
	raw := f.unquoted(name)
	if f.err != nil || len(raw) == 0 || isNull(raw) {
		return
	}
	var elements []object
	if json.Unmarshal(raw, &elements) != nil && json.Unmarshal(quoteNames(raw), &elements) != nil {
		f.fail("%s must be an array of objects, or a string with such JSON in it", name)
		return
	}
	if len(elements) > most {
		f.fail("%s has more than %d elements", name, most)
		return
	}
	for i, members := range elements {
		inner := &fields{members: trimmed(members)}
		each(inner)
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

// trimmed takes the blanks off the names.
func trimmed(members object) object {
	for name, value := range members {
		if clean := strings.TrimSpace(name); clean != name {
			delete(members, name)
			members[clean] = value
		}
	}
	return members
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
