package openapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	contentJSON = "application/json"
	// maxAnswer is the size in bytes above which an answer is none of this API. The longest real ones, about 100 license codes,
	// have some 40 KiB.
	maxAnswer = 256 << 10
	// maxCommas bounds the values in an answer, each of which costs far more to read than to write. Real ones have up to some 2000.
	maxCommas = 10_000

	maxAttempts    = 4
	attemptTimeout = 10 * time.Second
	firstDelay     = 500 * time.Millisecond
	// maxDelay is the longest wait between two attempts. An API that asks for more is left to the caller's own schedule.
	maxDelay = 10 * time.Second
	// maxRetryAfter bounds what an answer can ask for.
	maxRetryAfter = time.Hour
)

// call is one call of an operation. All of its attempts send the same, but for the date and what depends on it.
type call struct {
	operation
	method, path string
	query        url.Values
	contentType  string
	body         []byte
	// headers sets the headers that differ between attempts; may be nil.
	headers func(header http.Header, now time.Time)
}

// send makes the call until it succeeds, fails for good, or was tried often enough, and returns the answer of success.
func (c *Client) send(ctx context.Context, call call) ([]byte, *Error) {
	if c.AK == "" || c.SK == "" {
		return nil, call.refused(ErrCredentials, errors.New("ak or sk is empty"))
	}
	uncertain := false
	for attempt := 0; ; attempt++ {
		raw, failed := c.tryHosts(ctx, call)
		if failed == nil {
			return raw, nil
		}
		// A refusal says nothing of what an earlier attempt may have done.
		uncertain = uncertain || failed.Uncertain
		failed.Uncertain = uncertain
		if !call.mayRepeat(failed) || attempt+1 == maxAttempts || !c.pause(ctx, attempt, failed.RetryAfter) {
			return nil, failed
		}
	}
}

// tryHosts makes one attempt at BaseURL, and if nothing answers there, one at FallbackURL.
func (c *Client) tryHosts(ctx context.Context, call call) ([]byte, *Error) {
	raw, failed := c.try(ctx, c.BaseURL, call)
	unanswered := failed != nil && failed.Status == 0 && call.mayRepeat(failed)
	if unanswered && c.FallbackURL != "" && ctx.Err() == nil {
		raw, again := c.try(ctx, c.FallbackURL, call)
		if again != nil {
			again.Uncertain = again.Uncertain || failed.Uncertain
		}
		return raw, again
	}
	return raw, failed
}

func (c *Client) try(ctx context.Context, base string, call call) ([]byte, *Error) {
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	req, failed := c.request(ctx, base, call)
	if failed != nil {
		return nil, failed
	}
	resp, err := c.httpClient().Do(req)
	if err != nil {
		failed := call.failed(ErrUnavailable, 0, "", withoutURL(err))
		// Without a connection nothing was sent. With one, all of it may have arrived.
		failed.Uncertain = connected.Load()
		return nil, failed
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, call.failed(ErrUnavailable, resp.StatusCode, "", withoutURL(err))
	}
	switch {
	case len(raw) > maxAnswer:
		return nil, call.failed(ErrGateway, resp.StatusCode, "", fmt.Errorf("it has more than %d bytes", maxAnswer))
	case bytes.Count(raw, []byte(",")) > maxCommas:
		return nil, call.failed(ErrGateway, resp.StatusCode, "", fmt.Errorf("it has more than %d values", maxCommas))
	}
	if failed := call.judge(resp.StatusCode, raw); failed != nil {
		failed.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), c.now())
		return nil, failed
	}
	return raw, nil
}

func (c *Client) request(ctx context.Context, base string, call call) (*http.Request, *Error) {
	target, err := url.Parse(base)
	if err != nil || target.Host == "" || target.User != nil {
		return nil, call.refused(ErrGateway, errors.New("the address of the open API must be a URL with scheme and host"))
	}
	if target.Scheme != "https" && (target.Scheme != "http" || !isLoopback(target.Hostname())) {
		return nil, call.refused(ErrGateway, errors.New("the address of the open API must begin with https://"))
	}
	target = target.JoinPath(call.path)
	target.RawQuery = canonicalQuery(call.query)
	req, err := http.NewRequestWithContext(ctx, call.method, target.String(), bytes.NewReader(call.body))
	if err != nil {
		return nil, call.refused(ErrGateway, errors.New("the address of the open API is invalid"))
	}
	req.Header.Set("Content-Type", call.contentType)
	req.Header.Set("Accept", contentJSON)
	now := c.now()
	if call.headers != nil {
		call.headers(req.Header, now)
	}
	sign(req, c.AK, c.SK, call.body, now)
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
