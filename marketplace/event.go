package marketplace

import "time"

// Kind is what an event does to an instance, in words that fit every marketplace.
type Kind string

const (
	// Purchase makes an instance, or names one that was made by an earlier delivery of the same sale.
	Purchase Kind = "Purchase"
	// Renew changes the paid period: a renewal, its cancellation, a trial that became formal.
	Renew Kind = "Renew"
	// Change changes what was bought and leaves the period as it is.
	Change Kind = "Change"
	// Suspend stops the workload and keeps the data.
	Suspend Kind = "Suspend"
	// Resume takes a Suspend back.
	Resume Kind = "Resume"
	// Release ends the sale for good.
	Release Kind = "Release"
	// Query asks for the access data and the progress of instances. Changes nothing.
	Query Kind = "Query"
	// Check asks whether a change would be possible. Changes nothing.
	Check Kind = "Check"
	// Notify tells that something happened elsewhere. Changes nothing.
	Notify Kind = "Notify"
	// RequestLicense asks for a license file or text for an instance, by Event.LicenseRequest. It may be delivered later.
	RequestLicense Kind = "RequestLicense"
	// Synchronize tells of an enterprise, its application, its users or departments, by Event.Sync. It changes nothing of a sale but
	// that the marketplace knows of it.
	Synchronize Kind = "Synchronize"
)

// ReasonExpired is the Reason of a Suspend that the marketplace sends because the paid time is over, whatever date is known
// here.
const ReasonExpired = "Expired"

// Want is what the answer to a Purchase has to carry at once, for a marketplace that does not come back to ask for it.
type Want string

const (
	// WantNothing: the marketplace asks again, with a Query, until the instance is ready.
	WantNothing Want = ""
	// WantAccess: the answer has to carry the front-end URL, as soon as it is known. A Purchase without it is called in
	// progress, and the next delivery may be an hour away.
	WantAccess Want = "Access"
	// WantLicense: the answer has to carry Access.License.
	WantLicense Want = "License"
)

// Lookup says whether what was bought must be asked from the marketplace's order API before it is known.
type Lookup string

const (
	// LookupNone: the event carries all that is needed, what was ordered in Event.Order.
	LookupNone Lookup = ""
	// LookupPurchase: the order says what was bought, by whom and until when.
	LookupPurchase Lookup = "Purchase"
	// LookupChange: the order says the new plan and quantity, in force at once.
	LookupChange Lookup = "Change"
	// LookupRenewal: the order says the plan and quantity of the next period: what grows is in force at once, what shrinks
	// waits for the end of the present period.
	LookupRenewal Lookup = "Renewal"
)

// Term is the kind of a sale's paid period.
type Term string

const (
	// TermTrial: the buyer tries, unpaid.
	TermTrial Term = "Trial"
	// TermPaid: the buyer has paid.
	TermPaid Term = "Paid"
)

// Cancels says whether a scene, as Event.Scene has it and a stored call keeps it, takes a renewal back.
func Cancels(scene string) bool { return scene == "UNSUBSCRIBE_RENEWAL_PERIOD" }

// RenewsWithChange says whether a scene, as Event.Scene has it and a stored call keeps it, buys another plan or quantity together
// with another period.
func RenewsWithChange(scene string) bool { return scene == "RENEWAL_CHANGE" }

// SellsLicense says whether an activity, as Event.Activity has it and a stored call keeps it, is the purchase of a license and of nothing
// else.
func SellsLicense(activity string) bool { return activity == "getLicense" }

