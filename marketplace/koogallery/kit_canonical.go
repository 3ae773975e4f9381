package koogallery

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// The bodies of the Kit are sixteen times as long as others may be, and the signed form has to be found before anything may be
// believed. What follows reads a body in one pass where encoding/json needs several, and does not check it: for JSON it gives
// what signedForms gives, and for anything else something that nobody has signed.

// maxRewrittenKit is the size in bytes above which a body of the Kit is not tried in the forms that only a sample or one page has: anyone
// may send one, and each form costs a hash for every key.
const maxRewrittenKit = 64 << 10

// member is one member of a body: its name as it is meant, and its value as it was sent.
type member struct {
	name  string
	value []byte
}

// scanMembers splits a body; false if it is no JSON object.
func scanMembers(body []byte) ([]member, bool) {
	at := skipBlank(body, 0)
	if at == len(body) || body[at] != '{' {
		return nil, false
	}
	var members []member
	for at++; ; at++ {
		at = skipBlank(body, at)
		if at < len(body) && body[at] == '}' && len(members) == 0 {
			return members, skipBlank(body, at+1) == len(body)
		}
		var found member
		var ok bool
		if found, at, ok = scanMember(body, at); !ok || len(members) == maxMembers {
			return nil, false
		}
		members = append(members, found)
		at = skipBlank(body, at)
		switch {
		case at < len(body) && body[at] == '}':
			return members, skipBlank(body, at+1) == len(body)
		case at == len(body) || body[at] != ',':
			return nil, false
		}
	}
}

// scanMember reads a name, a colon and a value.
func scanMember(body []byte, at int) (found member, end int, ok bool) {
	end = at
	if at == len(body) || body[at] != '"' {
		return member{}, end, false
	}
	end = endOfString(body, at)
	name := unescape(nil, body[at:end])
	if len(name) < 2 {
		return member{}, end, false
	}
	colon := skipBlank(body, end)
	if colon == len(body) || body[colon] != ':' {
		return member{}, end, false
	}
	start := skipBlank(body, colon+1)
	end = endOfValue(body, start)
	return member{string(name[1 : len(name)-1]), body[start:end]}, end, start < end
}

func skipBlank(body []byte, at int) int {
	for at < len(body) && isBlank(body[at]) {
		at++
	}
	return at
}

func isBlank(b byte) bool { return b == ' ' || b == '\n' || b == '\t' || b == '\r' }

// endOfValue is the index after the value that begins at start.
func endOfValue(body []byte, start int) int {
	depth := 0
	for at := start; at < len(body); at++ {
		switch b := body[at]; b {
		case '"':
			at = endOfString(body, at) - 1
		case '{', '[':
			depth++
			continue
		case '}', ']':
			depth--
		case ',':
			if depth == 0 {
				return at
			}
			continue
		default:
			if depth > 0 || !isBlank(b) {
				continue
			}
			return at
		}
		switch {
		case depth < 0:
			return at
		case depth == 0:
			return at + 1
		}
	}
	return len(body)
}

// kitForms are what signedForms gives, for a body of the Kit.
func kitForms(body []byte) [][]byte {
	members, ok := scanMembers(body)
	if !ok {
		return nil
	}
	forms := [][]byte{canonicalMembers(members, len(body), appendCompact)}
	if bytes.IndexByte(forms[0], '\\') >= 0 {
		forms = append(forms, canonicalMembers(members, len(body), appendRewritten))
	}
	if len(body) <= maxRewrittenKit && slices.ContainsFunc(members, func(m member) bool { return isBare(m.value) }) {
		forms = append(forms, canonicalMembers(members, len(body), func(to, value []byte) []byte {
			return appendAsText(to, appendRewritten(nil, value))
		}))
	}
	return forms
}

