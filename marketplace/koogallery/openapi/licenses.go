package openapi

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

// Licenses is a Client as a marketplace.LicenseClient.
type Licenses struct{ Client *Client }

var _ marketplace.LicenseClient = Licenses{}

// licenseStates are the states of codes in the words that all marketplaces share.
var licenseStates = map[string]marketplace.LicenseState{
	LicenseAlive:    marketplace.LicenseAlive,
	LicenseExpired:  marketplace.LicenseExpired,
	LicenseReleased: marketplace.LicenseReleased,
}

// licenseErrors says what each kind of error means to somebody who does not know this API.
var licenseErrors = map[error]error{
	ErrLicenseNotFound: marketplace.ErrLicenseUnknown,
	ErrLicenseState:    marketplace.ErrLicenseActivated,
	ErrNotCollected:    marketplace.ErrLicenseNotCollected,
	ErrNotActivated:    marketplace.ErrLicenseNotActivated,
	ErrLicenseBatch:    marketplace.ErrLicenseBatch,
	ErrNotPermitted:    marketplace.ErrLicenseRefused,
	ErrCredentials:     marketplace.ErrLicenseRefused,
	ErrInvalid:         marketplace.ErrLicenseInvalid,
	ErrRateLimited:     marketplace.ErrUnavailable,
	ErrUnavailable:     marketplace.ErrUnavailable,
	// A proxy's error page or a captive portal goes away by itself, a wrong address does not: both are asked again.
	ErrGateway: marketplace.ErrUnavailable,
}

// ActivateLicense activates one code with v1: the batch of v2 tells nothing of order and product (protocol page 7.2).
func (l Licenses) ActivateLicense(ctx context.Context, code string) (marketplace.LicenseCode, error) {
	activated, err := l.Client.Activate(ctx, code, time.Time{})
	if err != nil {
		return marketplace.LicenseCode{}, licenseError(err)
	}
	return licenseCode(activated), nil
}

// QueryLicense asks with v1 (protocol page 7.2).
func (l Licenses) QueryLicense(ctx context.Context, code string) (marketplace.LicenseCode, error) {
	found, err := l.Client.QueryLicense(ctx, code)
	if err != nil {
		return marketplace.LicenseCode{}, licenseError(err)
	}
	return licenseCode(found), nil
}

// QueryLicenses asks with v2 (protocol page 7.2).
func (l Licenses) QueryLicenses(ctx context.Context, codes []string) ([]marketplace.LicenseCode, error) {
	found, err := l.Client.QueryLicenses(ctx, codes)
	if err != nil {
		return nil, licenseError(err)
	}
	result := make([]marketplace.LicenseCode, len(found))
	for i, license := range found {
		result[i] = licenseCode(license)
	}
	return result, nil
}

// UploadLicense delivers a license (protocol page 7.3).
func (l Licenses) UploadLicense(ctx context.Context, requestID string, license marketplace.LicenseFile, textName string) error {
	upload := LicenseUpload{FileName: license.Name, File: Confidential(license.Content)}
	switch {
	case license.Name != "":
	case utf8.Valid(license.Content) && utf8.RuneCount(license.Content) <= maxUploadText:
		upload = LicenseUpload{Text: Confidential(license.Content)}
	default:
		upload.FileName = textName
	}
	if err := l.Client.UploadLicense(ctx, requestID, upload); err != nil {
		return licenseError(err)
	}
	return nil
}

// licenseCode says the same in the words of package marketplace.
func licenseCode(license License) marketplace.LicenseCode {
	state, known := licenseStates[license.Status]
	if !known {
		state = marketplace.LicenseState(license.Status)
	}
	return marketplace.LicenseCode{
		Code: string(license.Code), State: state, ActivatedAt: license.ActivatedAt, ExpiresAt: license.ExpiresAt,
		OrderID: license.OrderID, ProductID: license.ProductID, Quantity: license.Amount,
	}
}

// licenseError says the same in the words of package marketplace. The network's own words are left out of the text, because
// they differ from call to call; why a call was not made at all is our own word.
func licenseError(err error) error {
	var failed *Error
	if !errors.As(err, &failed) {
		return &marketplace.CallError{Kind: marketplace.ErrUnavailable, Cause: err}
	}
	kind, ok := licenseErrors[failed.Kind]
	if !ok {
		kind = marketplace.ErrUnavailable
	}
	var details []string
	switch {
	case errors.Is(failed.Kind, ErrInvalid) && failed.Status == 0 && failed.Cause != nil:
		details = append(details, failed.Cause.Error())
	case errors.Is(kind, marketplace.ErrUnavailable), errors.Is(kind, marketplace.ErrLicenseRefused):
		details = append(details, failed.Kind.Error())
	}
	if failed.Status != 0 {
		details = append(details, fmt.Sprintf("HTTP %d", failed.Status))
	}
	if failed.Code != "" {
		details = append(details, "code "+failed.Code)
	}
	return &marketplace.CallError{
		Kind: kind, Detail: strings.Join(details, ", "), Remedy: failed.Remedy, RetryAfter: failed.RetryAfter, Cause: err,
	}
}
