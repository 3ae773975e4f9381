package koogallerytest

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/openapi"
)

const (
	defaultOrdersPath = "/orders"
	maxOrder          = 1 << 20
	// maxCall is the size in bytes of the largest call, an upload.
	maxCall = 4 << 20
	// maxID is the length of all ids (protocol page 4 and 7).
	maxID = 64
	// maxClockSkew is how far the date of a call may be from the API's (protocol page 4.1).
	maxClockSkew = 15 * time.Minute
)

// OpenAPIOptions configure an OpenAPI.
type OpenAPIOptions struct {
	// AK and SK are what all calls of the API have to be signed with.
	AK, SK string
	// AccessKey is what the body of a usage push has to be signed with; "" refuses every push but those of the old API.
	AccessKey string
	// OrdersPath takes POSTed orders, which need no signature; "" means "/orders".
	OrdersPath string
	// ProductID and SKUCode are what the mock orders sell; "" means "mock-product" and "mock-sku".
	ProductID, SKUCode string
	// UsageRepeats is what happens to a usage record whose metering_sn came before.
	UsageRepeats UsageRepeats
	// UsagePartly keeps the sound records of a push that is refused because of others. It is not documented what the real one does.
	UsagePartly bool
	// Clock gives the time; nil means time.Now.
	Clock func() time.Time
}

// OpenAPI fakes KooGallery's open API: the order query, both usage pushes, and the activation, query and upload of licenses.
// It checks the AK/SK signature of all calls, and can be made to fail. It is an http.Handler and safe for concurrent use.
//
// Orders are the documented mock orders and those that were added; license codes are those that were added. What was pushed
// and uploaded can be read back. Programs do the same over HTTP, without a signature: POST an orderInfo to OrdersPath, POST a
// MintedLicense to "/licenses" (of a code that is there, only what is posted changes), GET "/licenses", "/usage",
// "/usage/pushes" and "/uploads".
//
// An order it does not know is answered with success and no orderInfo. What the real one answers is not documented; a Fault
// makes another answer.
type OpenAPI struct {
	options OpenAPIOptions

	mu       sync.Mutex
	orders   map[string]json.RawMessage
	calls    map[string]int
	faults   map[Operation]*pendingFault
	arrivals map[Operation]int
	nonces   map[string]bool
	usage    []PushedUsage
	pushes   []UsagePush
	refusals map[string]string
	licenses map[string]MintedLicense
	uploads  []UploadedLicense
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
	o := &OpenAPI{
		options: options, orders: map[string]json.RawMessage{}, calls: map[string]int{},
		faults: map[Operation]*pendingFault{}, arrivals: map[Operation]int{}, nonces: map[string]bool{},
		refusals: map[string]string{}, licenses: map[string]MintedLicense{},
	}
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
	if order.OrderID == "" || len(order.OrderID) > maxID {
		return fmt.Errorf("adding an order: orderId must have 1 to %d characters", maxID)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.orders[order.OrderID] = orderInfo
	return nil
}

// Calls is the number of order queries for an order that arrived, well signed or not; "" counts all of them.
func (o *OpenAPI) Calls(orderID string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.calls[orderID]
}

func (o *OpenAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if operation, ok := operationOf(r.URL.Path); ok {
		o.serve(w, r, operation)
		return
	}
	switch r.Method + " " + r.URL.Path {
	case http.MethodPost + " " + o.options.OrdersPath:
		take(w, r, o.AddOrder)
	case http.MethodPost + " " + licensesPath:
		take(w, r, o.addLicense)
	case http.MethodGet + " " + licensesPath:
		write(w, http.StatusOK, o.Licenses())
	case http.MethodGet + " " + pushedUsagePath:
		write(w, http.StatusOK, o.Usage())
	case http.MethodGet + " " + usagePushesPath:
		write(w, http.StatusOK, o.Pushes())
	case http.MethodGet + " " + uploadsPath:
		write(w, http.StatusOK, o.Uploads())
	default:
		write(w, http.StatusNotFound, gatewayError("APIGW.0101", "The API does not exist."))
	}
}

// take adds what was posted.
func take(w http.ResponseWriter, r *http.Request, add func(json.RawMessage) error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxOrder))
	if err == nil {
		err = add(body)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusCreated)
}

// queryOrder answers the order query (protocol page 4.2).
func (o *OpenAPI) queryOrder(r *http.Request, _ []byte) (status int, body map[string]any) {
	orderID := r.URL.Query().Get("orderId")
	if orderID == "" || len(orderID) > maxID || len(r.URL.Query().Get("orderLineId")) > maxID {
		return http.StatusBadRequest, result(QueryOrder, "MKT.0101")
	}
	found := result(QueryOrder, "MKT.0000")
	o.mu.Lock()
	defer o.mu.Unlock()
	if order := o.orders[orderID]; order != nil {
		found["orderInfo"] = order
	}
	return http.StatusOK, found
}

// wellSigned checks the Authorization header and the date (protocol page 4.1).
func (o *OpenAPI) wellSigned(r *http.Request, body []byte) bool {
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
	wanted := openapi.Authorization(r, o.options.AK, o.options.SK, headers, body)
	return subtle.ConstantTimeCompare([]byte(given), []byte(wanted)) == 1
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_, _ = w.Write(marshal(body))
}
