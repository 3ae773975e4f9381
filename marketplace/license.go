package marketplace

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// What can go wrong with licenses at a marketplace, besides ErrUnavailable, which passes by itself.
var (
	// ErrLicenseUnknown: the marketplace minted no such code.
	ErrLicenseUnknown = errors.New("the license code does not exist")
	// ErrLicenseNotCollected: the buyer has not collected the code yet.
	ErrLicenseNotCollected = errors.New("the buyer has not collected the license code")
	// ErrLicenseActivated: the code's state allows no activation, perhaps because an earlier one was successful. A query tells.
	ErrLicenseActivated = errors.New("the state of the license code does not allow activation")
	// ErrLicenseNotActivated: a code was asked about that was never activated.
	ErrLicenseNotActivated = errors.New("the license code is not activated")
	// ErrLicenseBatch: one of several codes can't be asked about, and the marketplace does not say which. Ask for each by itself.
	ErrLicenseBatch = errors.New("one of the license codes can't be queried")
	// ErrLicenseRefused: the marketplace does not accept these credentials.
	ErrLicenseRefused = errors.New("the license API rejects the credentials")
	// ErrLicenseInvalid: the marketplace calls the question or the license wrong. Asking again does not help.
	ErrLicenseInvalid = errors.New("the marketplace rejects it")
)

// MaxLicenseBatch is how many codes a LicenseClient can be asked about at once.
const MaxLicenseBatch = 100

// LicenseState is what a marketplace says about a license code; a state that this package does not name stands as the
// marketplace wrote it.
type LicenseState string

const (
	// LicenseAlive entitles to use.
	LicenseAlive LicenseState = "Alive"
	// LicenseExpired says that the paid time is over.
	LicenseExpired LicenseState = "Expired"
	// LicenseReleased says that the sale has ended.
	LicenseReleased LicenseState = "Released"
)

// LicenseCode is what a marketplace says about one license code. What it does not say is empty.
type LicenseCode struct {
	Code  string
	State LicenseState
	// ActivatedAt is when the code was activated.
	ActivatedAt time.Time
	// ExpiresAt is the end of the paid period.
	ExpiresAt time.Time
	// OrderID and ProductID are what was ordered, Quantity how much of it.
	OrderID, ProductID string
	Quantity           *int32
}

// Format hides the code, with which anybody could use what was sold, whatever the verb.
func (c LicenseCode) Format(state fmt.State, _ rune) {
	_, _ = fmt.Fprintf(state, "LicenseCode{State:%q, OrderID:%q}", c.State, c.OrderID)
}

// LicenseFile is a license to deliver. Printing it shows nothing of its content.
type LicenseFile struct {
	// Name is the name of the file that the buyer gets; empty for a license that is a text.
	Name string
	// Content is the license.
	Content []byte
}

// Format shows the name, whatever the verb.
func (f LicenseFile) Format(state fmt.State, _ rune) {
	_, _ = io.WriteString(state, "LicenseFile{Name:"+f.Name+"}")
}

// LicenseClient does what a marketplace offers for licenses. It is safe for concurrent use. The contexts bound a call with all
// its repeats. All errors are *CallError.
type LicenseClient interface {
	// ActivateLicense activates one code that the buyer has collected. ErrLicenseActivated also means that the code is active
	// already, perhaps by an earlier call whose answer was lost.
	ActivateLicense(ctx context.Context, code string) (LicenseCode, error)
	// QueryLicense asks about one activated code.
	QueryLicense(ctx context.Context, code string) (LicenseCode, error)
	// QueryLicenses asks about 1 to MaxLicenseBatch activated codes. A code that the answer does not tell of is left out, which
	// says nothing about it.
	QueryLicenses(ctx context.Context, codes []string) ([]LicenseCode, error)
	// UploadLicense delivers the license that a LicenseRequest, by its ID, has asked for. A repeat with the same license does no
	// harm. A text that is too long for the marketplace is delivered as a file of the name textName.
	UploadLicense(ctx context.Context, requestID string, license LicenseFile, textName string) error
}
