// Package quantity parses quantities that somebody else has written, with a bound: whoever parses 1E-2147483647 or a million digits computes
// for hours or seconds. The API server does too, so that templates that have such a text are refused before it sees them. It is pure.
package quantity

import (
	"errors"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
)

const (
	// maxExponentDigits is how many digits an exponent may have: the power of ten is computed.
	maxExponentDigits = 3
	// maxDigits is how long the text of a number may be: longer ones take more than a millisecond.
	maxDigits = 10_000
	// maxParsed is how long a text may be that Parse takes. The largest quantity has 19 digits.
	maxParsed = 32
)

// ErrCostly quotes nothing: the text may be a megabyte.
var ErrCostly = errors.New("the text is too long for a quantity, or its exponent is")

// Parse is resource.ParseQuantity with a bound: what it returns can be compared and printed.
func Parse(text string) (resource.Quantity, error) {
	if exponent := exponentOf(text); len(text) > maxParsed || len(strings.TrimLeft(exponent, "+-")) > maxExponentDigits {
		return resource.Quantity{}, ErrCostly
	}
	return resource.ParseQuantity(text)
}

// Costly reports whether a text is a number, with a suffix or without, that takes long to parse as a quantity. A large exponent that is
// positive does not, and hashes of commits such as 12e45678901 look like it.
func Costly(text string) bool {
	digits, rest := cut(text)
	if negative, ok := strings.CutPrefix(exponentOf(text), "-"); ok && len(negative) > maxExponentDigits {
		return strings.Trim(negative, "0123456789") == ""
	}
	return digits > maxDigits && len(rest) <= len("e-")+maxExponentDigits
}

// exponentOf is what follows the e behind a number, with its sign; empty where there is none.
func exponentOf(text string) string {
	if digits, rest := cut(text); digits > 0 && rest != "" && (rest[0] == 'e' || rest[0] == 'E') {
		return rest[1:]
	}
	return ""
}

// cut is how long the number is that a text begins with, and what follows it.
func cut(text string) (digits int, rest string) {
	rest = strings.TrimLeft(text, "+-.0123456789")
	return len(text) - len(rest), rest
}
