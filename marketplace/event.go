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
)

// Lookup says whether what was bought must be asked from the marketplace's order API before it is known.
type Lookup string

const (
	// LookupNone: the event carries all that is needed.
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
	// TermFormal: the buyer has paid.
	TermFormal Term = "Formal"
)

// Event is what one callback means. The marketplace's own words (Activity, Scene, ids) are kept as they came, because
// repeats are told apart by them and because a person compares them with the seller console.
type Event struct {
	Kind Kind
	// Activity and Scene are the marketplace's names of the call, such as "refreshInstance" and "RENEWAL".
	Activity, Scene string
	// Test is true for a debug call: it is answered like a real one, and changes and reads nothing.
	Test bool

	// OrderID and OrderLineID name the order that caused the call.
	OrderID, OrderLineID string
	// InstanceID is the instance that the call is about, as we named it. Empty for a Purchase.
	InstanceID string
	// InstanceIDs are the instances that a Query asks about, in the order asked, at most 100, without repeats.
	InstanceIDs []string

	// ProductID and SKUCode are the marketplace's names of what was bought, where the call says so. In a Renew a ProductID
	// replaces the one before (the period type changed).
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
	// SentAt is the time of the call by the marketplace's clock. It orders Suspend against Resume and nothing else.
	SentAt time.Time
	// Reason is the marketplace's own word for why, in a Suspend or Release; may be empty.
	Reason string
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
	// Access is set when the State is StateReady.
	Access *Access
}

// Access is what the buyer needs to use an instance. Its values are secrets: never log them.
type Access struct {
	FrontEndURL, AdminURL, UserName, Password, Memo string
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
