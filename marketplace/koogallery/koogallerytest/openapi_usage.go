package koogallerytest

import (
	"bytes"
	"cmp"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/openapi"
)

const (
	// pushedUsagePath lists what was accepted.
	pushedUsagePath = "/usage"
	// usagePushesPath lists the pushes with what was answered.
	usagePushesPath = "/usage/pushes"
	// maxPushes is how many pushes are remembered.
	maxPushes = 1000
)

// usageTime is the layout of a record's times, in UTC (protocol page 4.3).
const usageTime = "20060102T150405Z"

// UsageRepeats is what happens to a usage record whose metering_sn came before. What the real API does is not documented.
type UsageRepeats string

const (
	// RepeatsIgnored: it is answered with success and counts once.
	RepeatsIgnored UsageRepeats = ""
	// RepeatsRefused: the push is refused with MKT.0101.
	RepeatsRefused UsageRepeats = "Refused"
	// RepeatsCounted: it is charged again.
	RepeatsCounted UsageRepeats = "Counted"
)

// PushedUsage is a usage record that the fake accepted (protocol page 4.3, 4.4).
type PushedUsage struct {
	InstanceID        string `json:"instance_id"`
	ProductID         string `json:"product_id,omitempty"`
	MeteringSN        string `json:"metering_sn,omitempty"`
	RelatePkgInstance string `json:"relate_pkg_instance,omitempty"`
	RecordTime        string `json:"record_time"`
	BeginTime         string `json:"begin_time"`
	EndTime           string `json:"end_time"`
	// UsageValue is the JSON that was sent: a string or a number.
	UsageValue json.RawMessage `json:"usage_value"`
}

// UsagePush is one push with its answer.
type UsagePush struct {
	// At is when it arrived.
	At time.Time `json:"at"`
	// Old is true for a push by the old API.
	Old bool `json:"old,omitempty"`
	// Code is what was answered, such as "MKT.0000".
	Code string `json:"code"`
	// Records are what was pushed, also of a refused push; nil when it could not be read.
	Records []PushedUsage `json:"records"`
	// Verdicts are what each record would have been answered alone, "MKT.0000" for a good one.
	Verdicts []string `json:"verdicts"`
	// Repeated are the indices of the records whose metering_sn was accepted before.
	Repeated []int `json:"repeated,omitempty"`
}

// Pushes are the last pushes, in the order of arrival.
func (o *OpenAPI) Pushes() []UsagePush {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]UsagePush{}, o.pushes...)
}

// remember keeps a push; the caller holds the lock.
func (o *OpenAPI) remember(push UsagePush, code string) {
	push.At, push.Code = o.options.Clock().UTC(), code
	o.pushes = append(o.pushes, push)
	if len(o.pushes) > maxPushes {
		o.pushes = o.pushes[len(o.pushes)-maxPushes:]
	}
}

// Usage is what was accepted by both usage pushes, in the order of arrival.
func (o *OpenAPI) Usage() []PushedUsage {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]PushedUsage{}, o.usage...)
}

// RefuseUsage makes pushes that hold a record of the instance fail with the code, such as "MKT.9001"; "" ends that.
func (o *OpenAPI) RefuseUsage(instanceID, code string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.refusals[instanceID] = code
}

// pushUsage answers the new usage push (protocol page 4.3).
func (o *OpenAPI) pushUsage(r *http.Request, body []byte) (status int, answer map[string]any) {
	if !o.usageSigned(r.Header, body) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.remember(UsagePush{}, "MKT.0102")
		return usageResult("MKT.0102")
	}
	return o.takeUsage(body, false, func(record PushedUsage) bool {
		return record.ProductID == "" && record.MeteringSN != "" && len(record.MeteringSN) <= maxID
	})
}

// pushUsageOld answers the old usage push (protocol page 4.4).
func (o *OpenAPI) pushUsageOld(_ *http.Request, body []byte) (status int, answer map[string]any) {
	return o.takeUsage(body, true, func(record PushedUsage) bool {
		return record.MeteringSN == "" && record.ProductID != "" && len(record.ProductID) <= maxID
	})
}

// usageSigned checks the signature over the body in both readings of "natural order": as it came, and with its keys sorted.
// The time has to be that of the call in milliseconds, and a nonce counts once.
func (o *OpenAPI) usageSigned(header http.Header, body []byte) bool {
	timestamp, nonce := header.Get(openapi.HeaderTimestamp), header.Get(openapi.HeaderNonce)
	millis, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || o.options.Clock().Sub(time.UnixMilli(millis)).Abs() > maxClockSkew {
		return false
	}
	o.mu.Lock()
	repeated := o.nonces[nonce]
	o.nonces[nonce] = true
	o.mu.Unlock()
	if o.options.AccessKey == "" || nonce == "" || len(nonce) > maxID || repeated {
		return false
	}
	wanted := openapi.SignUsage(o.options.AccessKey, timestamp, nonce, body)
	given := header.Get(openapi.HeaderSignature)
	return subtle.ConstantTimeCompare([]byte(given), []byte(wanted)) == 1 && bytes.Equal(body, sorted(body))
}

