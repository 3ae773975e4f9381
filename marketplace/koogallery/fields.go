package koogallery

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
)

// Lengths of the request's fields in characters (protocol page 3.5 to 3.11).
const (
	maxID       = 64
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
type fields struct {
	members object
	// key decrypts sensitive fields; nil where there are none.
	key []byte
	err error
}

// required reads a text that must be there and not be blank.
func (f *fields) required(name string, maxLength int) string {
	text := f.optional(name, maxLength)
	if f.err == nil && text == "" {
		f.fail("%s is missing", name)
	}
	return text
}

// optional reads a text that may be missing, null or blank, which are all the empty text.
func (f *fields) optional(name string, maxLength int) string {
	text := f.text(name)
	if f.err != nil || strings.TrimSpace(text) == "" {
		return ""
	}
	if length(text) > maxLength {
		f.fail("%s has more than %d characters", name, maxLength)
		return ""
	}
	if strings.ContainsFunc(text, unicode.IsControl) {
		f.fail("%s contains control characters", name)
		return ""
	}
	return text
}

// text reads a string of any length.
func (f *fields) text(name string) string {
	raw := f.members[name]
	if f.err != nil || isNull(raw) {
		return ""
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		f.fail("%s must be a string", name)
	}
	return text
}

func (f *fields) fail(format string, args ...any) {
	if f.err == nil {
		f.err = malformed(format, args...)
	}
}

// test reads testFlag: a debug call has exactly 1, as text or as a number (protocol page 13). Anything else is a real call.
func (f *fields) test() bool {
	flag := string(f.members["testFlag"])
	return flag == `"1"` || flag == "1"
}

// ids reads the instances of a query, without repeats: one id or several joined with commas. The documented length of the
// whole list can't hold what it documents, so only the number of ids and each of them are bounded (protocol page 13).
func (f *fields) ids(name string) []string {
	list := f.text(name)
	if f.err == nil && strings.TrimSpace(list) == "" {
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
			f.fail("%s has an empty id in its list", name)
		case length(id) > maxID:
			f.fail("%s has an id of more than %d characters", name, maxID)
		case strings.ContainsFunc(id, unicode.IsControl):
			f.fail("%s contains control characters", name)
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

// expireTime reads the new end of the paid period.
func (f *fields) expireTime() time.Time {
	f.required("expireTime", 20)
	return f.utcTime("expireTime")
}

// utcTime reads a time that may be missing, which is the zero time.
func (f *fields) utcTime(name string) time.Time {
	text := f.optional(name, 20)
	if f.err != nil || text == "" {
		return time.Time{}
	}
	at, ok := parseUTC(text)
	if !ok {
		f.fail("%s must be a UTC time of 14 digits (yyyyMMddHHmmss) or 17 (with milliseconds)", name)
	}
	return at
}

// parseUTC reads 14 digits, or 17 with milliseconds: both are in use (protocol page 3.7).
func parseUTC(text string) (time.Time, bool) {
	const seconds = 14
	if (len(text) != seconds && len(text) != seconds+3) || strings.Trim(text, "0123456789") != "" {
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
	if json.Unmarshal(list[0], &info.members) != nil {
		f.fail("productInfo must be an object, an array with one object, or a string with such JSON in it")
		return product{}
	}
	target := product{info.looseText("productId"), info.looseText("skuCode"), info.linearValue("linearValue")}
	if info.err != nil {
		f.err = info.err
	}
	return target
}

// looseText reads a text that may stand there as a number.
func (f *fields) looseText(name string) string {
	var number json.Number
	raw := f.members[name]
	if isNull(raw) || raw[0] == '"' || len(raw) > maxID || json.Unmarshal(raw, &number) != nil {
		return f.optional(name, maxID)
	}
	return number.String()
}

// linearValue reads a quantity, a number or a text; nil when there is none.
func (f *fields) linearValue(name string) *int32 {
	text := f.looseText(name)
	if text == "" || f.err != nil {
		return nil
	}
	number, err := strconv.ParseInt(text, 10, 32)
	if err != nil || number < 0 || number > maxLinearValue {
		f.fail("%s must be a whole number from 0 to %d", name, maxLinearValue)
		return nil
	}
	quantity := int32(number)
	return &quantity
}

// length counts characters as KooGallery's Java does: those beyond the basic plane are two.
func length(text string) int {
	count := 0
	for _, r := range text {
		count += utf16.RuneLen(r)
	}
	return count
}
