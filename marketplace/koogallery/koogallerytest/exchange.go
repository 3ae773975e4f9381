package koogallerytest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"time"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

// maxAnswer is the size in bytes above which an answer is cut.
const maxAnswer = 4 << 20

// Exchange is one call and its answer.
type Exchange struct {
	// Method and URL are the request's; the URL is without signature, timestamp and nonce.
	Method string `json:"method"`
	URL    string `json:"url"`
	// Activity is the call's name; empty when the body has none.
	Activity string `json:"activity"`
	// RequestBody is the exact body sent.
	RequestBody string `json:"requestBody"`
	// Status, Header and Body are the answer's. The body may hold an initial password: see Redacted.
	Status int         `json:"status"`
	Header http.Header `json:"header"`
	Body   string      `json:"body"`
	// ResultCode, ResultMsg, InstanceID and Info are read from the body.
	ResultCode string                    `json:"resultCode"`
	ResultMsg  string                    `json:"resultMsg"`
	InstanceID string                    `json:"instanceId,omitempty"`
	Info       []koogallery.InstanceInfo `json:"info,omitempty"`
	// Latency is the time from before the connection to the last byte of the answer.
	Latency time.Duration `json:"latency"`
	// Problems says what KooGallery or its debug console would object to, one sentence each. Empty means nothing. A code that
	// is none of success is a problem in debug calls only.
	Problems []string `json:"problems"`

	// target is the whole URL, for Replay.
	target string
	// head is the answer's head as it came: http.Header has lost the case of the names.
	head []byte
}

// Success reports whether the call succeeded: status 200 and result code 000000.
func (e *Exchange) Success() bool {
	return e.Status == http.StatusOK && e.ResultCode == koogallery.ResultSuccess
}

const hidden = "***"

var passwordMember = regexp.MustCompile(`("password"\s*:\s*)"(?:[^"\\]|\\.)*"`)

// Redacted is a copy with stars instead of passwords, for people and logs.
func (e *Exchange) Redacted() *Exchange {
	shown := *e
	shown.Body = passwordMember.ReplaceAllString(e.Body, `$1"`+hidden+`"`)
	shown.Info = slices.Clone(e.Info)
	for i, info := range shown.Info {
		if info.AppInfo != nil && info.AppInfo.Password != "" {
			access := *info.AppInfo
			access.Password = hidden
			shown.Info[i].AppInfo = &access
		}
	}
	return &shown
}

// exchange sends a body to a signed URL, reads the answer and checks it.
func (c Caller) exchange(ctx context.Context, target string, body []byte) (*Exchange, error) {
	timeout := c.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil || req.URL.Host == "" {
		// The parser's own text quotes the signed URL.
		return nil, fmt.Errorf("calling %q: it is not a URL", c.URL)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Content-Type", "application/json;charset=utf8")
	req.Header.Set("User-Agent", "koogallerytest")
	req.Close = true
	exchange := &Exchange{
		Method:      req.Method,
		URL:         unsigned(*req.URL),
		RequestBody: string(body),
		target:      target,
	}
	var named struct {
		Activity string `json:"activity"`
	}
	_ = json.Unmarshal(body, &named)
	exchange.Activity = named.Activity
	if err := c.roundTrip(ctx, req, exchange); err != nil {
		return nil, fmt.Errorf("calling %s: %w", exchange.URL, err)
	}
	var response koogallery.Response
	// What does not fit is a problem that the checks name.
	_ = json.Unmarshal([]byte(exchange.Body), &response)
	exchange.ResultCode, exchange.ResultMsg = response.ResultCode, response.ResultMsg
	exchange.InstanceID, exchange.Info = response.InstanceID, response.Info
	exchange.Problems = c.problems(exchange)
	return exchange, nil
}

func (c Caller) roundTrip(ctx context.Context, req *http.Request, exchange *Exchange) error {
	start := time.Now()
	conn, err := c.dial(ctx, req.URL)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	// A context that ends makes reads and writes return at once.
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	if err := req.Write(conn); err != nil {
		return causeOf(ctx, err)
	}
	var received bytes.Buffer
	resp, err := http.ReadResponse(bufio.NewReader(io.TeeReader(conn, &received)), req)
	if err != nil {
		return causeOf(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return causeOf(ctx, err)
	}
	exchange.Latency = time.Since(start)
	exchange.Status, exchange.Header, exchange.Body = resp.StatusCode, resp.Header, string(answer)
	exchange.head, _, _ = bytes.Cut(received.Bytes(), []byte("\r\n\r\n"))
	return nil
}

func (c Caller) dial(ctx context.Context, target *url.URL) (net.Conn, error) {
	port := target.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[target.Scheme]
	}
	address := net.JoinHostPort(target.Hostname(), port)
	switch target.Scheme {
	case "http":
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	case "https":
		config := c.TLS.Clone()
		if config == nil {
			config = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		config.NextProtos = []string{"http/1.1"}
		return (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", address)
	}
	return nil, fmt.Errorf("the scheme %q is neither http nor https", target.Scheme)
}

// causeOf prefers the context's reason to the one of the connection it closed.
func causeOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// unsigned is a URL without what signs the call.
func unsigned(target url.URL) string {
	query := target.Query()
	for _, name := range []string{"signature", "timestamp", "nonce"} {
		query.Del(name)
	}
	target.RawQuery = query.Encode()
	return target.String()
}
