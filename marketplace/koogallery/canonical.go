package koogallery

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
)

// signedForms returns what the sender may have signed other than the raw bytes: the body in canonical form (protocol page
// 3.1). Its top level is sorted and free of nulls, what is nested keeps its order, and nothing has white space. The first
// form keeps strings as they were escaped, the second, if it is another, writes them as KooGallery's Java serializer does, and the
// third, if it is another, has its numbers as texts too, because KooGallery's own sample reads a body into texts before it signs
// (protocol page 16). A body that is no JSON object has no such form.
func signedForms(body []byte) [][]byte {
	members, err := parseBody(body)
	if err != nil {
		return nil
	}
	forms := [][]byte{canonical(members, func(value []byte) []byte { return value })}
	rewritten := canonical(members, rewriteStrings)
	texts := canonical(members, func(value []byte) []byte { return appendAsText(nil, rewriteStrings(value)) })
	for _, form := range [][]byte{rewritten, texts} {
		if !bytes.Equal(forms[len(forms)-1], form) {
			forms = append(forms, form)
		}
	}
	return forms
}

// appendAsText writes a number or bool as a text, and anything else as it is.
func appendAsText(to, value []byte) []byte {
	if !isBare(value) {
		return append(to, value...)
	}
	return append(append(append(to, '"'), value...), '"')
}

// isBare reports whether a value is a number or bool.
func isBare(value []byte) bool {
	if string(value) == "true" || string(value) == "false" {
		return true
	}
	return len(value) > 0 && (value[0] == '-' || '0' <= value[0] && value[0] <= '9')
}

func canonical(members object, value func(compact []byte) []byte) []byte {
	var form bytes.Buffer
	form.WriteByte('{')
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if isNull(members[name]) {
			continue
		}
		if form.Len() > 1 {
			form.WriteByte(',')
		}
		form.Write(appendString(nil, name))
		form.WriteByte(':')
		var compact bytes.Buffer
		// A member was read by encoding/json already, so compacting it can't fail.
		_ = json.Compact(&compact, members[name])
		form.Write(value(compact.Bytes()))
	}
	form.WriteByte('}')
	return form.Bytes()
}

// rewriteStrings writes every string of valid compact JSON anew and leaves the rest, numbers above all, as it is.
func rewriteStrings(compact []byte) []byte {
	written := make([]byte, 0, len(compact))
	for at := 0; at < len(compact); {
		if compact[at] != '"' {
			written = append(written, compact[at])
			at++
			continue
		}
		end := endOfString(compact, at)
		var text string
		// A string of valid JSON can't fail.
		_ = json.Unmarshal(compact[at:end], &text)
		written = appendString(written, text)
		at = end
	}
	return written
}

// endOfString is the index after the string that begins at start.
func endOfString(compact []byte, start int) int {
	for at := start + 1; at < len(compact); at++ {
		switch compact[at] {
		case '\\':
			at++
		case '"':
			return at + 1
		}
	}
	return len(compact)
}

// appendString writes a JSON string as Jackson does: it escapes what it must and nothing else. encoding/json would also
// escape <, >, & or the line separators, and the signature would differ.
func appendString(to []byte, text string) []byte {
	const upperHex = "0123456789ABCDEF"
	to = append(to, '"')
	for i := range len(text) {
		switch b := text[i]; b {
		case '"', '\\':
			to = append(to, '\\', b)
		case '\b':
			to = append(to, '\\', 'b')
		case '\t':
			to = append(to, '\\', 't')
		case '\n':
			to = append(to, '\\', 'n')
		case '\f':
			to = append(to, '\\', 'f')
		case '\r':
			to = append(to, '\\', 'r')
		default:
			if b < 0x20 {
				to = append(to, '\\', 'u', '0', '0', upperHex[b>>4], upperHex[b&0xF])
			} else {
				to = append(to, b)
			}
		}
	}
	return append(to, '"')
}
