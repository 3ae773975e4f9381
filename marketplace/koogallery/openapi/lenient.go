package openapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/internal/exact"
)

// text reads a string, a number or a bool as its text, an object or array as its JSON, and null as nothing.
type text string

func (t *text) UnmarshalJSON(raw []byte) error {
	var plain string
	switch {
	case string(raw) == "null":
		*t = ""
	case json.Unmarshal(raw, &plain) == nil:
		*t = text(plain)
	default:
		*t = text(raw)
	}
	return nil
}

// integer reads a whole number that is not negative, also one written with a fraction of zero.
func (t text) integer() (int32, bool) {
	whole, fraction, _ := strings.Cut(strings.TrimSpace(string(t)), ".")
	number, err := strconv.ParseInt(whole, 10, 32)
	if err != nil || number < 0 || strings.Trim(fraction, "0") != "" {
		return 0, false
	}
	return int32(number), true
}

// time reads yyyyMMddHHmmss, with milliseconds or without, and with the marks of ISO 8601 or without; as UTC. Zero when it is
// something else.
func (t text) time() time.Time {
	digits := strings.NewReplacer("-", "", "T", "", ":", "", "Z", "", ".", "", " ", "").Replace(string(t))
	const seconds, millis = 14, 17
	if (len(digits) != seconds && len(digits) != millis) || strings.Trim(digits, "0123456789") != "" {
		return time.Time{}
	}
	at, err := time.Parse("20060102150405", digits[:seconds])
	if err != nil {
		return time.Time{}
	}
	ms, _ := strconv.Atoi("0" + digits[seconds:])
	return at.Add(time.Duration(ms) * time.Millisecond)
}

// maxElements is how many elements or members an answer may have in one place: each costs more to look at than to write, and
// real ones have up to 100.
const maxElements = 500

// list reads an array, its only element without the array around it, or either as JSON in a string. Elements that are no
// objects are left out.
type list[T any] []T

func (l *list[T]) UnmarshalJSON(raw []byte) error {
	read, err := elements[T](raw, false)
	*l = read
	return err
}

// spare is a list that a sale does not need: what can't be read of it is left out, and it is cut where it is too long.
type spare[T any] []T

func (s *spare[T]) UnmarshalJSON(raw []byte) error {
	read, err := elements[T](raw, true)
	*s = read
	return err
}

// elements are the objects of a list; with cuts, those that can be read.
func elements[T any](raw []byte, cuts bool) ([]T, error) {
	raw = unquote(raw)
	var found []json.RawMessage
	if json.Unmarshal(raw, &found) != nil {
		found = []json.RawMessage{raw}
	}
	if len(found) > maxElements {
		if !cuts {
			return nil, fmt.Errorf("an array has more than %d elements", maxElements)
		}
		found = found[:maxElements]
	}
	var read []T
	for _, element := range found {
		if !bytes.HasPrefix(element, []byte("{")) {
			continue
		}
		var value T
		if err := exact.Unmarshal(element, &value); err != nil {
			if cuts {
				continue
			}
			// What an object with a member twice says is not known.
			return nil, errors.New("an element is ambiguous")
		}
		read = append(read, value)
	}
	return read, nil
}

// unquote takes JSON out of a string that holds it.
func unquote(raw []byte) []byte {
	var quoted string
	if json.Unmarshal(raw, &quoted) == nil && quoted != "" {
		return bytes.TrimSpace([]byte(quoted))
	}
	return raw
}
