package koogallery

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/internal/exact"
)

// Lengths of the request's fields in characters (protocol page 3.5 to 3.11).
const (
	maxID = 64
	// longestID is how long an id may be that a sale is known by: as long as it can be stored, and not only as long as documented, because a
	// purchase that is refused is lost (docs/decisions/0034).
	longestID   = 256
	maxActivity = 32
	maxScene    = 64
	maxStatus   = 32
	// maxQueryIDs is how many instances one query may ask about.
	maxQueryIDs = 100
	// maxLinearValue is the largest quantity: seven digits (protocol page 13).
	maxLinearValue = 9_999_999
	// earliestYear is the first year that a time may have: dates before this century would be misread ones.
	earliestYear = 2000
)

// fields reads the members of a body, or the parameters of a query as if they were one. The first error stays in err and makes
// all later reads empty, so that a decoder reads like the table of the protocol page.
//
// Only what an activity needs can fail it: a purchase that is refused is lost after three hours (protocol page 2.1). All else is
// cut or left out where it can't be read, and its name noted.
type fields struct {
	members object
	// key decrypts sensitive fields; nil where there are none.
	key []byte
	// sentAt is the call's own time; zero when it has none.
	sentAt time.Time
	// notes are the names of the fields of which something was cut or left out.
	notes []string
	err   error
}

// maxNotes bounds the notes of a call.
const maxNotes = 16

// note remembers that something of a field is lost.
func (f *fields) note(name string) {
	if len(f.notes) < maxNotes && !slices.Contains(f.notes, name) {
		f.notes = append(f.notes, name)
	}
}

// required reads a text that the activity needs: it must be there, not be blank, and be as it can be stored.
func (f *fields) required(name string, maxLength int) string {
	text, ok := f.scalar(name)
	switch {
	case f.err != nil:
	case !ok:
		f.fail("%s must be a string", name)
	case strings.TrimSpace(text) == "":
		f.fail("%s is missing", name)
	case length(text) > maxLength:
		f.fail("%s has more than %d characters", name, maxLength)
	case !storable(text):
		f.fail("%s contains control characters or invalid UTF-8", name)
	default:
		return text
	}
	return ""
}

// id reads an id that the activity can do without. One that is not as it can be stored is no id, and is left out.
func (f *fields) id(name string, maxLength int) string {
	text, ok := f.scalar(name)
	if ok && strings.TrimSpace(text) == "" {
		return ""
	}
	if !ok || length(text) > maxLength || !storable(text) {
		f.note(name)
		return ""
	}
	return text
}

// short reads a text that the activity can do without: what can't stand in a line is dropped, and what is too long is cut.
func (f *fields) short(name string, maxLength int) string {
	text, ok := f.scalar(name)
	if !ok {
		f.note(name)
		return ""
	}
	kept := cut(strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, text)), maxLength)
	if kept != strings.TrimSpace(text) {
		f.note(name)
	}
	return kept
}

// scalar reads a text, or a number or bool as it is written; what is missing or null is empty. ok is false for anything else.
func (f *fields) scalar(name string) (text string, ok bool) {
	raw := f.members[name]
	switch {
	case f.err != nil || isNull(raw):
		return "", true
	case raw[0] == '{' || raw[0] == '[':
		return "", false
	case raw[0] != '"':
		return string(raw), true
	}
	return text, json.Unmarshal(raw, &text) == nil
}

// text reads a string of any length.
func (f *fields) text(name string) string {
	text, _ := f.scalar(name)
	return text
}

// storable reports whether a text can be an id: without control characters, and without what stands for characters that are none, for
// which two ids could be the same.
func storable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError })
}

func (f *fields) fail(format string, args ...any) {
	if f.err == nil {
		f.err = malformed(format, args...)
	}
}

// test reads testFlag: a debug call has exactly 1, as text or as a number (protocol page 13). Anything else is a real call. It is the text
// that counts, and not how it is escaped: a signature may be over another way to write it, and a captured debug call would become a real one.
func (f *fields) test() bool {
	flag, ok := f.scalar("testFlag")
	return ok && flag == "1"
}

// ids reads the instances of a query, without repeats: one id or several joined with commas. The documented length of the
// whole list can't hold what it documents, so only the number of ids and each of them are bounded (protocol page 13).
func (f *fields) ids(name string) []string {
	list, ok := f.scalar(name)
	switch {
	case f.err != nil:
	case !ok:
		f.fail("%s must be a string", name)
	case strings.TrimSpace(list) == "":
		f.fail("%s is missing", name)
	}
	if f.err != nil {
		return nil
	}
	if strings.Count(list, ",") >= maxQueryIDs {
		f.fail("%s names more than %d instances", name, maxQueryIDs)
		return nil
	}
	var ids []string
	seen := map[string]bool{}
	for id := range strings.SplitSeq(list, ",") {
		id = strings.TrimSpace(id)
		switch {
		case id == "":
			f.fail("%s contains an empty id", name)
		case length(id) > longestID:
			f.fail("%s contains an id of more than %d characters", name, longestID)
		case !storable(id):
			f.fail("%s contains control characters or invalid UTF-8", name)
		case !seen[id]:
			seen[id] = true
			ids = append(ids, id)
		}
	}
	if f.err != nil {
		return nil
	}
	return ids
}

