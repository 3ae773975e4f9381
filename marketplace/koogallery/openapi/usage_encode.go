package openapi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// usageTime is the layout of a record's times, in UTC.
	usageTime = "20060102T150405Z"
	// maxUsageValue is the length of a value, maxUsageDecimals that of its fraction, and maxUsageWhole that of what stands
	// before the point of a Double(12,4) (protocol page 4.3).
	maxUsageValue    = 20
	maxUsageDecimals = 4
	maxUsageWhole    = 8
)

// usageForm is how records are written.
type usageForm struct {
	// old is the form of the old API (protocol page 4.4).
	old bool
	// asNumber writes values as JSON numbers.
	asNumber bool
	now      time.Time
}

// usageBody is the body of both pushes. Its members, and those of usageRecord, stand in ascending order: whoever sorts the body
// before they check its signature gets the same bytes (protocol page 4.3).
type usageBody struct {
	UsageRecords []usageRecord `json:"usage_records"`
}

type usageRecord struct {
	BeginTime         string          `json:"begin_time"`
	EndTime           string          `json:"end_time"`
	InstanceID        string          `json:"instance_id"`
	MeteringSN        string          `json:"metering_sn,omitempty"`
	ProductID         string          `json:"product_id,omitempty"`
	RecordTime        string          `json:"record_time"`
	RelatePkgInstance string          `json:"relate_pkg_instance,omitempty"`
	UsageValue        json.RawMessage `json:"usage_value"`
}

// encodeUsage writes the body of a push, or says which records can't be pushed.
func encodeUsage(o operation, records []UsageRecord, form usageForm) ([]byte, *Error) {
	if len(records) == 0 {
		return nil, o.refused(ErrInvalid, errors.New("there are no records"))
	}
	if len(records) > MaxUsageRecords {
		return nil, o.refused(ErrTooManyRecords, fmt.Errorf("%d of them", len(records)))
	}
	encoded, refused := form.encodeAll(o, records)
	if len(refused) > 0 {
		indices := slices.Sorted(maps.Keys(refused))
		failed := refused[indices[0]]
		failed.Entries = slices.DeleteFunc(indices, func(i int) bool { return refused[i].Kind != failed.Kind })
		return nil, failed
	}
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	// Escaping <, > and & would give other bytes than those of whoever writes the body anew to check its signature.
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(usageBody{encoded}); err != nil {
		return nil, o.refused(ErrInvalid, err)
	}
	return bytes.TrimRight(body.Bytes(), "\n"), nil
}

// encodeAll writes records, and says by index which of them can't be pushed.
func (f usageForm) encodeAll(o operation, records []UsageRecord) (encoded []usageRecord, refused map[int]*Error) {
	refused = map[int]*Error{}
	seen := map[string]bool{}
	for i, record := range records {
		written, problem, kind := f.encode(record)
		if problem == "" && !f.old && seen[record.MeteringSN] {
			problem, kind = "an earlier record has the same metering_sn", ErrInvalid
		}
		seen[record.MeteringSN] = true
		encoded = append(encoded, written)
		if problem != "" {
			refused[i] = o.refused(kind, fmt.Errorf("record %d, metering_sn %q: %s", i, shorten(record.MeteringSN), problem))
			refused[i].Entries = []int{i}
		}
	}
	return encoded, refused
}

// encode writes one record. problem says why it can't be pushed, and kind what that is; problem is empty when it can be.
func (f usageForm) encode(record UsageRecord) (encoded usageRecord, problem string, kind error) {
	encoded = usageRecord{
		BeginTime:         record.BeginsAt.UTC().Format(usageTime),
		EndTime:           record.EndsAt.UTC().Format(usageTime),
		InstanceID:        record.InstanceID,
		RecordTime:        record.RecordedAt.UTC().Format(usageTime),
		RelatePkgInstance: record.PackageInstanceID,
	}
	own, name := record.MeteringSN, "metering_sn"
	if f.old {
		own, name = record.ProductID, "product_id"
		encoded.ProductID = own
	} else {
		encoded.MeteringSN = own
	}
	value, err := usageValue(record.Value, f.asNumber)
	encoded.UsageValue = json.RawMessage(value)
	switch {
	case !isID(own):
		problem = fmt.Sprintf("%s must have 1 to %d characters", name, maxID)
	case !isID(record.InstanceID):
		problem = fmt.Sprintf("instance_id must have 1 to %d characters", maxID)
	case record.PackageInstanceID != "" && !isID(record.PackageInstanceID):
		problem = fmt.Sprintf("relate_pkg_instance must have at most %d characters", maxID)
	case err != nil:
		problem = "usage_value " + err.Error()
	case record.RecordedAt.IsZero() || record.BeginsAt.IsZero():
		problem = "record_time and begin_time must be set"
	case encoded.BeginTime >= encoded.EndTime:
		problem = "begin_time must be before end_time"
	case f.now.Sub(record.BeginsAt) > MaxUsageAge:
		return encoded, fmt.Sprintf("begin_time %s is more than %d days ago", encoded.BeginTime, int(MaxUsageAge.Hours()/24)), ErrTooOld
	}
	return encoded, problem, ErrInvalid
}

// usageValue writes a value as JSON. The digits are those of the text, without zeros that mean nothing: they never go through a
// floating-point number, which would round them.
func usageValue(text string, asNumber bool) (string, error) {
	whole, fraction, pointed := strings.Cut(text, ".")
	if whole == "" || (pointed && fraction == "") || strings.Trim(whole+fraction, "0123456789") != "" {
		return "", errors.New(`must be a decimal number such as "12.5"`)
	}
	whole, fraction = strings.TrimLeft(whole, "0"), strings.TrimRight(fraction, "0")
	if len(fraction) > maxUsageDecimals {
		return "", fmt.Errorf("must have at most %d decimals", maxUsageDecimals)
	}
	if whole == "" && fraction == "" {
		return "", errors.New("must be above 0")
	}
	if asNumber && len(whole) > maxUsageWhole {
		return "", fmt.Errorf("must have at most %d digits before the point", maxUsageWhole)
	}
	value := cmp.Or(whole, "0")
	if fraction != "" {
		value += "." + fraction
	}
	if len(value) > maxUsageValue {
		return "", fmt.Errorf("must have at most %d characters", maxUsageValue)
	}
	if asNumber {
		return value, nil
	}
	return `"` + value + `"`, nil
}

// isID reports whether a text can be an id: of 1 to maxID characters, all of them valid.
func isID(text string) bool {
	return text != "" && utf8.RuneCountInString(text) <= maxID && utf8.ValidString(text)
}

// shorten bounds a text of the caller for an error.
func shorten(text string) string {
	return text[:min(len(text), maxID)]
}
