package openapi

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Order types of the order query (protocol page 4.2).
const (
	OrderNew           = "NEW"
	OrderTrial         = "TRIAL"
	OrderTrialToFormal = "TRIAL_TO_FORMAL"
	OrderUnsubscribe   = "UNSUBSCRIBE"
	OrderRenew         = "RENEW"
	OrderChange        = "CHANGE"
)

// Charging modes of an order line (protocol page 4.2).
const (
	ChargingOnDemand        = "ON_DEMAND"
	ChargingOneTime         = "ONE_TIME"
	ChargingPeriod          = "PERIOD"
	ChargingOnDemandPackage = "ON_DEMAND_PKG"
)

// Order is what the order query says about one order (protocol page 4.2). Text that the answer lacks or gives as null is
// empty. Printing, logging or marshalling an Order shows nothing personal.
type Order struct {
	// ID is the order's id.
	ID string
	// Type is one of the Order constants, or a newer one.
	Type string
	// CreatedAt is when the buyer ordered, not when the order takes effect. Zero when absent or unreadable.
	CreatedAt time.Time
	// Lines are the order's lines; each is a sale of its own.
	Lines []Line
	// Buyer is who ordered.
	Buyer Buyer
	// Extend are the parameters that the buyer filled in. KooGallery gives them on the order or on the line: read both.
	Extend []Param
}

// Line is one line of an order.
type Line struct {
	// ID is the line's id, in examples "<order id>-000001".
	ID string
	// ChargingMode is one of the Charging constants, or a newer one.
	ChargingMode string
	// PeriodType is "year", "month" or "day"; empty when the line has no period.
	PeriodType string
	// PeriodCount is the number of periods; 0 when absent or unreadable.
	PeriodCount int32
	// ExpiresAt is the end of the paid period, read as UTC. KooGallery's own zone is not certain: treat it as an estimate
	// until a renewal gives the absolute time. Zero when absent or unreadable.
	ExpiresAt time.Time
	// Items are what the line sells.
	Items []Item
	// Extend are the parameters that the buyer filled in for this line.
	Extend []Param
}

// Item is one product of a line.
type Item struct {
	// ProductID, SKUCode and ProductName are KooGallery's.
	ProductID, SKUCode, ProductName string
	// Quantity is the quantity of the linear attribute, not negative; nil when the SKU has none.
	Quantity *int32
}

// Line finds the line with the given id. With an empty id it is the line of an order that has only one.
func (o Order) Line(id string) (Line, bool) {
	if id == "" && len(o.Lines) == 1 {
		return o.Lines[0], true
	}
	for _, line := range o.Lines {
		if id != "" && line.ID == id {
			return line, true
		}
	}
	return Line{}, false
}

// Buyer is who ordered. All but CustomerID and CustomerType is personal: printing, logging or marshalling a Buyer shows those
// two only.
type Buyer struct {
	CustomerID, CustomerName, CustomerRealName, CustomerType string
	UserID, UserName, MobilePhone, Email                     string
}

// publicBuyer is what may be shown of a Buyer.
type publicBuyer struct {
	CustomerID   string `json:"customerID"`
	CustomerType string `json:"customerType"`
}

func (b Buyer) public() publicBuyer { return publicBuyer{b.CustomerID, b.CustomerType} }

// String shows the customer's id and type.
func (b Buyer) String() string {
	return fmt.Sprintf("Buyer{CustomerID:%q, CustomerType:%q}", b.CustomerID, b.CustomerType)
}

// Format shows the customer's id and type, whatever the verb.
func (b Buyer) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, b.String()) }

// MarshalLog shows loggers the customer's id and type.
func (b Buyer) MarshalLog() any { return b.public() }

// MarshalJSON writes the customer's id and type.
func (b Buyer) MarshalJSON() ([]byte, error) { return json.Marshal(b.public()) }

// Param is a parameter that the buyer filled in. Its value may be personal: printing, logging or marshalling it shows the
// name only.
type Param struct{ Name, Value string }

// String shows the name.
func (p Param) String() string { return fmt.Sprintf("Param{Name:%q}", p.Name) }

// Format shows the name, whatever the verb.
func (p Param) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, p.String()) }

// MarshalLog shows loggers the name.
func (p Param) MarshalLog() any { return map[string]string{"name": p.Name} }

// MarshalJSON writes the name.
func (p Param) MarshalJSON() ([]byte, error) { return json.Marshal(p.MarshalLog()) }
