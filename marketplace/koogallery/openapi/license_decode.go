package openapi

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/internal/exact"
)

// maxNesting is how deep licenses are looked for in an answer: data, a list in it, an element, its license_code_info.
const maxNesting = 4

// statusForm is what counts as the state of a license code; answers have other things of that name.
var statusForm = regexp.MustCompile(`^[A-Z][A-Z_]{0,31}$`)

// decodeLicenses finds what an answer tells of the codes, in their order. The shape of the batch's answer is not documented, so
// every object in "data" that has a status counts: with its code in it or as the name it stands under; alone, in an array or a
// map, or as JSON in a string. Only an answer about a single code may leave the code out.
func decodeLicenses(raw []byte, codes ...string) []License {
	var answer struct {
		Data json.RawMessage `json:"data"`
	}
	if exact.Unmarshal(raw, &answer) != nil {
		return nil
	}
	byCode := map[string]License{}
	search := licenseSearch{left: maxElements}
	for _, license := range search.find(answer.Data, "", maxNesting) {
		code := string(license.Code)
		if _, found := byCode[code]; !found {
			byCode[code] = license
		}
	}
	var found []License
	for _, code := range codes {
		license, ok := byCode[code]
		if unnamed, alone := byCode[""]; !ok && alone && len(codes) == 1 {
			license, ok = unnamed, true
		}
		if ok {
			license.Code = Confidential(code)
			found = append(found, license)
		}
	}
	return found
}

// licenseSearch looks for licenses in an answer. It looks at so many values as are left, in all.
type licenseSearch struct{ left int }

// find collects the licenses in a value that stands under a name.
func (s *licenseSearch) find(raw json.RawMessage, name string, depth int) []License {
	if s.left--; s.left < 0 {
		return nil
	}
	raw = unquote(raw)
	if depth == 0 || len(raw) == 0 {
		return nil
	}
	var found []License
	switch raw[0] {
	case '[':
		var elements []json.RawMessage
		if json.Unmarshal(raw, &elements) != nil {
			return nil
		}
		for _, element := range elements {
			found = append(found, s.find(element, "", depth-1)...)
		}
	case '{':
		var members map[string]json.RawMessage
		if exact.Unmarshal(raw, &members) != nil || len(members) > maxElements {
			return nil
		}
		if license, ok := decodeLicense(members, name); ok {
			return []License{license}
		}
		for _, member := range slices.Sorted(maps.Keys(members)) {
			under := member
			if member == "license_code_info" {
				under = ""
			}
			found = append(found, s.find(members[member], under, depth-1)...)
		}
	}
	return found
}

// decodeLicense reads one license; ok is false for an object without a state.
func decodeLicense(members map[string]json.RawMessage, name string) (license License, ok bool) {
	read := func(names ...string) text {
		for _, name := range names {
			var value text
			if json.Unmarshal(members[name], &value) == nil && value != "" {
				return value
			}
		}
		return ""
	}
	license = License{
		Code:        Confidential(read("license_code", "license", "licenseCode")),
		Status:      strings.ToUpper(strings.TrimSpace(string(read("status")))),
		ActivatedAt: read("activate_time", "activateTime").time(),
		ExpiresAt:   read("expire_time", "expireTime").time(),
		OrderID:     string(read("order_id", "orderId")),
		ProductID:   string(read("product_id", "productId")),
	}
	if license.Code == "" {
		license.Code = Confidential(name)
	}
	if amount, readable := read("amount").integer(); readable {
		license.Amount = &amount
	}
	return license, statusForm.MatchString(license.Status)
}
