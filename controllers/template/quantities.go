package template

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// maxExponentDigits is how many digits the negative exponent of a text may have that could be a quantity.
const maxExponentDigits = 3

// checkExponents refuses texts such as 1E-2147483647. Whoever reads one as a quantity, as a request for CPU, computes for hours: here, in
// the API server, and in every client. The error names the field.
func checkExponents(path string, v any) error {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if err := checkExponents(path+"."+key, v[key]); err != nil {
				return err
			}
		}
	case []any:
		for i, item := range v {
			if err := checkExponents(path+"["+strconv.Itoa(i)+"]", item); err != nil {
				return err
			}
		}
	case string:
		if endlessQuantity(v) {
			return fmt.Errorf("%s is a number with a negative exponent of more than %d digits; write it without an exponent, such as 500m",
				strings.TrimPrefix(path, "."), maxExponentDigits)
		}
	}
	return nil
}

// endlessQuantity reports whether a text is a number with a long negative exponent, and nothing else.
func endlessQuantity(text string) bool {
	at := strings.IndexAny(text, "eE")
	if at < 1 || len(text)-at-2 <= maxExponentDigits || text[at+1] != '-' {
		return false
	}
	return strings.Trim(text[:at], "+-.0123456789") == "" && strings.Trim(text[at+2:], "0123456789") == ""
}
