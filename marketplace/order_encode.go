package marketplace

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"
)

// Bounds of an encoded order. Whatever a call may say is within them.
const (
	// maxEncodedOrder is the size in bytes.
	maxEncodedOrder   = 64 << 10
	maxOrderItems     = 32
	maxAttributes     = 512
	maxOrderTextBytes = 8 << 10
)

// encodedOrder is the stored form of an Order. Its names are read by later versions: they may be added to, and never change.
type encodedOrder struct {
	Type         OrderType          `json:"type"`
	OrderedAt    time.Time          `json:"orderedAt,omitzero"`
	Charging     Charging           `json:"charging,omitempty"`
	ExpiresAt    time.Time          `json:"expiresAt,omitzero"`
	Items        []encodedItem      `json:"items,omitempty"`
	Attributes   []encodedAttribute `json:"attributes,omitempty"`
	CustomerID   string             `json:"customerID,omitempty"`
	CustomerName string             `json:"customerName,omitempty"`
	Refund       bool               `json:"refund,omitempty"`
}

type encodedItem struct {
	ProductID   string `json:"productID,omitempty"`
	SKUCode     string `json:"skuCode,omitempty"`
	ProductName string `json:"productName,omitempty"`
	Quantity    *int32 `json:"quantity,omitempty"`
}

type encodedAttribute struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// EncodeOrder writes an order as JSON, without its Buyer and Raw. The result holds the customer's name: it belongs in a Secret.
// It fails, without a word of the order, for one that is not within the bounds of DecodeOrder.
func EncodeOrder(order Order) ([]byte, error) {
	encoded := encodedOrder{
		Type: order.Type, OrderedAt: order.OrderedAt.UTC(), Charging: order.Charging, ExpiresAt: order.ExpiresAt.UTC(),
		CustomerID: order.CustomerID, CustomerName: order.CustomerName, Refund: order.Refund,
	}
	for _, item := range order.Items {
		encoded.Items = append(encoded.Items, encodedItem(item))
	}
	for _, attribute := range order.Attributes {
		encoded.Attributes = append(encoded.Attributes, encodedAttribute(attribute))
	}
	if err := encoded.check(); err != nil {
		return nil, fmt.Errorf("encoding an order: %w", err)
	}
	raw, err := json.Marshal(encoded)
	if err != nil || len(raw) > maxEncodedOrder {
		// The encoder's own text may quote the order.
		return nil, fmt.Errorf("encoding an order: %w", errOrderSize)
	}
	return raw, nil
}

// DecodeOrder reads what EncodeOrder has written. Members that it does not know are passed over: a later version may have
// written them. Errors are *CallError of the kind ErrOrderInvalid, and hold nothing of the order.
func DecodeOrder(raw []byte) (Order, error) {
	var encoded encodedOrder
	err := errOrderSize
	if len(raw) <= maxEncodedOrder {
		if err = errOrderForm; json.Unmarshal(raw, &encoded) == nil {
			err = encoded.check()
		}
	}
	if err != nil {
		return Order{}, &CallError{Kind: ErrOrderInvalid, Detail: "the stored order is invalid: " + err.Error()}
	}
	order := Order{
		Type: encoded.Type, OrderedAt: encoded.OrderedAt.UTC(), Charging: encoded.Charging, ExpiresAt: encoded.ExpiresAt.UTC(),
		CustomerID: encoded.CustomerID, CustomerName: encoded.CustomerName, Refund: encoded.Refund,
	}
	for _, item := range encoded.Items {
		order.Items = append(order.Items, Item(item))
	}
	for _, attribute := range encoded.Attributes {
		order.Attributes = append(order.Attributes, Attribute(attribute))
	}
	return order, nil
}

// What can be wrong with an encoded order.
var (
	errOrderSize   = fmt.Errorf("it has more than %d bytes, or an invalid time", maxEncodedOrder)
	errOrderForm   = errors.New("it is not an order in JSON")
	errOrderType   = errors.New("it has no type")
	errOrderCharge = errors.New("its charging is unknown")
	errOrderLists  = fmt.Errorf("it has more than %d items or %d attributes", maxOrderItems, maxAttributes)
	errOrderText   = fmt.Errorf("a text has more than %d bytes, or is not UTF-8", maxOrderTextBytes)
	errOrderNumber = errors.New("a quantity is negative")
)

var knownCharging = map[Charging]bool{
	"": true, ChargingPrepaid: true, ChargingOneTime: true, ChargingMetered: true, ChargingMeteredPackage: true,
}

// check says what an order has that none can have.
func (o encodedOrder) check() error {
	switch {
	case o.Type == "":
		return errOrderType
	case !knownCharging[o.Charging]:
		return errOrderCharge
	case len(o.Items) > maxOrderItems || len(o.Attributes) > maxAttributes:
		return errOrderLists
	}
	texts := []string{string(o.Type), o.CustomerID, o.CustomerName}
	for _, item := range o.Items {
		if item.Quantity != nil && *item.Quantity < 0 {
			return errOrderNumber
		}
		texts = append(texts, item.ProductID, item.SKUCode, item.ProductName)
	}
	for _, attribute := range o.Attributes {
		texts = append(texts, attribute.Name, attribute.Value)
	}
	for _, text := range texts {
		if len(text) > maxOrderTextBytes || !utf8.ValidString(text) {
			return errOrderText
		}
	}
	return nil
}
