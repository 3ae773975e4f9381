package openapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

// Reader is a Client as a marketplace.OrderReader.
type Reader struct{ Client *Client }

var _ marketplace.OrderReader = Reader{}

// orderTypes are the order query's types in the words that all marketplaces share.
var orderTypes = map[string]marketplace.OrderType{
	OrderNew:           marketplace.OrderPurchase,
	OrderTrial:         marketplace.OrderTrial,
	OrderTrialToFormal: marketplace.OrderTrialToFormal,
	OrderUnsubscribe:   marketplace.OrderUnsubscription,
	OrderRenew:         marketplace.OrderRenewal,
	OrderChange:        marketplace.OrderChange,
}

var charging = map[string]marketplace.Charging{
	ChargingOnDemand:        marketplace.ChargingMetered,
	ChargingOneTime:         marketplace.ChargingOneTime,
	ChargingPeriod:          marketplace.ChargingPrepaid,
	ChargingOnDemandPackage: marketplace.ChargingMeteredPackage,
}

// errorKinds says what each kind of error means to somebody who does not know this API.
var errorKinds = map[error]error{
	ErrOrderNotFound: marketplace.ErrOrderNotFound,
	ErrNotPermitted:  marketplace.ErrOrderRefused,
	ErrCredentials:   marketplace.ErrOrderRefused,
	ErrRateLimited:   marketplace.ErrUnavailable,
	ErrUnavailable:   marketplace.ErrUnavailable,
	ErrInvalid:       marketplace.ErrOrderInvalid,
	// A proxy's error page or a captive portal goes away by itself, a wrong address does not: both are asked again.
	ErrGateway: marketplace.ErrUnavailable,
}

// ReadOrder asks the order query for one line. Errors are *marketplace.CallError.
func (r Reader) ReadOrder(ctx context.Context, orderID, orderLineID string) (marketplace.Order, error) {
	found, raw, err := r.Client.QueryOrder(ctx, orderID, orderLineID)
	if err != nil {
		return marketplace.Order{}, orderError(err)
	}
	line, ok := found.Line(orderLineID)
	if !ok {
		return marketplace.Order{}, &marketplace.CallError{
			Kind:   marketplace.ErrOrderInvalid,
			Detail: fmt.Sprintf("it has %d lines, but not the requested one", len(found.Lines)),
			Remedy: "compare the order's lines with the seller console",
		}
	}
	order := marketplace.Order{
		Type: orderTypes[found.Type], OrderedAt: found.CreatedAt, Charging: charging[line.ChargingMode],
		ExpiresAt: line.ExpiresAt, Attributes: attributes(found.Extend, line.Extend),
		CustomerID: found.Buyer.CustomerID, CustomerName: found.Buyer.CustomerName, Raw: raw,
	}
	if order.Type == "" {
		order.Type = marketplace.OrderType(found.Type)
	}
	for _, item := range line.Items {
		order.Items = append(order.Items, marketplace.Item(item))
	}
	return order, nil
}

// attributes are the parameters of the order with those of the line over them, each name once. What stands in a parameter as JSON
// is taken apart, as in a call that carries its order.
func attributes(lists ...[]Param) []marketplace.Attribute {
	var result []marketplace.Attribute
	position := map[string]int{}
	for _, list := range lists {
		for _, param := range list {
			expanded, ok := koogallery.WeLinkAttributes(param.Name, param.Value)
			if !ok {
				expanded = []marketplace.Attribute{{Name: param.Name, Value: param.Value}}
			}
			for _, attribute := range expanded {
				if at, ok := position[attribute.Name]; ok {
					result[at].Value = attribute.Value
					continue
				}
				position[attribute.Name] = len(result)
				result = append(result, attribute)
			}
		}
	}
	return result
}

// orderError says the same in the words of package marketplace. The network's own words are left out of the text, because
// they differ from call to call.
func orderError(err error) error {
	var failed *Error
	if !errors.As(err, &failed) {
		return &marketplace.CallError{Kind: marketplace.ErrUnavailable, Whole: true, Cause: err}
	}
	var details []string
	if failed.Kind != errorKinds[failed.Kind] && errorKinds[failed.Kind] != nil {
		details = append(details, failed.Kind.Error())
	}
	if failed.Status != 0 {
		details = append(details, fmt.Sprintf("HTTP %d", failed.Status))
	}
	if failed.Code != "" {
		details = append(details, "code "+failed.Code)
	}
	kind, ok := errorKinds[failed.Kind]
	if !ok {
		kind = marketplace.ErrUnavailable
	}
	return &marketplace.CallError{
		Kind: kind, Whole: failed.ofEveryOrder(), Detail: strings.Join(details, ", "), Remedy: failed.Remedy, RetryAfter: failed.RetryAfter, Cause: err,
	}
}

// ofEveryOrder reports whether another order would have the same error. An internal error that has the API's code and an order that can't be
// read tell of this one.
func (e *Error) ofEveryOrder() bool {
	switch {
	case errors.Is(e.Kind, ErrCredentials), errors.Is(e.Kind, ErrRateLimited):
		return true
	case errors.Is(e.Kind, ErrUnavailable):
		return e.Code == ""
	case errors.Is(e.Kind, ErrGateway):
		return e.Status != http.StatusOK
	}
	return false
}
