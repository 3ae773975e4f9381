package openapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	activatePath      = "/api/mkp-openapi-public/global/v1/license/activate"
	activateBatchPath = "/api/mkp-openapi-public/global/v2/license/activate"
	licenseQueryPath  = "/api/mkp-openapi-public/global/v1/license/heartbeat"
	licensesQueryPath = "/api/mkp-openapi-public/global/v2/license/heartbeat"

	licenseSuccess = "92020000"
	// realEffectTime is the layout of an activation's time of delivery, in UTC.
	realEffectTime = "20060102150405"

	// MaxLicenses is the number of codes that one batch can hold (protocol page 7.2).
	MaxLicenses = 100
)

// licenseKinds are the codes of the license operations (protocol page 12.4).
var licenseKinds = map[string]error{
	"92020001": ErrUnavailable,
	"92020002": ErrInvalid,
	"92020003": ErrLicenseState,
	"92020004": ErrNotCollected,
	"92020005": ErrLicenseNotFound,
	"92020011": ErrNotActivated,
	"92020020": ErrLicenseBatch,
	"95000001": ErrInvalid,
	"95000002": ErrInvalid,
	"95000003": ErrInvalid,
	"95000004": ErrInvalid,
}

var (
	activation = operation{attempt: "activating license codes", success: []string{licenseSuccess}, kinds: licenseKinds}
	// licenseQuery is the query that was called heartbeat.
	licenseQuery = operation{attempt: "querying license codes", success: []string{licenseSuccess}, kinds: licenseKinds}
)

// States of a license code (protocol page 7.2).
const (
	LicenseAlive    = "ALIVE"
	LicenseExpired  = "EXPIRED"
	LicenseReleased = "RELEASED"
)

// License is what the marketplace says about one license code. What an answer lacks is empty.
type License struct {
	// Code is the license code, with which the buyer uses what was sold.
	Code Confidential
	// Status is one of the License constants, or a newer one, in upper case.
	Status string
	// ActivatedAt is when the code was activated; zero when absent or unreadable.
	ActivatedAt time.Time
	// ExpiresAt is the end of the paid period. That of an activation is an estimate: trust the query's. Zero when absent or
	// unreadable.
	ExpiresAt time.Time
	// OrderID and ProductID are what was ordered.
	OrderID, ProductID string
	// Amount is the quantity bought; nil when absent or unreadable.
	Amount *int32
}

// Confidential is text that only code reads, such as a license code or a license. Printing, logging or marshalling it shows
// "(hidden)".
type Confidential string

const hidden = "(hidden)"

// Format hides the text, whatever the verb.
func (Confidential) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, hidden) }

// MarshalLog hides the text from loggers.
func (Confidential) MarshalLog() any { return hidden }

// MarshalJSON hides the text.
func (Confidential) MarshalJSON() ([]byte, error) { return json.Marshal(hidden) }

// Activate activates one license code that the buyer has collected (protocol page 7.2, v1). deliveredAt is when the software
// was really delivered, not before the order; zero leaves it to the marketplace. Every error is an *Error; ErrLicenseState also
// means that the code is active already, perhaps by an earlier call whose answer was lost.
func (c *Client) Activate(ctx context.Context, code string, deliveredAt time.Time) (License, error) {
	if failed := checkCodes(activation, []string{code}); failed != nil {
		return License{}, failed
	}
	raw, failed := c.postCodes(ctx, activation, activatePath, codesBody{License: code, RealEffectTime: effectTime(deliveredAt)})
	if failed != nil {
		return License{}, failed
	}
	// The code is active whatever the rest of the answer looks like, and a second try would be refused.
	license := License{Code: Confidential(code)}
	if found := decodeLicenses(raw, code); len(found) > 0 {
		license = found[0]
	}
	return license, nil
}

// ActivateBatch activates 1 to MaxLicenses license codes (protocol page 7.2, v2). The answer tells nothing about them: query
// them afterwards. Every error is an *Error; after ErrLicenseBatch and ErrLicenseState, Activate each of them by itself.
func (c *Client) ActivateBatch(ctx context.Context, codes []string, deliveredAt time.Time) error {
	if failed := checkCodes(activation, codes); failed != nil {
		return failed
	}
	_, failed := c.postCodes(ctx, activation, activateBatchPath, codesBody{LicenseList: codes, RealEffectTime: effectTime(deliveredAt)})
	if failed != nil {
		return failed
	}
	return nil
}

// QueryLicense asks for the state of one activated code (protocol page 7.2, v1 heartbeat). Every error is an *Error, of kind
// ErrGateway when the answer tells no state.
func (c *Client) QueryLicense(ctx context.Context, code string) (License, error) {
	found, err := c.queryLicenses(ctx, licenseQueryPath, []string{code}, codesBody{License: code})
	if err != nil {
		return License{}, err
	}
	return found[0], nil
}

// QueryLicenses asks for the states of 1 to MaxLicenses activated codes (protocol page 7.2, v2 heartbeat), and returns what the
// answer tells of them, in the order asked. A code that it does not tell of is left out, which says nothing about its state:
// ask for it with QueryLicense. Every error is an *Error, of kind ErrGateway when the answer tells of none.
//
// The body and the answer of this call are not documented; the body is that of ActivateBatch, and the answer is read leniently.
func (c *Client) QueryLicenses(ctx context.Context, codes []string) ([]License, error) {
	return c.queryLicenses(ctx, licensesQueryPath, codes, codesBody{LicenseList: codes})
}

func (c *Client) queryLicenses(ctx context.Context, path string, codes []string, body codesBody) ([]License, error) {
	if failed := checkCodes(licenseQuery, codes); failed != nil {
		return nil, failed
	}
	raw, failed := c.postCodes(ctx, licenseQuery, path, body)
	if failed != nil {
		return nil, failed
	}
	found := decodeLicenses(raw, codes...)
	if len(found) == 0 {
		return nil, licenseQuery.failed(ErrGateway, http.StatusOK, licenseSuccess, errors.New("it contains no state"))
	}
	return found, nil
}

// codesBody is the body of all license operations (protocol page 7.2).
type codesBody struct {
	License        string   `json:"license,omitempty"`
	LicenseList    []string `json:"license_list,omitempty"`
	RealEffectTime string   `json:"real_effect_time,omitempty"`
}

func (c *Client) postCodes(ctx context.Context, o operation, path string, body codesBody) ([]byte, *Error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, o.refused(ErrInvalid, errors.New("the codes can't be encoded as JSON"))
	}
	return c.send(ctx, call{operation: o, method: http.MethodPost, path: path, contentType: contentJSON, body: encoded})
}

// checkCodes refuses codes that can't be sent; the error names their indices and not the codes.
func checkCodes(o operation, codes []string) *Error {
	if len(codes) == 0 || len(codes) > MaxLicenses {
		return o.refused(ErrInvalid, fmt.Errorf("there must be 1 to %d codes, not %d", MaxLicenses, len(codes)))
	}
	seen := map[string]bool{}
	var wrong []int
	for i, code := range codes {
		if !isID(code) || strings.TrimSpace(code) != code || seen[code] {
			wrong = append(wrong, i)
		}
		seen[code] = true
	}
	if wrong == nil {
		return nil
	}
	failed := o.refused(ErrInvalid, fmt.Errorf("codes must have 1 to %d characters and be unique: code %d", maxID, wrong[0]))
	failed.Entries = wrong
	return failed
}

func effectTime(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(realEffectTime)
}
