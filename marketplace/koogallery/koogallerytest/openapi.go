package koogallerytest

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/openapi"
)

const (
	orderQueryPath    = "/api/mkp-openapi-public/global/v1/order/query"
	defaultOrdersPath = "/orders"
	maxOrder          = 1 << 20
	maxOrderID        = 64
	// maxClockSkew is how far the date of a call may be from the API's (protocol page 4.1).
	maxClockSkew = 15 * time.Minute
)

// OpenAPIOptions configure an OpenAPI.
type OpenAPIOptions struct {
	// AK and SK are what order queries have to be signed with.
	AK, SK string
	// OrdersPath takes POSTed orders, which need no signature; "" means "/orders".
	OrdersPath string
	// ProductID and SKUCode are what the mock orders sell; "" means "mock-product" and "mock-sku".
	ProductID, SKUCode string
	// Clock gives the time; nil means time.Now.
	Clock func() time.Time
}

// OpenAPI fakes KooGallery's open API. It answers the order query for the documented mock orders and for orders that were
// added, checks the AK/SK signature, and can be made to fail. It is an http.Handler and safe for concurrent use.
//
// An order it does not know is answered with success and no orderInfo. What the real one answers is not documented; a Fault
// makes another answer.
type OpenAPI struct {
	options OpenAPIOptions

	mu        sync.Mutex
	orders    map[string]json.RawMessage
	calls     map[string]int
	fault     Fault
	remaining int
}

// Fault is a way in which the fake answers order queries.
type Fault struct {
	// Delay comes before the answer. With nothing else set the answer is then the right one.
	Delay time.Duration
	// Status replaces the answer when it is not 0.
	Status int
	// Code is the API's code of that answer, such as "MKT.0250"; unused with a Body.
	Code string
	// RetryAfter is sent in whole seconds when it is not 0.
	RetryAfter time.Duration
	// Body is the exact body of that answer; "" means one with Code.
	Body string
}

// NewOpenAPI makes a fake with the mock orders in it.
func NewOpenAPI(options OpenAPIOptions) *OpenAPI {
	if options.OrdersPath == "" {
		options.OrdersPath = defaultOrdersPath
	}
	if options.ProductID == "" {
		options.ProductID = "mock-product"
	}
	if options.SKUCode == "" {
		options.SKUCode = "mock-sku"
	}
	if options.Clock == nil {
		options.Clock = time.Now
	}
	o := &OpenAPI{options: options, orders: map[string]json.RawMessage{}, calls: map[string]int{}}
	for _, order := range MockOrders(options.Clock(), options.ProductID, options.SKUCode) {
		o.orders[order.OrderID] = marshal(order)
	}
	return o
}

// AddOrder adds an order or replaces the one with its id. orderInfo is what the order query answers in "orderInfo", and is
// answered as it is; an object with such a member is taken as well.
func (o *OpenAPI) AddOrder(orderInfo json.RawMessage) error {
	var order struct {
		OrderID   string          `json:"orderId"`
		OrderInfo json.RawMessage `json:"orderInfo"`
	}
	if err := json.Unmarshal(orderInfo, &order); err != nil {
		return errors.New("adding an order: it is not an orderInfo as JSON object")
	}
	if len(order.OrderInfo) > 0 && order.OrderID == "" {
		return o.AddOrder(order.OrderInfo)
	}
	if order.OrderID == "" || len(order.OrderID) > maxOrderID {
		return fmt.Errorf("adding an order: orderId must have 1 to %d characters", maxOrderID)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.orders[order.OrderID] = orderInfo
	return nil
}

// Fail makes the next order queries, as many as times says, answer with the fault. 0 ends a fault, -1 is for ever.
func (o *OpenAPI) Fail(fault Fault, times int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fault, o.remaining = fault, times
}

// Calls is the number of order queries for an order that arrived, well signed or not; "" counts all of them.
func (o *OpenAPI) Calls(orderID string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.calls[orderID]
}

func (o *OpenAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == orderQueryPath:
		o.queryOrder(w, r)
	case r.URL.Path == o.options.OrdersPath && r.Method == http.MethodPost:
		o.postOrder(w, r)
	default:
		answer(w, http.StatusNotFound, map[string]any{"error_code": "APIGW.0101", "error_msg": "The API does not exist."})
	}
}

func (o *OpenAPI) postOrder(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxOrder))
	if err == nil {
		err = o.AddOrder(body)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusCreated)
}

func (o *OpenAPI) queryOrder(w http.ResponseWriter, r *http.Request) {
	orderID := r.URL.Query().Get("orderId")
	fault, order := o.arrived(orderID)
	if fault.Delay > 0 {
		select {
		case <-time.After(fault.Delay):
		case <-r.Context().Done():
			return
		}
	}
	switch {
	case fault.Status != 0:
		fault.answer(w)
	case r.Method != http.MethodGet:
		answer(w, http.StatusMethodNotAllowed, failure("MKT.0199"))
	case !o.wellSigned(r):
		answer(w, http.StatusUnauthorized, map[string]any{
			"error_code": "APIGW.0301", "error_msg": "Incorrect IAM authentication information",
		})
	case orderID == "" || len(orderID) > maxOrderID || len(r.URL.Query().Get("orderLineId")) > maxOrderID:
		answer(w, http.StatusBadRequest, failure("MKT.0101"))
	default:
		found := map[string]any{"resultCode": "MKT.0000", "resultMsg": "success"}
		if order != nil {
			found["orderInfo"] = order
		}
		answer(w, http.StatusOK, found)
	}
}

// arrived counts a query and takes what is needed to answer it.
func (o *OpenAPI) arrived(orderID string) (Fault, json.RawMessage) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls[""]++
	if orderID != "" {
		o.calls[orderID]++
	}
	var fault Fault
	if o.remaining != 0 {
		fault = o.fault
	}
	if o.remaining > 0 {
		o.remaining--
	}
	return fault, o.orders[orderID]
}

// wellSigned checks the Authorization header and the date (protocol page 4.1).
func (o *OpenAPI) wellSigned(r *http.Request) bool {
	at, err := time.Parse(openapi.DateFormat, r.Header.Get(openapi.HeaderDate))
	if err != nil || o.options.Clock().Sub(at).Abs() > maxClockSkew {
		return false
	}
	given := r.Header.Get("Authorization")
	_, rest, _ := strings.Cut(given, "SignedHeaders=")
	names, _, ok := strings.Cut(rest, ",")
	headers := strings.Split(names, ";")
	if !ok || !strings.Contains(";"+names+";", ";"+strings.ToLower(openapi.HeaderDate)+";") {
		return false
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxOrder))
	if err != nil {
		return false
	}
	wanted := openapi.Authorization(r, o.options.AK, o.options.SK, headers, body)
	return subtle.ConstantTimeCompare([]byte(given), []byte(wanted)) == 1
}

func (f Fault) answer(w http.ResponseWriter) {
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(f.RetryAfter.Seconds())))
	}
	if f.Body == "" {
		answer(w, f.Status, failure(f.Code))
		return
	}
	w.WriteHeader(f.Status)
	_, _ = io.WriteString(w, f.Body)
}

func failure(code string) map[string]any {
	return map[string]any{"resultCode": code, "resultMsg": "the request failed"}
}

func answer(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_, _ = w.Write(marshal(body))
}
