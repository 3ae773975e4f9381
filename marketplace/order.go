package marketplace

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// What can go wrong when an order is read, besides ErrUnavailable, which passes by itself.
var (
	// ErrOrderNotFound: the marketplace knows no such order, perhaps not yet.
	ErrOrderNotFound = errors.New("the order does not exist")
	// ErrOrderRefused: the marketplace does not let this seller account read the order.
	ErrOrderRefused = errors.New("reading the order is not permitted")
	// ErrOrderInvalid: the marketplace's answer can't be used, or it calls the question wrong. Asking again does not help.
	ErrOrderInvalid = errors.New("the order can't be used")
)

// OrderType is what an order is for.
type OrderType string

const (
	// OrderPurchase buys something new.
	OrderPurchase OrderType = "Purchase"
	// OrderTrial begins a trial.
	OrderTrial OrderType = "Trial"
	// OrderTrialToFormal turns a trial into a sale.
	OrderTrialToFormal OrderType = "TrialToFormal"
	// OrderRenewal buys another period.
	OrderRenewal OrderType = "Renewal"
	// OrderChange buys another specification or quantity.
	OrderChange OrderType = "Change"
	// OrderUnsubscription gives a purchase back.
	OrderUnsubscription OrderType = "Unsubscription"
)

// Charging is how a sale is charged.
type Charging string

const (
	// ChargingPrepaid is charged by a period that ends.
	ChargingPrepaid Charging = "Prepaid"
	// ChargingOneTime is charged once.
	ChargingOneTime Charging = "OneTime"
	// ChargingMetered is billed by usage.
	ChargingMetered Charging = "Metered"
	// ChargingMeteredPackage is a package of use, paid in advance.
	ChargingMeteredPackage Charging = "MeteredPackage"
)

// Item is one product of an order line.
type Item struct {
	ProductID, SKUCode, ProductName string
	// Quantity of the linear attribute, not negative; nil when there is none.
	Quantity *int32
}

// Attribute is a parameter that the buyer filled in.
type Attribute struct{ Name, Value string }

// Order is one line of an order, as the marketplace's order API or the callback itself describes it. Printing it shows what
// it is for and who bought, by number, and nothing else of it.
type Order struct {
	// Type is what the order is for; a type that this package does not name stands as the marketplace wrote it.
	Type OrderType
	// OrderedAt is when the buyer ordered; zero when unknown.
	OrderedAt time.Time
	// Charging is how it is charged; empty when unknown.
	Charging Charging
	// ExpiresAt is the end of the period; zero when there is none. An estimate until a renewal says otherwise.
	ExpiresAt time.Time
	// Items are what the line sells.
	Items []Item
	// Attributes are what the buyer filled in, each name once.
	Attributes []Attribute
	// CustomerID is the buyer's account id, CustomerName the account's name, which not everybody may see.
	CustomerID, CustomerName string
	// Buyer is personal data of who ordered, where a callback says it; what the order API says of it stands in Raw only.
	Buyer Buyer
	// Refund is true if the buyer gets money back: less is sold than before. An order without it never takes anything away.
	Refund bool
	// Raw is the whole answer, or a JSON object of all that the callback said, in plain text. It holds personal data: it
	// belongs in a Secret and nowhere else.
	Raw []byte
}

// Format shows type, charging and customer id, whatever the verb.
func (o Order) Format(state fmt.State, _ rune) {
	_, _ = fmt.Fprintf(state, "Order{Type:%q, Charging:%q, CustomerID:%q}", o.Type, o.Charging, o.CustomerID)
}

// Buyer is personal data of who ordered; what is unknown is empty. It belongs in a Secret and nowhere else: printing, logging
// or marshalling a Buyer shows nothing of it.
type Buyer struct{ UserID, UserName, MobilePhone, Email string }

// String shows nothing personal.
func (b Buyer) String() string { return "Buyer{}" }

// Format shows nothing personal, whatever the verb.
func (b Buyer) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, b.String()) }

// MarshalLog shows loggers nothing personal.
func (b Buyer) MarshalLog() any { return struct{}{} }

// MarshalJSON writes an empty object.
func (b Buyer) MarshalJSON() ([]byte, error) { return []byte("{}"), nil }

// OrderReader reads orders from a marketplace's order API. It is safe for concurrent use.
type OrderReader interface {
	// ReadOrder returns one line of an order. With an empty line it is the only line of the order. The context bounds
	// the call with all its repeats. Errors are *CallError.
	ReadOrder(ctx context.Context, orderID, orderLineID string) (Order, error)
}