func canonicalMembers(members []member, size int, write func(to, value []byte) []byte) []byte {
	sorted := slices.Clone(members)
	slices.SortStableFunc(sorted, func(a, b member) int { return strings.Compare(a.name, b.name) })
	form := append(make([]byte, 0, size+size/8), '{')
	for i, found := range sorted {
		// Of two members of one name Java keeps the last.
		if isNull(found.value) || i+1 < len(sorted) && sorted[i+1].name == found.name {
			continue
		}
		if len(form) > 1 {
			form = append(form, ',')
		}
		form = append(appendString(form, found.name), ':')
		form = write(form, found.value)
	}
	return append(form, '}')
}

// appendCompact copies a value without the blanks outside of its strings.
func appendCompact(to, value []byte) []byte {
	return appendStrings(to, value, func(to, text []byte) []byte { return append(to, text...) })
}

// appendRewritten does the same and writes every string as Jackson does.
func appendRewritten(to, value []byte) []byte {
	return appendStrings(to, value, appendJackson)
}

func appendStrings(to, value []byte, write func(to, text []byte) []byte) []byte {
	for at := 0; at < len(value); {
		start := at
		for at < len(value) && value[at] != '"' && !isBlank(value[at]) {
			at++
		}
		to = append(to, value[start:at]...)
		switch {
		case at == len(value):
		case value[at] == '"':
			end := endOfString(value, at)
			to = write(to, value[at:end])
			at = end
		default:
			at++
		}
	}
	return to
}

// appendJackson writes a string, with its quotes, as Jackson does: only what has to be is escaped.
func appendJackson(to, text []byte) []byte {
	for {
		at := bytes.IndexByte(text, '\\')
		if at < 0 || at+1 == len(text) {
			return append(to, text...)
		}
		to = append(to, text[:at]...)
		text = text[at:]
		switch unit, ok := hexUnit(text); {
		case !ok && text[1] == '/':
			to, text = append(to, '/'), text[2:]
		case !ok:
			to, text = append(to, text[:2]...), text[2:]
		case unit < 0x20 || unit == '"' || unit == '\\':
			escaped := appendString(nil, string(unit))
			to, text = append(to, escaped[1:len(escaped)-1]...), text[6:]
		case !utf16.IsSurrogate(unit):
			to, text = utf8.AppendRune(to, unit), text[6:]
		default:
			var used int
			to, used = appendEscape(to, text)
			text = text[used:]
		}
	}
}

// unescape takes the escapes out of a string, whose quotes stay.
func unescape(to, text []byte) []byte {
	for {
		at := bytes.IndexByte(text, '\\')
		if at < 0 || at+1 == len(text) {
			return append(to, text...)
		}
		to = append(to, text[:at]...)
		var used int
		to, used = appendEscape(to, text[at:])
		text = text[at+used:]
	}
}

// plainEscapes are the escapes of one letter.
var plainEscapes = map[byte]byte{'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// appendEscape writes what the escape at the beginning of text means, and says how long it is.
func appendEscape(to, text []byte) (written []byte, used int) {
	if text[1] != 'u' {
		if plain, ok := plainEscapes[text[1]]; ok {
			return append(to, plain), 2
		}
		return append(to, text[1]), 2
	}
	unit, ok := hexUnit(text)
	if !ok {
		return append(to, text[:2]...), 2
	}
	if !utf16.IsSurrogate(unit) {
		return utf8.AppendRune(to, unit), 6
	}
	if low, ok := hexUnit(text[6:]); ok {
		if r := utf16.DecodeRune(unit, low); r != utf8.RuneError {
			return utf8.AppendRune(to, r), 12
		}
	}
	return utf8.AppendRune(to, utf8.RuneError), 6
}

// hexUnit reads the six characters of an escape with \u.
func hexUnit(text []byte) (rune, bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	var unit rune
	for _, b := range text[2:6] {
		digit := hexDigit[b]
		if digit < 0 {
			return 0, false
		}
		unit = unit<<4 | rune(digit)
	}
	return unit, true
}

// hexDigit is the value of each byte that is a hex digit, and -1 of the others.
var hexDigit = func() (values [256]int8) {
	for b := range values {
		values[b] = int8(strings.IndexByte("0123456789abcdef", byte(b|0x20)))
		if b < '0' || b > '9' && b < 'A' {
			values[b] = -1
		}
	}
	return values
}()
