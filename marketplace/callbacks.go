package marketplace

import (
	"net/http"
	"time"
)

// Request is one callback as it arrived; nothing of it is interpreted.
type Request struct {
	// Method is the HTTP method in upper case.
	Method string
	// Path is the path below the callback URL, "" or beginning with a slash, such as "/produceAPI/v2/tenantSync".
	Path string
	// Query is the raw query string, without the question mark. It may carry signatures and buyer data: never log it.
	Query string
	// Header holds the HTTP headers.
	Header http.Header
	// Body holds the exact bytes of the body, already limited in size.
	Body []byte
}

// Proof says how a request was verified. It carries no key.
type Proof struct {
	// KeyName is the name under which the verifying key stands in the callback Secret, such as "accessKey". Answers are
	// signed with this key. Empty when nothing was verified.
	KeyName string
	// SentAt is the time at which the marketplace says it made the call; zero when the protocol has none, or has no window for
	// it: a call may then be old, and its time says nothing about anyone's clock.
	SentAt time.Time
	// Nonce is unique per call; empty when the protocol has none.
	Nonce string
	// Token is what the call was signed with, where the protocol has neither nonce nor window: whoever has got hold of the call can make it
	// again, however it is written, and it has the same Token. Empty otherwise. It is as secret as a signature: never log it.
	Token string
	// Generation names the generation of the marketplace's protocol that the call speaks, for its Answerer. Empty for the
	// present one, and when nothing was verified.
	Generation string
	// LicensesOnly is true where the verifying key is for licenses and nothing else; see Event.LicensesOnly.
	LicensesOnly bool
}

// Verifier checks that a request comes from the marketplace.
type Verifier interface {
	// Verify checks the signature over the raw request and its time against now. When the signature holds but the time
	// does not, it returns the Proof together with an error that wraps ErrStale, so that the skew can be measured. Other
	// errors wrap ErrUnauthenticated, or ErrMalformed for a request that can't carry a signature at all.
	Verify(req Request, now time.Time) (Proof, error)
}

// Screener is a Verifier that can tell some requests by their method, path, query and header alone, before their bodies are read.
type Screener interface {
	// Screen returns the error of a request that no body can make authentic, and nil for every other. It does not look at the body. Its
	// errors are those of Verify, and no key is of any matter: else the time or the text would tell what keys there are.
	Screen(req Request) error
}

// Decoder understands a verified request.
type Decoder interface {
	// Decode returns what the request asks for. Errors wrap ErrMalformed and name the field; the Event is then filled as
	// far as it was understood (Activity, Test), for the answer and the metrics. Unknown fields are tolerated.
	Decode(req Request) (Event, error)
}

// Answerer turns an outcome into what the marketplace expects on the wire.
type Answerer interface {
	// Encode never fails: an outcome that can't be put into the marketplace's words becomes its "internal error".
	Encode(proof Proof, event Event, outcome Outcome) Answer
}

// Callbacks is one marketplace's side of the callback server, holding the keys of one connection. It is safe for
// concurrent use.
type Callbacks interface {
	Verifier
	Decoder
	Answerer
}

// Answer is a complete HTTP answer.
type Answer struct {
	// Status is the HTTP status code.
	Status int
	// Header holds the headers to set.
	Header http.Header
	// Body is sent as it is, because its bytes may be signed.
	Body []byte
	// Code is the marketplace's own result code, for logs and metrics, such as "000000".
	Code string
}
