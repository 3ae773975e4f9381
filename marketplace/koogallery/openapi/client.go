package openapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	orderQueryPath = "/api/mkp-openapi-public/global/v1/order/query"
	// maxID is the length of an order's and a line's id (protocol page 4.2).
	maxID = 64
	// maxAnswer is the size in bytes above which an answer is none of the order query.
	maxAnswer = 1 << 20

	maxAttempts    = 4
	attemptTimeout = 10 * time.Second
	firstDelay     = 500 * time.Millisecond
	// maxDelay is the longest wait between two attempts. An API that asks for more is left to the caller's own schedule.
	maxDelay = 10 * time.Second
	// maxRetryAfter bounds what an answer can ask for.
	maxRetryAfter = time.Hour
)

var defaultHTTP = &http.Client{Timeout: attemptTimeout}

// Client asks the open API of one KooGallery site. It is safe for concurrent use as long as its fields are not changed.
type Client struct {
	// BaseURL is the API's scheme and host, such as "https://mkt.myhuaweicloud.com". Plain http is accepted for loopback only.
	BaseURL string
	// FallbackURL is tried when BaseURL can't be reached; may be empty.
	FallbackURL string
	// AK and SK are the access key id and the secret access key of the seller's account.
	AK, SK string
	// HTTP is the client to use, whose timeout holds per attempt; nil means one with a timeout of 10 s. Redirects are never
	// followed, whatever it says.
	HTTP *http.Client
	// Clock gives the time; nil means time.Now.
	Clock func() time.Time

	// wait replaces the pause between two attempts in tests; false means that the context ended.
	wait func(ctx context.Context, delay time.Duration) bool
}

// Format writes the type only. Without it any %v of a Client would print the SK.
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

// QueryOrder asks what was bought (protocol page 4.2). orderLineID may be empty. raw is the whole answer as it came, for the
// instance's Secret: it holds personal data. Every error is an *Error. What may pass by itself is tried up to four times, with
// growing and random pauses, as long as ctx allows.
func (c *Client) QueryOrder(ctx context.Context, orderID, orderLineID string) (order Order, raw []byte, err error) {
	if orderID == "" || len(orderID) > maxID || len(orderLineID) > maxID {
		cause := fmt.Errorf("ids must have 1 to %d characters", maxID)
		return Order{}, nil, newError(ErrInvalid, 0, "", cause)
	}
	if c.AK == "" || c.SK == "" {
		return Order{}, nil, newError(ErrCredentials, 0, "", errors.New("ak or sk is empty"))
	}
	for attempt := 0; ; attempt++ {
		order, raw, failed := c.tryHosts(ctx, orderID, orderLineID)
		if failed == nil {
			return order, raw, nil
		}
		if !passes(failed) || attempt+1 == maxAttempts || !c.pause(ctx, attempt, failed.RetryAfter) {
			return Order{}, nil, failed
		}
	}
}

// tryHosts makes one attempt at BaseURL, and if nothing answers there, one at FallbackURL.
func (c *Client) tryHosts(ctx context.Context, orderID, orderLineID string) (Order, []byte, *Error) {
	order, raw, failed := c.try(ctx, c.BaseURL, orderID, orderLineID)
	unreached := failed != nil && failed.Kind == ErrUnavailable && failed.Status == 0
	if unreached && c.FallbackURL != "" && ctx.Err() == nil {
		return c.try(ctx, c.FallbackURL, orderID, orderLineID)
	}
	return order, raw, failed
}

func (c *Client) try(ctx context.Context, base, orderID, orderLineID string) (Order, []byte, *Error) {
	req, failed := c.request(ctx, base, orderID, orderLineID)
	if failed != nil {
		return Order{}, nil, failed
	}
	resp, err := c.httpClient().Do(req)
	if err != nil {
		return Order{}, nil, newError(ErrUnavailable, 0, "", withoutURL(err))
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return Order{}, nil, newError(ErrUnavailable, resp.StatusCode, "", withoutURL(err))
	}
	if len(raw) > maxAnswer {
		return Order{}, nil, newError(ErrGateway, resp.StatusCode, "", fmt.Errorf("it has more than %d bytes", maxAnswer))
	}
	order, failed := decodeAnswer(resp.StatusCode, raw)
	if failed != nil {
		failed.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), c.now())
		return Order{}, nil, failed
	}
	return order, raw, nil
}

func (c *Client) request(ctx context.Context, base, orderID, orderLineID string) (*http.Request, *Error) {
	target, err := url.Parse(base)
	if err != nil || target.Host == "" || target.User != nil {
		return nil, newError(ErrGateway, 0, "", errors.New("the address of the open API is not a URL of scheme and host"))
	}
	if target.Scheme != "https" && (target.Scheme != "http" || !isLoopback(target.Hostname())) {
		return nil, newError(ErrGateway, 0, "", errors.New("the address of the open API must begin with https://"))
	}
	target = target.JoinPath(orderQueryPath)
	query := url.Values{"orderId": {orderID}}
	if orderLineID != "" {
		query.Set("orderLineId", orderLineID)
	}
	target.RawQuery = canonicalQuery(query)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), http.NoBody)
	if err != nil {
		return nil, newError(ErrGateway, 0, "", errors.New("the address of the open API can't be used"))
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	sign(req, c.AK, c.SK, nil, c.now())
	return req, nil
}

// httpClient is the configured client without redirects: another host must not see a signed request.
func (c *Client) httpClient() *http.Client {
	client := *defaultHTTP
	if c.HTTP != nil {
		client = *c.HTTP
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}

func (c *Client) now() time.Time {
	if c.Clock != nil {
		return c.Clock()
	}
	return time.Now()
}

// pause waits before the next attempt. It returns false at once when the wait would be too long, or outlive the context.
func (c *Client) pause(ctx context.Context, attempt int, asked time.Duration) bool {
	delay := min(firstDelay<<attempt, maxDelay)
	// Half of it is random, so that many instances that failed together don't come back together.
	delay = delay/2 + rand.N(delay/2)
	delay = max(delay, asked)
	if delay > maxDelay {
		return false
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= delay {
		return false
	}
	if c.wait != nil {
		return c.wait(ctx, delay)
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// retryAfter reads a Retry-After header: seconds or a date.
func retryAfter(header string, now time.Time) time.Duration {
	var asked time.Duration
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		asked = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		asked = at.Sub(now)
	}
	return min(max(asked, 0), maxRetryAfter)
}

// withoutURL takes the query string out of an error of net/http.
func withoutURL(err error) error {
	var withURL *url.Error
	if errors.As(err, &withURL) {
		return withURL.Err
	}
	return err
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}