// expireTime reads the new end of the paid period. Calls of SaaS V1.0 seem to mean UTC+8, and no page says so: read as UTC it is
// eight hours later at most, which takes nothing away (protocol page 16).
func (f *fields) expireTime() time.Time {
	text := f.required("expireTime", maxTimeText)
	if f.err != nil {
		return time.Time{}
	}
	at, ok := parseUTC(text)
	if !ok {
		f.fail("expireTime must be a UTC time of 14 digits (yyyyMMddHHmmss) or 17 (with milliseconds)")
	}
	return at
}

// time reads a time that the activity can do without; zero when it is missing or can't be read.
func (f *fields) time(name string) time.Time {
	text := f.text(name)
	at, ok := parseUTC(text)
	if !ok && strings.TrimSpace(text) != "" || !isScalar(f.members[name]) {
		f.note(name)
	}
	return at
}

func isScalar(raw json.RawMessage) bool { return len(raw) == 0 || raw[0] != '{' && raw[0] != '[' }

// parseUTC reads 14 digits, and up to three more of milliseconds: 14 and 17 are in use (protocol page 3.7), and the Kit's example has
// 15, which Java reads as a number of milliseconds (16).
func parseUTC(text string) (time.Time, bool) {
	const seconds = 14
	if len(text) < seconds || len(text) > seconds+3 || strings.Trim(text, "0123456789") != "" {
		return time.Time{}, false
	}
	at, err := time.Parse("20060102150405", text[:seconds])
	if err != nil || at.Year() < earliestYear {
		return time.Time{}, false
	}
	millis, _ := strconv.Atoi("0" + text[seconds:])
	return at.Add(time.Duration(millis) * time.Millisecond), true
}

// product is the target of a changeInstanceCheck.
type product struct {
	productID, skuCode string
	quantity           *int32
}

// productInfo reads the target product, whose type no page defines (protocol page 3.11): an object, an array with one
// object, or a string with either in it. The printed example lacks it, so a missing one is no mistake.
func (f *fields) productInfo() product {
	raw := f.members["productInfo"]
	var text string
	if !isNull(raw) && json.Unmarshal(raw, &text) == nil {
		raw = json.RawMessage(text)
	}
	if f.err != nil || isNull(raw) || strings.TrimSpace(string(raw)) == "" {
		return product{}
	}
	// The elements are not read before it is known that there is one: a list of thousands would cost thousands of maps.
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		list = []json.RawMessage{raw}
	}
	if len(list) > 1 {
		f.fail("productInfo has more than one product")
	}
	if f.err != nil || len(list) == 0 {
		return product{}
	}
	info := fields{}
	if exact.Unmarshal(list[0], &info.members) != nil {
		f.fail("productInfo must be an object, an array with one object, or a string containing such JSON, without duplicate members")
		return product{}
	}
	target := product{info.given("productId"), info.given("skuCode"), info.linearValue("linearValue")}
	if info.err != nil {
		f.err = info.err
	}
	return target
}

// given reads an id that may be missing and, where it is there, says what is meant.
func (f *fields) given(name string) string {
	if text, ok := f.scalar(name); ok && strings.TrimSpace(text) == "" {
		return ""
	}
	return f.required(name, longestID)
}

// linearValue reads a quantity, a number or a text; nil when there is none. What was paid for is never guessed, so it fails where it
// is there and can't be read.
func (f *fields) linearValue(name string) *int32 {
	text, ok := f.scalar(name)
	if text = strings.TrimSpace(text); ok && text == "" || f.err != nil {
		return nil
	}
	number, whole := wholeNumber(text)
	if !ok || !whole || number > maxLinearValue {
		f.fail("%s must be a whole number from 0 to %d", name, maxLinearValue)
		return nil
	}
	return &number
}

// wholeNumber reads a number from 0, also with zeros before it and a fraction of zero.
func wholeNumber(text string) (int32, bool) {
	whole, fraction, _ := strings.Cut(text, ".")
	if whole == "" || strings.Trim(whole, "0123456789") != "" || strings.Trim(fraction, "0") != "" {
		return 0, false
	}
	number, err := strconv.ParseInt(whole, 10, 32)
	return int32(number), err == nil
}

// length counts characters as KooGallery's Java does: those beyond the basic plane are two.
func length(text string) int {
	count := 0
	for _, r := range text {
		count += utf16.RuneLen(r)
	}
	return count
}
