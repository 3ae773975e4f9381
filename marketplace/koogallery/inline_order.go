package koogallery

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/internal/exact"
)

const (
	// maxCustomerID is the length of an account's id (protocol page 5.4).
	maxCustomerID = 100
	// maxExtendParams bounds what is kept of saasExtendParams; three of one's own are the most (protocol page 5.5).
	maxExtendParams = 128
	// maxExtendText bounds their names and values, in bytes.
	maxExtendText = 4 << 10
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
var chargingModes = map[int32]marketplace.Charging{
	0: marketplace.ChargingMetered,
	1: marketplace.ChargingPrepaid,
	3: marketplace.ChargingOneTime,
	5: marketplace.ChargingMeteredPackage,
}

// order reads what a purchase and an upgrade have in common.
func (f *fields) order(of marketplace.OrderType) marketplace.Order {
	item := marketplace.Item{
		ProductID: f.id("productId", longestID),
		SKUCode:   f.id("skuCode", longestID),
		Quantity:  f.linearValue(linearAttributes[0]),
	}
	order := marketplace.Order{Type: of, Items: []marketplace.Item{item}, Attributes: f.extendParams()}
	for _, name := range linearAttributes {
		if sold := f.linearValue(name); sold != nil {
			// What was paid for counts before what the buyer wrote under the same name.
			order.Attributes = setAttribute(order.Attributes, name, strconv.Itoa(int(*sold)))
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

// buyer reads the buyer's personal data, of which most calls have none (protocol page 5.4).
func (f *fields) buyer() marketplace.Buyer {
	return marketplace.Buyer{
		UserID:      f.short("userId", maxID),
		UserName:    f.short("userName", maxID),
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

// extendParams reads what the buyer filled in (protocol page 5.5). What can't be read stands in the order's Raw only: which products
// need it is not known here, and no sale is lost over it.
func (f *fields) extendParams() []marketplace.Attribute {
	text := f.text(paramExtend)
	if f.err != nil || strings.TrimSpace(text) == "" {
		return nil
	}
	list, complete := decodeExtendParams(text)
	if !complete {
		f.note(paramExtend)
	}
	var attributes []marketplace.Attribute
	for _, param := range list {
		expanded, ok := WeLinkAttributes(param.Name, string(param.Value))
		if !ok && param.Name != "" {
			expanded = []marketplace.Attribute{{Name: param.Name, Value: string(param.Value)}}
		}
		for _, attribute := range expanded {
			if len(attribute.Name) > maxExtendText || len(attribute.Value) > maxExtendText || len(attributes) == maxExtendParams {
				f.note(paramExtend)
				continue
			}
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

// decodeExtendParams reads saasExtendParams: base64, of either alphabet, of a JSON array of objects or of one such object. It is
// encoded for a URL before it is put into one, so it may arrive once more encoded than the other parameters; and a blank was a plus
// sign. complete is false if there is something that can't be read.
func decodeExtendParams(text string) (list []extendParam, complete bool) {
	if unescaped, err := url.PathUnescape(text); err == nil {
		text = unescaped
	}
	encoded := strings.TrimRight(strings.NewReplacer(" ", "+", "-", "+", "_", "/").Replace(text), "=")
	decoded, err := base64.RawStdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, false
	}
	var elements []json.RawMessage
	if json.Unmarshal(decoded, &elements) != nil {
		elements = []json.RawMessage{decoded}
	}
	complete = true
	for _, element := range elements {
		var param extendParam
		if exact.Unmarshal(element, &param) != nil {
			complete = false
			continue
		}
		list = append(list, param)
	}
	return list, complete
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
