package v1alpha1

// What the conditions of all kinds have in common. Status True means that what the type says is so, Unknown that it is on the
// way, and False that it stays so until a fact changes or a person acts. True is good, but for Suspended, Paused and Stalled. A
// condition that does not apply to an object is not there. A reason is one word that carries its subject, because Ready, events
// and metrics repeat it without the condition's type.
const (
	// ConditionReady is True while the object does what it is for: an instance is usable as sold, a product can be run, a
	// Marketplace can be called, a revision can be run, a record is settled. Every kind has it from its creation.
	ConditionReady = "Ready"
	// ConditionStalled is True while Ready is False and action is required from a person or from the marketplace. It is not there
	// otherwise, and so never on a tenant that is suspended as it should be. Its reason and message are those of Ready.
	ConditionStalled = "Stalled"
)

// ReasonPending surfaces on Ready, with the status Unknown, before the controller has looked at an object. The kinds have it as
// their default.
const ReasonPending = "Pending"
