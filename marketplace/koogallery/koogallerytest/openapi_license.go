package koogallerytest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/openapi"
)

// licensesPath takes posted license codes, and lists them.
const licensesPath = "/licenses"

// Codes of the license operations (protocol page 12.4).
const (
	licenseDone         = "92020000"
	licenseInvalid      = "92020002"
	licenseWrongState   = "92020003"
	licenseNotCollected = "92020004"
	licenseUnknown      = "92020005"
	licenseNotActivated = "92020011"
	licenseBatchInvalid = "92020020"
	licenseBadType      = "95000003"
	licenseBadJSON      = "95000004"
)

// MintedLicense is a license code of the fake.
type MintedLicense struct {
	// Code is the code, 1 to 64 characters.
	Code string `json:"code"`
	// Uncollected: the buyer has not collected the code, which can't be activated therefore.
	Uncollected bool `json:"uncollected,omitempty"`
	// Status is "ALIVE", "EXPIRED" or "RELEASED"; "" means "ALIVE". It is told once the code is activated.
	Status string `json:"status,omitempty"`
	// ActivatedAt is when the code was activated; zero when it was not.
	ActivatedAt time.Time `json:"activatedAt,omitzero"`
	// DeliveredAt is what the activation said; empty when it said nothing.
	DeliveredAt string `json:"deliveredAt,omitempty"`
	// ExpiresAt is the end of the paid period; zero when there is none.
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
	// OrderID and ProductID are what was ordered; may be empty.
	OrderID   string `json:"orderID,omitempty"`
	ProductID string `json:"productID,omitempty"`
	// Amount is the quantity.
	Amount int32 `json:"amount,omitempty"`
}