// Event is what one callback means. The marketplace's own words (Activity, Scene, ids) are kept as they came, because
// repeats are told apart by them and because a person compares them with the seller console.
type Event struct {
	Kind Kind
	// Activity and Scene are the marketplace's names of the call, such as "refreshInstance" and "RENEWAL".
	Activity, Scene string
	// Test is true for a debug call: it is answered like a real one, and changes and reads nothing.
	Test bool

	// OrderID and OrderLineID name the order that caused the call. In a Purchase they are the sale's key, as InstanceName wants
	// it: OrderLineID is empty where a marketplace sells one instance by order.
	OrderID, OrderLineID string
	// InstanceID is the instance that the call is about, as we named it. Empty for a Purchase, where License is set, and in a
	// Synchronize that comes before there is an order.
	InstanceID string
	// License is the code of the license that the call is about, where the marketplace itself made the code and knows no
	// instance id; empty otherwise.
	License string
	// InstanceIDs are the instances that a Query asks about, in the order asked, at most 100, without repeats.
	InstanceIDs []string

	// ProductID and SKUCode are the marketplace's names of what was bought, where the call says so and has no Order. In a Renew a
	// ProductID replaces the one before (the period type changed).
	ProductID, SKUCode string
	// Quantity is the bought quantity where the call says it (a Check); nil otherwise.
	Quantity *int32
	// Term is set when the call changes it: a trial that becomes formal.
	Term Term
	// ExpiresAt is the new absolute end of the paid period in a Renew; zero otherwise.
	ExpiresAt time.Time
	// Cancels is true for a Renew that takes an earlier renewal back.
	Cancels bool
	// Lookup says what the order API has to be asked for this event.
	Lookup Lookup
	// Order is what was ordered, where the call itself says it; nil otherwise. It is never set together with a Lookup. It holds
	// personal data.
	Order *Order
	// AcceptedAt is when the buyer accepted what was bought: the paid time began then. Zero when the call does not say. It comes
	// in a repeat of the Purchase, which is otherwise like the first one and has to be recorded for this; with it Order.ExpiresAt is the
	// end that counts, where it was an estimate before.
	AcceptedAt time.Time
	// Wants is what the answer to a Purchase has to carry at once.
	Wants Want
	// LicenseRequest says which license a RequestLicense asks for; nil otherwise.
	LicenseRequest *LicenseRequest
	// Sync is what a Synchronize says; nil otherwise. It holds personal data.
	Sync *Sync
	// SentAt is the time of the call by the marketplace's clock. It orders Suspend against Resume and nothing else.
	SentAt time.Time
	// Reason is why, in a Suspend or Release: ReasonExpired or the marketplace's own word; may be empty.
	Reason string
	// LicensesOnly is true where the call was made with a key that is for licenses and nothing else. Such a call may change no sale but one
	// of a license, and what it buys is one. Decode leaves it false: whoever has the Proof sets it.
	LicensesOnly bool
	// Notes are the names of the call's fields of which something was cut or left out because it can't be read and the sale does not
	// need it; nil for most calls. No value is among them.
	Notes []string
}

// LicenseRequest is a buyer's wish for a license.
type LicenseRequest struct {
	// ID is the marketplace's number of the request. The same ID with the same DeviceFingerprint is a repeat, and gets the same
	// license.
	ID string
	// EffectiveAt is when the license has to begin; ExpiresAt when it has to end, zero when the buyer has named no end.
	EffectiveAt, ExpiresAt time.Time
	// DeviceFingerprint is what the license is bound to, as the buyer entered it, up to 5120 characters; may be empty.
	DeviceFingerprint string
}

// State is how far an instance is, as far as a marketplace needs to know.
type State string

const (
	// StateInProgress: stored; the workload is on its way. The marketplace shall ask again.
	StateInProgress State = "InProgress"
	// StateReady: usable by the buyer.
	StateReady State = "Ready"
	// StateFailed: it can't come true without a person, and the marketplace shall know.
	StateFailed State = "Failed"
	// StateReleased: released; it answers, and nothing runs.
	StateReleased State = "Released"
)

// Instance is what a marketplace may be told about one instance.
type Instance struct {
	ID    string
	State State
	// Access is set when the State is StateReady, and in the Outcome of a Purchase that Wants something as soon as that is
	// known.
	Access *Access
	// Usage is what was used so far, for sales that are billed by usage, one element for each billed item; nil for others.
	Usage []Usage
}

// Access is what the buyer needs to use an instance. Its values are secrets: never log them.
type Access struct {
	FrontEndURL, AdminURL, UserName, Password, Memo string
	// License is the license's text, for a sale that is one; empty otherwise.
	License string
}

// Usage is what one billed item of an instance has used so far.
type Usage struct {
	// InstanceID is, for a package of use, the instance that uses it; empty otherwise.
	InstanceID string
	// Value is the running total, in the unit in which the item is billed, from 0 and to 4 decimals.
	Value float64
	// At is the time of the total.
	At time.Time
	// DashboardURL shows the buyer the details; may be empty.
	DashboardURL string
}

// Outcome is what became of an event.
type Outcome struct {
	// Err is nil when the event was recorded or answered; else it wraps one of this package's sentinel errors.
	Err error
	// Instance is the instance that a Purchase made or found, or that another event was about. In a Purchase its ID is set
	// also when Err is set, if it is known.
	Instance Instance
	// Instances are the known ones that a Query asked about, in the order asked; unknown ones are left out.
	Instances []Instance
}
