package metering

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Amount is an amount of use, in ten-thousandths of a meter's unit: sums of it are exact.
type Amount int64

const (
	// scale is the number of ten-thousandths in one.
	scale    = 10_000
	decimals = 4
	// One is one unit.
	One Amount = scale
	// MaxAmount is the largest amount that one record can hold: 8 digits before the point (protocol page 4.3).
	MaxAmount Amount = 99_999_999_9999
)

var errAmount = errors.New(`it must be a decimal number such as "12.5", with at most 4 decimal places`)

// ParseAmount reads a decimal number that is not negative, with at most 4 decimals.
func ParseAmount(text string) (Amount, error) {
	whole, fraction, pointed := strings.Cut(text, ".")
	if whole == "" || (pointed && fraction == "") || len(fraction) > decimals || strings.Trim(whole+fraction, "0123456789") != "" {
		return 0, errAmount
	}
	value, err := strconv.ParseInt(whole+fraction+strings.Repeat("0", decimals-len(fraction)), 10, 64)
	if err != nil {
		return 0, errAmount
	}
	return Amount(value), nil
}

// Measured reads what a source answered: any number that is not negative and fits into a record. It is rounded to 4 decimals.
func Measured(text string) (Amount, error) {
	value, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil || math.IsNaN(value):
		return 0, errors.New("it is not a number")
	case value < 0:
		return 0, errors.New("it is negative")
	case value > float64(MaxAmount)/scale:
		return 0, fmt.Errorf("it is above %s", MaxAmount)
	}
	if exact, err := ParseAmount(text); err == nil && exact <= MaxAmount {
		return exact, nil
	}
	return min(Amount(math.Round(value*scale)), MaxAmount), nil
}

// String writes the number without zeros that mean nothing.
func (a Amount) String() string {
	whole, fraction := a/scale, a%scale
	if fraction == 0 {
		return strconv.FormatInt(int64(whole), 10)
	}
	return strings.TrimRight(fmt.Sprintf("%d.%04d", whole, fraction), "0")
}

// Times is the amount so many times, at most what an Amount can hold.
func (a Amount) Times(n int32) Amount {
	if n <= 0 || a <= 0 {
		return 0
	}
	if a > math.MaxInt64/Amount(n) {
		return math.MaxInt64
	}
	return a * Amount(n)
}
