package koogallerytest

import (
	"io"
	"net/http"
	"regexp"
	"strconv"
	"time"
)

// Operation is one operation of the open API.
type Operation string

// The operations of the open API (protocol page 4 and 7).
const (
	QueryOrder    Operation = "QueryOrder"
	PushUsage     Operation = "PushUsage"
	PushUsageOld  Operation = "PushUsageOld"
	Activate      Operation = "Activate"
	ActivateBatch Operation = "ActivateBatch"
	QueryLicense  Operation = "QueryLicense"
	QueryLicenses Operation = "QueryLicenses"
	UploadLicense Operation = "UploadLicense"
)

// operations are where each operation is, how it is called, and who answers it.
var operations = map[Operation]struct {
	path   *regexp.Regexp
	method string
	serve  func(o *OpenAPI, r *http.Request, body []byte) (int, map[string]any)
}{
	QueryOrder:    {public("v1/order/query"), http.MethodGet, (*OpenAPI).queryOrder},
	PushUsage:     {public("v1/isv/usage-data"), http.MethodPost, (*OpenAPI).pushUsage},
	PushUsageOld:  {regexp.MustCompile(`^/rest/marketplace/v1/isv/usage-data$`), http.MethodPost, (*OpenAPI).pushUsageOld},
	Activate:      {public("v1/license/activate"), http.MethodPost, (*OpenAPI).activate},
	ActivateBatch: {public("v2/license/activate"), http.MethodPost, (*OpenAPI).activateBatch},
	QueryLicense:  {public("v1/license/heartbeat"), http.MethodPost, (*OpenAPI).queryLicense},
	QueryLicenses: {public("v2/license/heartbeat"), http.MethodPost, (*OpenAPI).queryLicenses},
	UploadLicense: {uploadForm, http.MethodPost, (*OpenAPI).uploadLicense},
}

func public(path string) *regexp.Regexp {
	return regexp.MustCompile("^/api/mkp-openapi-public/global/" + path + "$")
}

func operationOf(path string) (Operation, bool) {
	for operation, facts := range operations {
		if facts.path.MatchString(path) {
			return operation, true
		}
	}
	return "", false
}

// Fault is a way in which the fake answers calls.
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
	// CarriedOut: the call has its effect all the same, only its answer is replaced.
	CarriedOut bool
	// Drop closes the connection in place of an answer.
	Drop bool
}

// pendingFault is a fault and how often it is still answered; -1 is for ever.
type pendingFault struct {
	Fault
	remaining int
}

// Fail makes the next order queries, as many as times says, answer with the fault. 0 ends a fault, -1 is for ever.
func (o *OpenAPI) Fail(fault Fault, times int) { o.FailOperation(QueryOrder, fault, times) }

// FailOperation makes the next calls of an operation, as many as times says, answer with the fault. 0 ends a fault, -1 is for
// ever.
func (o *OpenAPI) FailOperation(operation Operation, fault Fault, times int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.faults[operation] = &pendingFault{fault, times}
}

// CallsOf is the number of calls of an operation that arrived, well signed or not.
func (o *OpenAPI) CallsOf(operation Operation) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.arrivals[operation]
}

// serve answers one call of an operation: with the fault that is due, or with what the operation says.
func (o *OpenAPI) serve(w http.ResponseWriter, r *http.Request, operation Operation) {
	fault := o.arrived(operation, r.URL.Query().Get("orderId"))
	if fault.Delay > 0 {
		select {
		case <-time.After(fault.Delay):
		case <-r.Context().Done():
			return
		}
	}
	faulty := fault.Status != 0 || fault.Drop
	if !faulty || fault.CarriedOut {
		status, body := o.carryOut(w, r, operation)
		if !faulty {
			write(w, status, body)
			return
		}
	}
	fault.answer(w, operation)
}

func (o *OpenAPI) carryOut(w http.ResponseWriter, r *http.Request, operation Operation) (status int, answer map[string]any) {
	if r.Method != operations[operation].method {
		return http.StatusMethodNotAllowed, result(operation, "MKT.0199")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCall))
	if err != nil {
		return http.StatusRequestEntityTooLarge, gatewayError("APIGW.0201", "The request is too large.")
	}
	if !o.wellSigned(r, body) {
		return http.StatusUnauthorized, gatewayError("APIGW.0301", "Incorrect IAM authentication information")
	}
	return operations[operation].serve(o, r, body)
}

// arrived counts a call and takes the fault that is due.
func (o *OpenAPI) arrived(operation Operation, orderID string) Fault {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.arrivals[operation]++
	if operation == QueryOrder {
		o.calls[""]++
	}
	if operation == QueryOrder && orderID != "" {
		o.calls[orderID]++
	}
	pending := o.faults[operation]
	if pending == nil || pending.remaining == 0 {
		return Fault{}
	}
	if pending.remaining > 0 {
		pending.remaining--
	}
	return pending.Fault
}

func (f Fault) answer(w http.ResponseWriter, operation Operation) {
	if f.Drop {
		if connection, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = connection.Close()
		}
		return
	}
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(f.RetryAfter.Seconds())))
	}
	if f.Body == "" {
		write(w, f.Status, result(operation, f.Code))
		return
	}
	w.WriteHeader(f.Status)
	_, _ = io.WriteString(w, f.Body)
}

// result is an answer without data; the order query has other names for its code and message than all other operations.
func result(operation Operation, code string) map[string]any {
	message := "see the code"
	if operation == QueryOrder {
		return map[string]any{"resultCode": code, "resultMsg": message}
	}
	return map[string]any{"error_code": code, "error_msg": message}
}

// gatewayError is an answer of the API gateway in front of the operations.
func gatewayError(code, message string) map[string]any {
	return map[string]any{"error_code": code, "error_msg": message}
}
