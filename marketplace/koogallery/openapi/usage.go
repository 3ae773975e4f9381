package openapi

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

const (
	usagePath    = "/api/mkp-openapi-public/global/v1/isv/usage-data"
	oldUsagePath = "/rest/marketplace/v1/isv/usage-data"

	// MaxUsageRecords is the number of records that one push can hold (protocol page 4.3).
	MaxUsageRecords = 1000
	// MaxUsageAge is how long ago the interval of a record may have begun (protocol page 4.3).
	MaxUsageAge = 21 * 24 * time.Hour
)

// Headers of a signed push of usage (protocol page 4.3).
const (
	HeaderSignature = "signature"
	HeaderTimestamp = "ts"
	HeaderNonce     = "nonce"
)

// usageKinds are the codes of both usage pushes that are not common to all operations (protocol page 12.6).
var usageKinds = map[string]error{
	"0102": ErrSignature,
	"9001": ErrInstanceNotFound,
	"9002": ErrMeteredItem,
	"9003": ErrTooManyRecords,
	"9004": ErrTooOld,
}

var (
	usagePush    = operation{attempt: "pushing usage", success: []string{successSuffix}, kinds: usageKinds}
	oldUsagePush = operation{attempt: "pushing usage to the old API", success: []string{successSuffix}, kinds: usageKinds, once: true}
)

// UsageRecord is what one instance used in one interval (protocol page 4.3).
type UsageRecord struct {
	// MeteringSN is the record's own id, 1 to 64 characters. A record keeps it whenever it is pushed again, which is what
	// makes a repeat harmless. Not sent by PushUsageOld.
	MeteringSN string
	// InstanceID is the pay-per-use instance, 1 to 64 characters.
	InstanceID string
	// ProductID is the product of the instance, 1 to 64 characters. Sent by PushUsageOld only.
	ProductID string
	// PackageInstanceID is the package's instance to deduct from, up to 64 characters. It is mandatory for packages that stop
	// when they are used up, and empty otherwise.
	PackageInstanceID string
	// BeginsAt and EndsAt are the metered interval; RecordedAt is when the record was made. They are sent in whole seconds.
	BeginsAt, EndsAt, RecordedAt time.Time
	// Value is the amount in the unit of the metered item: a decimal number above 0 such as "12.5", with at most 4 decimals and
	// 20 characters; with Client.UsageAsNumber at most 8 digits before the point. It is never rounded.
	Value string
}

// PushUsage pushes 1 to MaxUsageRecords records (protocol page 4.3). All of them are accepted when it returns nil. Every error
// is an *Error. Wrong records are refused before anything is sent, with their indices in Entries. The API refuses a batch as
// a whole and names no record; whether it kept the others is not documented. Push them again with the same MeteringSN, or let
// PushUsageEach find those that are refused.
//
// What may pass by itself is tried up to four times, also when an earlier try may have arrived: the API knows a record again by
// its MeteringSN.
func (c *Client) PushUsage(ctx context.Context, records []UsageRecord) error {
	if failed := c.pushUsage(ctx, records); failed != nil {
		return failed
	}
	return nil
}

func (c *Client) pushUsage(ctx context.Context, records []UsageRecord) *Error {
	if c.AccessKey == "" {
		return usagePush.refused(ErrSignature, errors.New("the access key is empty"))
	}
	body, failed := encodeUsage(usagePush, records, c.usageForm())
	if failed != nil {
		return failed
	}
	headers := func(header http.Header, now time.Time) {
		timestamp, nonce := strconv.FormatInt(now.UnixMilli(), 10), c.newNonce()
		header.Set(HeaderTimestamp, timestamp)
		header.Set(HeaderNonce, nonce)
		header.Set(HeaderSignature, SignUsage(c.AccessKey, timestamp, nonce, body))
	}
	return c.postUsage(ctx, call{operation: usagePush, path: usagePath, body: body, headers: headers}, len(records))
}

// PushUsageOld pushes 1 to MaxUsageRecords records of products that use the old API (protocol page 4.4). Every error is an
// *Error. Its records carry no id of their own, so a push is made a second time only when the first had no effect for
// certain. Where Error.Uncertain is true the usage may be charged already: pushing it again may charge it twice.
func (c *Client) PushUsageOld(ctx context.Context, records []UsageRecord) error {
	form := c.usageForm()
	form.old = true
	body, failed := encodeUsage(oldUsagePush, records, form)
	if failed == nil {
		failed = c.postUsage(ctx, call{operation: oldUsagePush, path: oldUsagePath, body: body}, len(records))
	}
	if failed != nil {
		return failed
	}
	return nil
}

// postUsage makes a push of so many records. Nothing of its answer counts but the code.
func (c *Client) postUsage(ctx context.Context, call call, records int) *Error {
	call.method, call.contentType = http.MethodPost, contentJSON
	_, failed := c.send(ctx, call)
	if failed != nil && failed.aboutRecords() && records == 1 {
		failed.Entries = []int{0}
	}
	return failed
}

// usageForm is how the new push writes records now.
func (c *Client) usageForm() usageForm { return usageForm{asNumber: c.UsageAsNumber, now: c.now()} }

// SignUsage is the value of HeaderSignature of a push of usage (protocol page 4.3). timestamp is in UNIX milliseconds; body is
// sent as it is.
func SignUsage(accessKey, timestamp, nonce string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(accessKey))
	_, _ = fmt.Fprintf(mac, "ts=%s&nonce=%s&body=%s", timestamp, nonce, body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func (c *Client) newNonce() string {
	if c.nonce != nil {
		return c.nonce()
	}
	return rand.Text()
}
