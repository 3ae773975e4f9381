package koogallery

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

// Lengths of the fields of SaaS V1.0 (protocol page 5.4).
const (
	maxCustomerID   = 100
	maxChargingMode = 3
	maxExtend       = 2048
)

// Parameters whose values are base64 in part or whole.
const (
	paramMobilePhone = "mobilePhone"
	paramEmail       = "email"
	paramExtend      = "saasExtendParams"
)

// linearAttributes are the quantities that SaaS V1.0 can sell of one product (protocol page 5.4). Each becomes an attribute of
// its name; the first is the quantity too, as V2.0 has it.
var linearAttributes = []string{"amount", "diskSize", "bandWidth"}

// chargingModes are the values of chargingMode (protocol page 5.4).
var chargingModes = map[string]marketplace.Charging{
	"0": marketplace.ChargingOnDemand,
	"1": marketplace.ChargingPeriod,
	"3": marketplace.ChargingOneTime,
	"5": marketplace.ChargingOnDemandPackage,
}

// order reads what a purchase and an upgrade have in common.
func (f *fields) order(of marketplace.OrderType) marketplace.Order {
	item := marketplace.Item{
		ProductID: f.optional("productId", maxID),
		SKUCode:   f.optional("skuCode", maxID),
		Quantity:  f.linearValue(linearAttributes[0]),
	}
	order := marketplace.Order{Type: of, Items: []marketplace.Item{item}, Attributes: f.extendParams()}
	for _, name := range linearAttributes {
		if f.linearValue(name) != nil {
			// What was paid for counts before what the buyer wrote under the same name.
			order.Attributes = setAttribute(order.Attributes, name, f.looseText(name))
		}
	}
	return order
}

// finished adds what the call said, for the Secret: a JSON object of its parameters, with the buyer's data in plain, because
// nobody can read them once the access key has changed. It is nil when the call was not understood.
func (f *fields) finished(order marketplace.Order) *marketplace.Order {
	if f.err != nil {
		return nil
	}
	said := map[string]string{}
	for name := range f.members {
		if name != tokenParameter {
			said[name] = f.text(name)
		}
	}
	for name, plain := range map[string]string{paramMobilePhone: order.Buyer.MobilePhone, paramEmail: order.Buyer.Email} {
		if plain != "" {
			said[name] = plain
		}
	}
	// A map of texts can't fail.
	order.Raw, _ = json.Marshal(said)
	return &order
}

// estimatedEnd is the end of the period of a new order. It is an estimate only (protocol page 5.4), so a sale is not lost over
// one that can't be read.
func (f *fields) estimatedEnd() time.Time {
	at, _ := parseUTC(f.text("expireTime"))
	return at
}

// buyer reads the buyer's personal data, of which most calls have none (protocol page 5.4).
func (f *fields) buyer() marketplace.Buyer {
	return marketplace.Buyer{
		UserID:      f.optional("userId", maxID),
		UserName:    f.optional("userName", maxID),
		MobilePhone: f.sensitive(paramMobilePhone),
		Email:       f.sensitive(paramEmail),
	}
}

// sensitive decrypts a field. KooGallery's samples use the longer key for calls, and no page says so: the shorter one is tried
// too. What can't be decrypted is left to the order's Raw as it came: no sale is lost over a phone number.
func (f *fields) sensitive(name string) string {
	value := f.text(name)
	for _, kind := range []EncryptType{EncryptAES256, EncryptAES128} {
		if text, err := DecryptField(f.key, kind, value); err == nil {
			return text
		}
	}
	return ""
}

// flag reads a switch of SaaS V1.0: 1 is on, anything else or nothing is off.
func (f *fields) flag(name string) bool { return f.text(name) == "1" }

// extendParams reads what the buyer filled in (protocol page 5.5).
func (f *fields) extendParams() []marketplace.Attribute {
	text := f.text(paramExtend)
	if f.err != nil || text == "" {
		return nil
	}
	list, ok := decodeExtendParams(text)
	if !ok {
		f.fail("%s must be base64 of a JSON array of objects with name and value, at most %d characters", paramExtend, maxExtend)
		return nil
	}
	var attributes []marketplace.Attribute
	for _, param := range list {
		expanded, ok := WeLinkAttributes(param.Name, string(param.Value))
		if !ok && param.Name != "" {
			expanded = []marketplace.Attribute{{Name: param.Name, Value: string(param.Value)}}
		}
		for _, attribute := range expanded {
			attributes = setAttribute(attributes, attribute.Name, attribute.Value)
		}
	}
	return attributes
}

// extendParam is an element of saasExtendParams.
type extendParam struct {
	Name  string    `json:"name"`
	Value looseText `json:"value"`
}

// decodeExtendParams reads saasExtendParams. It is encoded for a URL before it is put into one, so it may arrive once more
// encoded than the other parameters; and a blank was a plus sign.
func decodeExtendParams(text string) (list []extendParam, ok bool) {
	if strings.Contains(text, "%") {
		unescaped, err := url.PathUnescape(text)
		if err != nil {
			return nil, false
		}
		text = unescaped
	}
	if len(text) > maxExtend {
		return nil, false
	}
	encoded := strings.TrimRight(strings.ReplaceAll(text, " ", "+"), "=")
	decoded, err := base64.RawStdEncoding.DecodeString(encoded)
	return list, err == nil && json.Unmarshal(decoded, &list) == nil
}

// looseText is a JSON text, or any other JSON value as it was written.
type looseText string

// UnmarshalJSON never fails.
func (t *looseText) UnmarshalJSON(raw []byte) error {
	var text string
	switch {
	case isNull(raw):
		*t = ""
	case json.Unmarshal(raw, &text) == nil:
		*t = looseText(text)
	default:
		*t = looseText(raw)
	}
	return nil
}

// setAttribute keeps each name once; the last value counts.
func setAttribute(attributes []marketplace.Attribute, name, value string) []marketplace.Attribute {
	for i := range attributes {
		if attributes[i].Name == name {
			attributes[i].Value = value
			return attributes
		}
	}
	return append(attributes, marketplace.Attribute{Name: name, Value: value})
}
