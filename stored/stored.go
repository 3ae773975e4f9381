// Package stored decodes the JSON that Stallkeeper keeps in its own Secrets and ControllerRevisions, whoever may have changed it since: a
// holder of one process's token must not end another process by what it writes there. JSON of a megabyte can become hundreds of megabytes
// of Go values, so its parts are counted before there is memory for them.
package stored

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
)

// ErrUnreadable quotes nothing of what could not be read.
var ErrUnreadable = errors.New("the content is not in the format of this version of Stallkeeper")

// Decode decodes JSON that has at most so many members and elements, in all. What stands under a member of one of the names in raw is
// not counted: into has a json.RawMessage there, or nothing.
func Decode(data []byte, into any, parts int, raw ...string) error {
	if !inParts(data, parts, raw) || json.Unmarshal(data, into) != nil {
		return ErrUnreadable
	}
	return nil
}

// inParts counts the commas outside of texts. What it says of broken JSON means nothing.
func inParts(data []byte, most int, raw []string) bool {
	depth, uncounted := 0, 0 // uncounted is the depth at which the member stands whose value is not counted
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			text := textAt(data[i+1:])
			i += len(text) + 1
			if uncounted == 0 && slices.Contains(raw, string(text)) && isName(data[min(i+1, len(data)):]) {
				uncounted = depth
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < uncounted {
				uncounted = 0
			}
		case ',':
			if uncounted > 0 && depth > uncounted {
				continue
			}
			uncounted = 0
			if most--; most < 0 {
				return false
			}
		}
	}
	return true
}

// Parts counts what JSON needs memory for as maps and lists: its members and elements, and those themselves.
func Parts(data []byte) (parts int) {
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			i += len(textAt(data[i+1:])) + 1
		case ',', '{', '[':
			parts++
		}
	}
	return parts
}

// textAt is what stands before the quotation mark that ends a text, as it is written; all where none does.
func textAt(data []byte) []byte {
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++ // what is escaped ends no text
		case '"':
			return data[:i]
		}
	}
	return data
}

// isName says whether a text is a member's name by what follows it.
func isName(after []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(after, " \t\r\n"), []byte{':'})
}
