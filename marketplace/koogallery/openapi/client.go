package openapi

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
	"unicode/utf8"
)

const (
	orderQueryPath = "/api/mkp-openapi-public/global/v1/order/query"
	// maxID is the length of the ids of orders, lines, instances, products, records and license codes: as long as a sale's can be stored.
	// Documented are 64 characters (protocol page 4 and 7); whether a longer one is known is for the marketplace to say.
	maxID = 256
)

var defaultHTTP = &http.Client{Timeout: attemptTimeout}

// Client calls the open API of one KooGallery site. It is safe for concurrent use as long as its fields are not changed.
type Client struct {
	// BaseURL is the API's scheme and host, such as "https://mkt.myhuaweicloud.com". Plain http is accepted for loopback only.
	BaseURL string
	// FallbackURL is tried when BaseURL can't be reached; may be empty.
	FallbackURL string
	// AK and SK are the access key id and the secret access key of the seller's account.
	AK, SK string
	// AccessKey is the access key that callbacks of the basic interfaces are signed with. PushUsage signs its body with it;
	// nothing else needs it.
	AccessKey string
	// UsageAsNumber pushes usage as a JSON number, as the international page has it, and not as a string (protocol page 4.3).
	UsageAsNumber bool
	// HTTP is the client to use, whose timeout holds per attempt; nil means one with a timeout of 10 s. Redirects are never
	// followed, whatever it says.
	HTTP *http.Client
	// Clock gives the time; nil means time.Now.
	Clock func() time.Time

	// wait replaces the pause between two attempts in tests; false means that the context ended.
	wait func(ctx context.Context, delay time.Duration) bool
	// nonce replaces the random nonces of signatures in tests.
	nonce func() string
}

// Format writes the type only. Without it any %v of a Client would print the keys.
func (c Client) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, "openapi.Client") }

// Host returns the API of a site, "China", "International" or "Europe" (protocol page 1), and the address to fall back to, which
// may be empty. ok is false for other sites.
func Host(site string) (base, fallback string, ok bool) {
	switch site {
	case "China":
		return "https://mkt.myhuaweicloud.com", "https://mkt.myhuaweicloud.cn", true
	case "International":
		return "https://mkt-intl.myhuaweicloud.com", "", true
	case "Europe":
		return "https://mkt.myhuaweicloud.eu", "", true
	}
	return "", "", false
}

// orderQuery is the order query.
var orderQuery = operation{
	attempt: "querying the order",
	success: []string{successSuffix},
	kinds:   map[string]error{"9001": ErrOrderNotFound},
}

// QueryOrder asks what was bought (protocol page 4.2). orderLineID may be empty. raw is the whole answer as it came, for the
// instance's Secret: it holds personal data. Every error is an *Error. What may pass by itself is tried up to four times, with
// growing and random pauses, as long as ctx allows.
func (c *Client) QueryOrder(ctx context.Context, orderID, orderLineID string) (order Order, raw []byte, err error) {
	if orderID == "" || utf8.RuneCountInString(orderID) > maxID || utf8.RuneCountInString(orderLineID) > maxID {
		return Order{}, nil, orderQuery.refused(ErrInvalid, fmt.Errorf("ids must have 1 to %d characters", maxID))
	}
	query := url.Values{"orderId": {orderID}}
	if orderLineID != "" {
		query.Set("orderLineId", orderLineID)
	}
	raw, failed := c.send(ctx, call{operation: orderQuery, method: http.MethodGet, path: orderQueryPath, query: query, contentType: contentJSON})
	if failed != nil {
		return Order{}, nil, failed
	}
	order, failed = decodeOrderInfo(raw)
	if failed != nil {
		return Order{}, nil, failed
	}
	return order, raw, nil
}

func (c *Client) now() time.Time {
	if c.Clock != nil {
		return c.Clock()
	}
	return time.Now()
}
