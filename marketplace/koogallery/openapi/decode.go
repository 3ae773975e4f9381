package openapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// answer is the body of the order query, or of the API gateway in front of it (protocol page 4.2).
type answer struct {
	ResultCode  text            `json:"resultCode"`
	GatewayCode text            `json:"error_code"`
	OrderInfo   json.RawMessage `json:"orderInfo"`
}

// code is the answer's code; empty when it has none of the form of a code.
func (a answer) code() string {
	code := string(a.ResultCode)
	if code == "" {
		code = string(a.GatewayCode)
	}
	if !codeForm.MatchString(code) {
		return ""
	}
	return code
}

type orderInfo struct {
	OrderID      text            `json:"orderId"`
	OrderType    text            `json:"orderType"`
	CreateTime   text            `json:"createTime"`
	OrderLine    list[orderLine] `json:"orderLine"`
	BuyerInfo    list[buyerInfo] `json:"buyerInfo"`
	ExtendParams list[param]     `json:"extendParams"`
}

type orderLine struct {
	OrderLineID  text              `json:"orderLineId"`
	ChargingMode text              `json:"chargingMode"`
	PeriodType   text              `json:"periodType"`
	PeriodNumber text              `json:"periodNumber"`
	ExpireTime   text              `json:"expireTime"`
	ProductInfo  list[productInfo] `json:"productInfo"`
	ExtendParams list[param]       `json:"extendParams"`
}

type productInfo struct {
	ProductID   text `json:"productId"`
	SKUCode     text `json:"skuCode"`
	ProductName text `json:"productName"`
	LinearValue text `json:"linearValue"`
}

type buyerInfo struct {
	CustomerID       text `json:"customerId"`
	CustomerName     text `json:"customerName"`
	CustomerRealName text `json:"customerRealName"`
	CustomerType     text `json:"customerType"`
	UserID           text `json:"userId"`
	UserName         text `json:"userName"`
	MobilePhone      text `json:"mobilePhone"`
	Email            text `json:"email"`
}

type param struct {
	Name  text `json:"name"`
	Value text `json:"value"`
}

// DecodeOrder reads an answer of the order query, as QueryOrder returned it in raw, also one that was kept for long. It is
// lenient in form: numbers may be texts and texts numbers, a list may be its only element or JSON in a string, anything may
// be null or missing, unknown members are ignored. It is not lenient in what would be guessed: an unreadable quantity is an
// error. Errors are an *Error of kind ErrGateway or ErrOrderNotFound, or what the code in the answer means.
func DecodeOrder(raw []byte) (Order, error) {
	order, err := decodeAnswer(200, raw)
	if err != nil {
		return Order{}, err
	}
	return order, nil
}

func decodeAnswer(status int, raw []byte) (Order, *Error) {
	var body answer
	if err := json.Unmarshal(raw, &body); err != nil {
		return Order{}, newError(kindOf(status, ""), status, "", nil)
	}
	code := body.code()
	if status != 200 || suffix(code) != successSuffix {
		return Order{}, newError(kindOf(status, code), status, code, nil)
	}
	encoded := unquote(body.OrderInfo)
	if len(encoded) == 0 || string(encoded) == "null" || string(encoded) == `""` {
		return Order{}, newError(ErrOrderNotFound, status, code, nil)
	}
	var info orderInfo
	if err := json.Unmarshal(encoded, &info); err != nil {
		return Order{}, newError(ErrGateway, status, code, errors.New("orderInfo is not an object"))
	}
	order, err := info.order()
	if err != nil {
		return Order{}, newError(ErrGateway, status, code, err)
	}
	return order, nil
}

func (o orderInfo) order() (Order, error) {
	order := Order{
		ID:        string(o.OrderID),
		Type:      string(o.OrderType),
		CreatedAt: o.CreateTime.time(),
		Extend:    params(o.ExtendParams),
	}
	if len(o.BuyerInfo) > 0 {
		order.Buyer = o.BuyerInfo[0].buyer()
	}
	for _, line := range o.OrderLine {
		decoded, err := line.line()
		if err != nil {
			return Order{}, err
		}
		order.Lines = append(order.Lines, decoded)
	}
	return order, nil
}

