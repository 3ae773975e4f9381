package koogallerytest

import (
	"time"
)

// orderTime is the layout of the order query's times, in UTC (protocol page 4.2).
const orderTime = "20060102150405"

// OrderInfo is an order as the order query answers it (protocol page 4.2), for OpenAPI.AddOrder after json.Marshal.
type OrderInfo struct {
	OrderID      string      `json:"orderId"`
	OrderType    string      `json:"orderType"`
	CreateTime   string      `json:"createTime"`
	OrderLine    []OrderLine `json:"orderLine"`
	BuyerInfo    *BuyerInfo  `json:"buyerInfo"`
	ExtendParams []Param     `json:"extendParams"`
}

// OrderLine is a line of an OrderInfo.
type OrderLine struct {
	OrderLineID           string        `json:"orderLineId"`
	ChargingMode          string        `json:"chargingMode"`
	PeriodType            string        `json:"periodType,omitempty"`
	PeriodNumber          int           `json:"periodNumber,omitempty"`
	ExpireTime            string        `json:"expireTime,omitempty"`
	ProductInfo           []ProductInfo `json:"productInfo"`
	ExtendParams          []Param       `json:"extendParams"`
	Currency              string        `json:"currency"`
	CurrencyAfterDiscount string        `json:"currencyAfterDiscount"`
}

// ProductInfo is a product of an OrderLine.
type ProductInfo struct {
	ProductID   string `json:"productId"`
	SKUCode     string `json:"skuCode"`
	LinearValue *int32 `json:"linearValue"`
	ProductName string `json:"productName"`
}

// BuyerInfo is who ordered; what is nil is null in the answer.
type BuyerInfo struct {
	CustomerID       *string `json:"customerId"`
	CustomerName     *string `json:"customerName"`
	CustomerRealName *string `json:"customerRealName"`
	CustomerType     *int    `json:"customerType"`
	UserID           *string `json:"userId"`
	UserName         *string `json:"userName"`
	MobilePhone      *string `json:"mobilePhone"`
	Email            *string `json:"email"`
}

// Param is a parameter that the buyer filled in.
type Param struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// mockOrders are the documented mock orders (protocol page 4.2), without what depends on the time.
var mockOrders = []struct {
	id, orderType, chargingMode, periodType string
	years, months, days                     int
}{
	{id: "MOCKPERIODYEARNEW", orderType: "NEW", chargingMode: "PERIOD", periodType: "year", years: 1},
	{id: "MOCKONETIMENEW", orderType: "NEW", chargingMode: "ONE_TIME"},
	{id: "MOCKONDEMAND", orderType: "NEW", chargingMode: "ON_DEMAND"},
	{id: "MOCKONDEMANDPKG", orderType: "NEW", chargingMode: "ON_DEMAND_PKG", periodType: "year", years: 1},
	{id: "MOCKPERIODDAYTRIAL", orderType: "TRIAL", chargingMode: "PERIOD", periodType: "day", days: 1},
	{id: "MOCKMONTYTRIALTOFORMAL", orderType: "TRIAL_TO_FORMAL", chargingMode: "PERIOD", periodType: "month", months: 1},
	{id: "MOCKMONTYUNSUBSCRIBE", orderType: "UNSUBSCRIBE", chargingMode: "PERIOD", periodType: "month", months: 1},
	{id: "MOCKMONTYRENEW", orderType: "RENEW", chargingMode: "PERIOD", periodType: "month", months: 1},
	{id: "MOCKMONTYCHANGE", orderType: "CHANGE", chargingMode: "PERIOD", periodType: "month", months: 1},
}

// MockOrders are the documented mock orders, each with the line "<order id>-000001", ordered now and selling one of the product.
// The buyer is invented; some of its members are null, as in the real mock.
func MockOrders(now time.Time, productID, skuCode string) []OrderInfo {
	quantity := int32(1)
	var orders []OrderInfo
	for _, mock := range mockOrders {
		line := OrderLine{
			OrderLineID:           mock.id + "-000001",
			ChargingMode:          mock.chargingMode,
			PeriodType:            mock.periodType,
			ProductInfo:           []ProductInfo{{productID, skuCode, &quantity, "Mock product"}},
			ExtendParams:          []Param{},
			Currency:              "1.00",
			CurrencyAfterDiscount: "1.00",
		}
		if mock.periodType != "" {
			line.PeriodNumber = 1
			line.ExpireTime = now.UTC().AddDate(mock.years, mock.months, mock.days).Format(orderTime)
		}
		orders = append(orders, OrderInfo{
			OrderID:      mock.id,
			OrderType:    mock.orderType,
			CreateTime:   now.UTC().Format(orderTime),
			OrderLine:    []OrderLine{line},
			BuyerInfo:    mockBuyer(),
			ExtendParams: []Param{},
		})
	}
	return orders
}

func mockBuyer() *BuyerInfo {
	id, name, phone, mail, kind := "mock-customer-id", "mock-customer", "15900000000", "buyer@example.com", 1
	return &BuyerInfo{CustomerID: &id, CustomerName: &name, CustomerType: &kind, MobilePhone: &phone, Email: &mail}
}
