package openapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/internal/exact"
)

type orderInfo struct {
	OrderID      text             `json:"orderId"`
	OrderType    text             `json:"orderType"`
	CreateTime   text             `json:"createTime"`
	OrderLine    list[orderLine]  `json:"orderLine"`
	BuyerInfo    spare[buyerInfo] `json:"buyerInfo"`
	ExtendParams spare[param]     `json:"extendParams"`
}

type orderLine struct {
	OrderLineID  text              `json:"orderLineId"`
	ChargingMode text              `json:"chargingMode"`
	PeriodType   text              `json:"periodType"`
	PeriodNumber text              `json:"periodNumber"`
	ExpireTime   text              `json:"expireTime"`
	ProductInfo  list[productInfo] `json:"productInfo"`
	ExtendParams spare[param]      `json:"extendParams"`
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

// decodeOrderInfo reads the order out of an answer of success. It is lenient in form: numbers may be texts and texts numbers, a list may
// be its only element or JSON in a string, anything may be null or missing, unknown members are ignored. It is not lenient in what would
// be guessed: an unreadable quantity is an error.
func decodeOrderInfo(raw []byte) (Order, *Error) {
	var answer struct {
		OrderInfo json.RawMessage `json:"orderInfo"`
	}
	if err := exact.Unmarshal(raw, &answer); err != nil {
		return Order{}, orderQuery.failed(ErrGateway, http.StatusOK, "", nil)
	}
	encoded := unquote(answer.OrderInfo)
	if len(encoded) == 0 || string(encoded) == "null" || string(encoded) == `""` {
		return Order{}, orderQuery.failed(ErrOrderNotFound, http.StatusOK, "", nil)
	}
	var info orderInfo
	if err := exact.Unmarshal(encoded, &info); err != nil {
		return Order{}, orderQuery.failed(ErrGateway, http.StatusOK, "", errors.New("orderInfo is not an unambiguous JSON object"))
	}
	order, err := info.order()
	if err != nil {
		return Order{}, orderQuery.failed(ErrGateway, http.StatusOK, "", err)
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

func params(encoded spare[param]) []Param {
	var decoded []Param
	for _, p := range encoded {
		if p.Name != "" {
			decoded = append(decoded, Param{Name: string(p.Name), Value: string(p.Value)})
		}
	}
	return decoded
}