func (l orderLine) line() (Line, error) {
	line := Line{
		ID:           string(l.OrderLineID),
		ChargingMode: string(l.ChargingMode),
		PeriodType:   string(l.PeriodType),
		ExpiresAt:    l.ExpireTime.time(),
		Extend:       params(l.ExtendParams),
	}
	line.PeriodCount, _ = l.PeriodNumber.integer()
	for _, product := range l.ProductInfo {
		item := Item{
			ProductID:   string(product.ProductID),
			SKUCode:     string(product.SKUCode),
			ProductName: string(product.ProductName),
		}
		if product.LinearValue != "" {
			quantity, ok := product.LinearValue.integer()
			if !ok {
				return Line{}, fmt.Errorf("linearValue is not a whole number from 0 to %d", math.MaxInt32)
			}
			item.Quantity = &quantity
		}
		line.Items = append(line.Items, item)
	}
	return line, nil
}

func (b buyerInfo) buyer() Buyer {
	return Buyer{
		CustomerID:       string(b.CustomerID),
		CustomerName:     string(b.CustomerName),
		CustomerRealName: string(b.CustomerRealName),
		CustomerType:     string(b.CustomerType),
		UserID:           string(b.UserID),
		UserName:         string(b.UserName),
		MobilePhone:      string(b.MobilePhone),
		Email:            string(b.Email),
	}
}

func params(encoded list[param]) []Param {
	var decoded []Param
	for _, p := range encoded {
		if p.Name != "" {
			decoded = append(decoded, Param{Name: string(p.Name), Value: string(p.Value)})
		}
	}
	return decoded
}

// text reads a string, a number or a bool as its text, an object or array as its JSON, and null as nothing.
type text string

func (t *text) UnmarshalJSON(raw []byte) error {
	var plain string
	switch {
	case string(raw) == "null":
		*t = ""
	case json.Unmarshal(raw, &plain) == nil:
		*t = text(plain)
	default:
		*t = text(raw)
	}
	return nil
}

// integer reads a whole number that is not negative, also one written with a fraction of zero.
func (t text) integer() (int32, bool) {
	whole, fraction, _ := strings.Cut(strings.TrimSpace(string(t)), ".")
	number, err := strconv.ParseInt(whole, 10, 32)
	if err != nil || number < 0 || strings.Trim(fraction, "0") != "" {
		return 0, false
	}
	return int32(number), true
}

// time reads yyyyMMddHHmmss, with milliseconds or without, and with the marks of ISO 8601 or without; as UTC. Zero when it is
// something else.
func (t text) time() time.Time {
	digits := strings.NewReplacer("-", "", "T", "", ":", "", "Z", "", ".", "", " ", "").Replace(string(t))
	const seconds, millis = 14, 17
	if (len(digits) != seconds && len(digits) != millis) || strings.Trim(digits, "0123456789") != "" {
		return time.Time{}
	}
	at, err := time.Parse("20060102150405", digits[:seconds])
	if err != nil {
		return time.Time{}
	}
	ms, _ := strconv.Atoi("0" + digits[seconds:])
	return at.Add(time.Duration(ms) * time.Millisecond)
}

// list reads an array, its only element without the array around it, or either as JSON in a string. Elements that are no
// objects are left out.
type list[T any] []T

func (l *list[T]) UnmarshalJSON(raw []byte) error {
	raw = unquote(raw)
	var elements []json.RawMessage
	if json.Unmarshal(raw, &elements) != nil {
		elements = []json.RawMessage{raw}
	}
	*l = nil
	for _, element := range elements {
		var value T
		if bytes.HasPrefix(element, []byte("{")) && json.Unmarshal(element, &value) == nil {
			*l = append(*l, value)
		}
	}
	return nil
}

// unquote takes JSON out of a string that holds it.
func unquote(raw []byte) []byte {
	var quoted string
	if json.Unmarshal(raw, &quoted) == nil && quoted != "" {
		return bytes.TrimSpace([]byte(quoted))
	}
	return raw
}