// AddLicense mints a license code, or replaces the one of the same code.
func (o *OpenAPI) AddLicense(license MintedLicense) error {
	if license.Code == "" || len(license.Code) > maxID {
		return fmt.Errorf("adding a license: code must have 1 to %d characters", maxID)
	}
	if license.Status == "" {
		license.Status = openapi.LicenseAlive
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.licenses[license.Code] = license
	return nil
}

// addLicense mints a posted code. Of one that is there, only what was posted changes.
func (o *OpenAPI) addLicense(body json.RawMessage) error {
	var posted struct {
		Code string `json:"code"`
	}
	if err := json.Unmarshal(body, &posted); err != nil {
		return errors.New("adding a license: it is not a license as JSON object")
	}
	license, _ := o.License(posted.Code)
	if err := json.Unmarshal(body, &license); err != nil {
		return errors.New("adding a license: it is not a license as JSON object")
	}
	return o.AddLicense(license)
}

// Licenses are all license codes as they are now, by code.
func (o *OpenAPI) Licenses() []MintedLicense {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := []MintedLicense{}
	for _, code := range slices.Sorted(maps.Keys(o.licenses)) {
		all = append(all, o.licenses[code])
	}
	return all
}

// License is a license code as it is now; ok is false when there is none.
func (o *OpenAPI) License(code string) (license MintedLicense, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	license, ok = o.licenses[code]
	return license, ok
}

// licenseCall is the body of the license operations (protocol page 7.2).
type licenseCall struct {
	License        string   `json:"license"`
	LicenseList    []string `json:"license_list"`
	RealEffectTime string   `json:"real_effect_time"`
}

// activate answers the activation of one code, v1 (protocol page 7.2).
func (o *OpenAPI) activate(r *http.Request, body []byte) (status int, answer map[string]any) {
	call, status, answer := readLicenseCall(r, body)
	if answer != nil {
		return status, answer
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if code := o.activationCode(call.License); code != licenseDone {
		return http.StatusOK, result(Activate, code)
	}
	license := o.setActivated(call.License, call.RealEffectTime)
	info := map[string]any{
		"status": license.Status, "product_id": license.ProductID, "order_id": license.OrderID, "amount": license.Amount,
		"expire_time": licenseTime(license.ExpiresAt),
	}
	answer = result(Activate, licenseDone)
	answer["data"] = map[string]any{"license_code_info": string(marshal(info))}
	return http.StatusOK, answer
}

// activateBatch answers the activation of several codes, v2: all of them or none (protocol page 7.2).
func (o *OpenAPI) activateBatch(r *http.Request, body []byte) (status int, answer map[string]any) {
	call, status, answer := readLicenseCall(r, body)
	if answer != nil {
		return status, answer
	}
	if len(call.LicenseList) == 0 || len(call.LicenseList) > openapi.MaxLicenses {
		return http.StatusOK, result(ActivateBatch, licenseInvalid)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, code := range call.LicenseList {
		if o.activationCode(code) != licenseDone {
			return http.StatusOK, result(ActivateBatch, licenseBatchInvalid)
		}
	}
	for _, code := range call.LicenseList {
		o.setActivated(code, call.RealEffectTime)
	}
	return http.StatusOK, result(ActivateBatch, licenseDone)
}

// queryLicense answers the query of one code, v1 (protocol page 7.2).
func (o *OpenAPI) queryLicense(r *http.Request, body []byte) (status int, answer map[string]any) {
	call, status, answer := readLicenseCall(r, body)
	if answer != nil {
		return status, answer
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	code := o.queryCode(call.License)
	answer = result(QueryLicense, code)
	if code == licenseDone {
		answer["data"] = o.state(call.License)
	}
	return http.StatusOK, answer
}

// queryLicenses answers the query of several codes, v2. The real one's answer is not documented: this is that of v1 in an array.
func (o *OpenAPI) queryLicenses(r *http.Request, body []byte) (status int, answer map[string]any) {
	call, status, answer := readLicenseCall(r, body)
	if answer != nil {
		return status, answer
	}
	if len(call.LicenseList) == 0 || len(call.LicenseList) > openapi.MaxLicenses {
		return http.StatusOK, result(QueryLicenses, licenseInvalid)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	var states []map[string]any
	for _, code := range call.LicenseList {
		if o.queryCode(code) != licenseDone {
			return http.StatusOK, result(QueryLicenses, licenseBatchInvalid)
		}
		states = append(states, o.state(code))
	}
	answer = result(QueryLicenses, licenseDone)
	answer["data"] = states
	return http.StatusOK, answer
}

// readLicenseCall reads a body; answer is nil when it can be read.
func readLicenseCall(r *http.Request, body []byte) (call licenseCall, status int, answer map[string]any) {
	switch {
	case r.Header.Get("Content-Type") != "application/json":
		return call, http.StatusUnsupportedMediaType, result(Activate, licenseBadType)
	case json.Unmarshal(body, &call) != nil:
		return call, http.StatusBadRequest, result(Activate, licenseBadJSON)
	}
	if call.RealEffectTime != "" {
		if _, err := time.Parse(orderTime, call.RealEffectTime); err != nil {
			return call, http.StatusOK, result(Activate, licenseInvalid)
		}
	}
	return call, 0, nil
}

// activationCode is what the activation of a code is answered with.
func (o *OpenAPI) activationCode(code string) string {
	license, ok := o.licenses[code]
	switch {
	case !ok:
		return licenseUnknown
	case license.Uncollected:
		return licenseNotCollected
	case !license.ActivatedAt.IsZero() || license.Status != openapi.LicenseAlive:
		return licenseWrongState
	}
	return licenseDone
}

// setActivated activates a code.
func (o *OpenAPI) setActivated(code, deliveredAt string) MintedLicense {
	license := o.licenses[code]
	license.ActivatedAt, license.DeliveredAt = o.options.Clock().UTC(), deliveredAt
	o.licenses[code] = license
	return license
}

// queryCode is what the query of a code is answered with.
func (o *OpenAPI) queryCode(code string) string {
	license, ok := o.licenses[code]
	switch {
	case !ok:
		return licenseUnknown
	case license.ActivatedAt.IsZero():
		return licenseNotActivated
	}
	return licenseDone
}

// state is what the queries tell of a code.
func (o *OpenAPI) state(code string) map[string]any {
	license := o.licenses[code]
	return map[string]any{
		"license_code": license.Code, "status": license.Status,
		"activate_time": licenseTime(license.ActivatedAt), "expire_time": licenseTime(license.ExpiresAt),
	}
}

// licenseTime is a time of the license operations; null when there is none.
func licenseTime(at time.Time) any {
	if at.IsZero() {
		return nil
	}
	return at.UTC().Format(orderTime)
}