// sorted is JSON written anew with the keys of every object in ascending order, numbers as they are, and nothing escaped that
// need not be.
func sorted(body []byte) []byte {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var value any
	if decoder.Decode(&value) != nil {
		return nil
	}
	var written bytes.Buffer
	encoder := json.NewEncoder(&written)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(value) != nil {
		return nil
	}
	return bytes.TrimRight(written.Bytes(), "\n")
}

// takeUsage records what was pushed, or nothing of it; own says whether a record has the members of this push.
func (o *OpenAPI) takeUsage(body []byte, old bool, own func(PushedUsage) bool) (status int, answer map[string]any) {
	records, ok := readUsage(body)
	o.mu.Lock()
	defer o.mu.Unlock()
	push := UsagePush{Old: old, Records: records}
	answered := "MKT.0000"
	defer func() { o.remember(push, answered) }()
	switch {
	case !ok || len(records) == 0:
		answered = "MKT.0101"
		return usageResult(answered)
	case len(records) > openapi.MaxUsageRecords:
		answered = "MKT.9003"
		return usageResult(answered)
	}
	seen := map[string]bool{}
	for _, earlier := range o.usage {
		seen[earlier.MeteringSN] = true
	}
	accepted, refused := []PushedUsage{}, ""
	for i, record := range records {
		repeated := record.MeteringSN != "" && seen[record.MeteringSN]
		seen[record.MeteringSN] = true
		code := o.usageCode(record, own(record), repeated)
		push.Verdicts = append(push.Verdicts, cmp.Or(code, "MKT.0000"))
		if repeated {
			push.Repeated = append(push.Repeated, i)
		}
		switch {
		case code != "" && refused == "":
			refused = code
		case code == "" && (!repeated || o.options.UsageRepeats == RepeatsCounted):
			accepted = append(accepted, record)
		}
	}
	if refused == "" || o.options.UsagePartly {
		o.usage = append(o.usage, accepted...)
	}
	answered = cmp.Or(refused, answered)
	return usageResult(answered)
}

// readUsage reads a body that has the members of records and no others.
func readUsage(body []byte) (records []PushedUsage, ok bool) {
	var pushed struct {
		UsageRecords []PushedUsage `json:"usage_records"`
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&pushed) != nil {
		return nil, false
	}
	_, err := decoder.Token()
	return pushed.UsageRecords, errors.Is(err, io.EOF)
}

// usageForm is what a usage_value can be in JSON: at most 4 decimals.
var usageForm = regexp.MustCompile(`^("?)[0-9]{1,19}(\.[0-9]{1,4})?("?)$`)

// usageCode is why a record is refused; empty when it is not.
func (o *OpenAPI) usageCode(record PushedUsage, own, repeated bool) string {
	begin, err1 := time.Parse(usageTime, record.BeginTime)
	end, err2 := time.Parse(usageTime, record.EndTime)
	_, err3 := time.Parse(usageTime, record.RecordTime)
	value := string(record.UsageValue)
	match := usageForm.FindStringSubmatch(value)
	switch {
	case err1 != nil || err2 != nil || err3 != nil || !begin.Before(end),
		record.InstanceID == "" || len(record.InstanceID) > maxID || len(record.RelatePkgInstance) > maxID || !own:
		return "MKT.0199"
	case match == nil || match[1] != match[3] || strings.Trim(value, `"0.`) == "" || len(strings.Trim(value, `"`)) > 20:
		return "MKT.0100"
	case o.options.Clock().Sub(begin) > openapi.MaxUsageAge:
		return "MKT.9004"
	case repeated && o.options.UsageRepeats == RepeatsRefused:
		return "MKT.0101"
	}
	return o.refusals[record.InstanceID]
}

// usageStatus are the documented statuses of the codes (protocol page 12.6); others have 500.
var usageStatus = map[string]int{
	"MKT.0000": http.StatusOK,
	"MKT.0101": http.StatusBadRequest, "MKT.0102": http.StatusBadRequest, "MKT.0199": http.StatusBadRequest,
	"MKT.0150": http.StatusUnauthorized, "MKT.0151": http.StatusUnauthorized, "MKT.0154": http.StatusUnauthorized,
}

func usageResult(code string) (status int, answer map[string]any) {
	status, ok := usageStatus[code]
	if !ok {
		status = http.StatusInternalServerError
	}
	return status, result(PushUsage, code)
}
