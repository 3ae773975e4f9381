package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// sale is one of the demo's sales.
type sale struct {
	title    string // such as "first sale"
	order    string // the purchase order
	skuCode  string
	instance string // the instance's id and name, once the purchase was answered
	expires  time.Time
	claims   map[string]string // UIDs of the claims by name, as they were first bound
}

// order is an order as the order query's orderInfo has it (protocol page 4.2).
type order struct {
	OrderID    string      `json:"orderId"`
	OrderType  string      `json:"orderType"`
	CreateTime string      `json:"createTime"`
	OrderLine  []orderLine `json:"orderLine"`
	BuyerInfo  buyerInfo   `json:"buyerInfo"`
}

type orderLine struct {
	OrderLineID  string        `json:"orderLineId"`
	ChargingMode string        `json:"chargingMode"`
	PeriodType   string        `json:"periodType"`
	PeriodNumber int           `json:"periodNumber"`
	ExpireTime   string        `json:"expireTime"`
	ProductInfo  []productInfo `json:"productInfo"`
}

type productInfo struct {
	ProductID   string `json:"productId"`
	SKUCode     string `json:"skuCode"`
	ProductName string `json:"productName"`
	LinearValue int32  `json:"linearValue"`
}

type buyerInfo struct {
	CustomerID   string `json:"customerId"`
	CustomerName string `json:"customerName"`
	MobilePhone  string `json:"mobilePhone"`
}

// orderTime is the form of an order's times, in UTC.
const orderTime = "20060102150405"

// postOrder makes an order known to the fake open API: a person has bought.
func (d *demo) postOrder(ctx context.Context, orderID, orderType, skuCode string, quantity int32, expires time.Time) error {
	productID := "OFFI-OF-ANOTHER-PRODUCT"
	for _, l := range []listing{d.sold, d.joint} {
		if skuCode == l.skuCode {
			productID = l.productID
		}
	}
	body, err := json.Marshal(order{
		OrderID:    orderID,
		OrderType:  orderType,
		CreateTime: time.Now().UTC().Format(orderTime),
		OrderLine: []orderLine{{
			OrderLineID: orderID + "-000001", ChargingMode: "PERIOD", PeriodType: "month", PeriodNumber: 1,
			ExpireTime:  expires.UTC().Format(orderTime),
			ProductInfo: []productInfo{{ProductID: productID, SKUCode: skuCode, ProductName: "Web shop", LinearValue: quantity}},
		}},
		// A name that would break out of YAML, and personal data that must not be seen in any object but a Secret.
		BuyerInfo: buyerInfo{CustomerID: "demo-customer", CustomerName: "Shop: \"A\" & {{ B }} # 1", MobilePhone: "+86 100 0000 0000"},
	})
	if err != nil {
		return fmt.Errorf("encoding an order: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, d.ordersURL, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("posting an order: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("posting an order: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusCreated {
		reason, _ := io.ReadAll(io.LimitReader(answer.Body, 300))
		return fmt.Errorf("posting an order: the fake open API answers %d: %s", answer.StatusCode, strings.TrimSpace(string(reason)))
	}
	return nil
}

// simulated is what the demo reads of `stallkeeper simulate -o json`.
type simulated struct {
	Problems []string `json:"problems"`
	Answer   struct {
		ResultCode string `json:"resultCode"`
		InstanceID string `json:"instanceId"`
		Body       struct {
			Info []struct {
				AppInfo *accessData `json:"appInfo"`
			} `json:"info"`
		} `json:"body"`
	} `json:"answer"`
}

// accessData is what the buyer sees in KooGallery.
type accessData struct {
	FrontEndURL string `json:"frontEndUrl"`
	AdminURL    string `json:"adminUrl"`
	UserName    string `json:"userName"`
	Password    string `json:"password"`
	Memo        string `json:"memo"`
}

// koogallery makes a call of the marketplace with the simulator, tells of it, and notes it in the timeline. An answer that
// KooGallery would not accept is an error.
func (d *demo) koogallery(ctx context.Context, s *sale, verb, detail string, flags ...string) (simulated, error) {
	began := time.Now()
	output, err := d.runCommand(ctx, command{
		env:  []string{"CALLBACK_URL=" + d.callback, "ACCESS_KEY=" + d.keys.accessKey, "KIT_ACCESS_KEY=" + d.keys.kitAccessKey, "CA_FILE=" + d.paths.authority()},
		args: append([]string{d.paths.stallkeeper(), "simulate", verb, "-o", "json"}, flags...),
	})
	var result simulated
	if decodeErr := json.Unmarshal([]byte(output), &result); decodeErr != nil && err == nil {
		err = fmt.Errorf("reading the simulator's output: %w", decodeErr)
	}
	if err != nil {
		return result, fmt.Errorf("the marketplace's call %q was not answered well: %w", verb, firstOf(result.Problems, err))
	}
	text := strings.TrimSpace(verb + " " + detail)
	d.out.called(text, result.Answer.ResultCode)
	d.timeline.called(s.instanceOr(result.Answer.InstanceID), text, began)
	return result, nil
}

// firstOf is an error of the problems when there are any: they say more than an exit code.
func firstOf(problems []string, err error) error {
	if len(problems) == 0 {
		return err
	}
	return fmt.Errorf("%s", strings.Join(problems, "; "))
}

// instanceOr is the sale's instance, or the one that the answer to its purchase has named.
func (s *sale) instanceOr(answered string) string {
	if s.instance != "" {
		return s.instance
	}
	return answered
}
