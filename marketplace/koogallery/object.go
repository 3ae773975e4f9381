package koogallery

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

// object is a JSON object whose members are not interpreted yet. Names are compared exactly, case included.
type object map[string]json.RawMessage

// maxMembers bounds the work for a body that nobody signed. Real ones have up to ten members.
const maxMembers = 128

// byteOrderMarks are those of UTF-8 and UTF-16.
var byteOrderMarks = [][]byte{{0xEF, 0xBB, 0xBF}, {0xFE, 0xFF}, {0xFF, 0xFE}}

// parseBody reads a body that has to be one JSON object in UTF-8. It is stricter than encoding/json, which takes the last of
// two members of one name: a signature over the one and a decision over the other would not fit together.
func parseBody(body []byte) (object, error) { return parse(body, false) }

// parseKitBody reads a body of the Kit, whose printed examples have a field twice, and blanks inside the quotes of names
// (protocol page 8.2): both are taken as long as no two values of one field differ.
func parseKitBody(body []byte) (object, error) { return parse(body, true) }

func parse(body []byte, kit bool) (object, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, malformed("the body is empty, not a JSON object")
	}
	for _, mark := range byteOrderMarks {
		if bytes.HasPrefix(body, mark) {
			return nil, malformed("the body begins with a byte order mark: it must be UTF-8 without one")
		}
	}
	if !utf8.Valid(body) {
		return nil, malformed("the body is not UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	members, err := parseMembers(decoder, kit)
	if err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, malformed("the body has data after its JSON object")
	}
	return members, nil
}

func parseMembers(decoder *json.Decoder, kit bool) (object, error) {
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return nil, malformed("the body is not a JSON object")
	}
	members := object{}
	for decoder.More() {
		token, err := decoder.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return nil, malformed("the body is not JSON")
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, malformed("the body is not JSON")
		}
		if kit {
			name = strings.TrimSpace(name)
		}
		if former, repeated := members[name]; repeated && (!kit || !bytes.Equal(former, value)) {
			return nil, malformed("the body repeats the field %s", printable(name))
		}
		members[name] = value
		if len(members) > maxMembers {
			return nil, malformed("the body has more than %d fields", maxMembers)
		}
	}
	if _, err := decoder.Token(); err != nil {
		return nil, malformed("the body is not JSON")
	}
	return members, nil
}

// malformed makes an error that wraps ErrMalformed.
func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", marketplace.ErrMalformed, fmt.Sprintf(format, args...))
}

// printable quotes a text of the caller for a message: without control characters, which would break a log line, and short.
func printable(text string) string {
	const maxRunes = 40
	shown := make([]rune, 0, maxRunes)
	for _, r := range text {
		if !unicode.IsPrint(r) {
			continue
		}
		if len(shown) == maxRunes {
			return `"` + string(shown) + `..."`
		}
		shown = append(shown, r)
	}
	return `"` + strings.ReplaceAll(string(shown), `"`, `'`) + `"`
}

func isNull(raw json.RawMessage) bool {
	return raw == nil || string(raw) == "null"
}
