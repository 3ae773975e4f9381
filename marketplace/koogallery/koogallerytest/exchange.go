package koogallerytest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"maps"
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
	// Method and URL are the request's; the URL is without what the call has put into its query.
	Method string `json:"method"`
	URL    string `json:"url"`
	// Activity is the call's name; empty when it has none.
	Activity string `json:"activity"`
	// RequestBody is the exact body sent; empty for a call of SaaS V1.0.
	RequestBody string `json:"requestBody"`
	// Status, Header and Body are the answer's. The body may hold an initial password: see Redacted.
	Status int         `json:"status"`
	Header http.Header `json:"header"`
	Body   string      `json:"body"`
	// ResultCode and the following are read from the body. User names and passwords in AppInfo and Info are plain, also where
	// the answer had them encrypted and they could be decrypted.
	ResultCode string                    `json:"resultCode"`
	ResultMsg  string                    `json:"resultMsg"`
	InstanceID string                    `json:"instanceId,omitempty"`
	AppInfo    *koogallery.AppInfo       `json:"appInfo,omitempty"`
	Info       []koogallery.InstanceInfo `json:"info,omitempty"`
	License    string                    `json:"license,omitempty"`
	// Latency is the time from before the connection to the last byte of the answer.
	Latency time.Duration `json:"latency"`
	// Problems says what KooGallery or its debug console would object to, one sentence each. Empty means nothing. A code that
	// is none of success is a problem in debug calls only.
	Problems []string `json:"problems"`

	// sent is the request, for Replay and for the checks.
	sent message
	// head is the answer's head as it came: http.Header has lost the case of the names.
	head []byte
}

// Success reports whether the call succeeded: status 200 and result code 000000.
func (e *Exchange) Success() bool {
	return e.Status == http.StatusOK && e.ResultCode == koogallery.ResultSuccess
}

// message is a request to send, and what the checks need of it.
type message struct {
	// target is the whole URL with what signs the call.
	method, target string
	body           []byte
	// header is what signs a call of the Kit; nil for others.
	header http.Header
	// v1 is true for SaaS V1.0 and License 1.0.
	v1 bool

	activity string
	// instanceIDs are joined with commas, as they were asked.
	instanceIDs string
	debug       bool
	// accepted is true for a purchase of SaaS V1.0 that the buyer has accepted.
	accepted bool
}

// nonce is what made the call unique; empty for a call without one.
func (e *Exchange) nonce() string {
	target, err := url.Parse(e.sent.target)
	if err != nil {
		return ""
	}
	return target.Query().Get("nonce")
}

// readBody takes out of the body what the checks need. A body that is none asks for nothing.
func (m *message) readBody() {
	var fields struct {
		Activity   string `json:"activity"`
		InstanceID string `json:"instanceId"`
		TestFlag   any    `json:"testFlag"`
	}
	_ = json.Unmarshal(m.body, &fields)
	m.activity, m.instanceIDs = fields.Activity, fields.InstanceID
	m.debug = fields.TestFlag == "1" || fields.TestFlag == 1.0
}

const hidden = "***"

var secretMember = regexp.MustCompile(`("(?:password|license)"\s*:\s*)"(?:[^"\\]|\\.)*"`)

// Redacted is a copy with stars instead of passwords and licenses, for people and logs.
func (e *Exchange) Redacted() *Exchange {
	shown := *e
	shown.Body = secretMember.ReplaceAllString(e.Body, `$1"`+hidden+`"`)
	shown.RequestBody = secretMember.ReplaceAllString(e.RequestBody, `$1"`+hidden+`"`)
	shown.AppInfo = redacted(e.AppInfo)
	shown.Info = slices.Clone(e.Info)
	for i, info := range shown.Info {
		shown.Info[i].AppInfo = redacted(info.AppInfo)
	}
	if shown.License != "" {
		shown.License = hidden
	}
	return &shown
}

func redacted(access *koogallery.AppInfo) *koogallery.AppInfo {
	if access == nil || access.Password == "" {
		return access
	}
	shown := *access
	shown.Password = hidden
	return &shown
}

// exchange sends a request, reads the answer and checks it.
func (c Caller) exchange(ctx context.Context, sent message) (*Exchange, error) {
	timeout := c.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, sent.method, sent.target, bytes.NewReader(sent.body))
	if err != nil || req.URL.Host == "" {
		// The parser's own text quotes the signed URL.
		return nil, fmt.Errorf("calling %q: it is not a URL", c.URL)
	}
	maps.Copy(req.Header, sent.header)
	req.Header.Set("Accept", "application/json")
	if sent.method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json;charset=utf8")
	}
	req.Header.Set("User-Agent", "koogallerytest")
	req.Close = true
	exchange := &Exchange{
		Method: req.Method, URL: c.URL, Activity: sent.activity, RequestBody: string(sent.body), sent: sent,
	}
	if err := c.roundTrip(ctx, req, exchange); err != nil {
		return nil, fmt.Errorf("calling %s: %w", exchange.URL, err)
	}
	var response koogallery.Response
	// What does not fit is a problem that the checks name.
	_ = json.Unmarshal([]byte(exchange.Body), &response)
	exchange.ResultCode, exchange.ResultMsg = response.ResultCode, response.ResultMsg
	exchange.InstanceID, exchange.AppInfo = response.InstanceID, response.AppInfo
	exchange.Info, exchange.License = response.Info, response.License
	exchange.Problems = c.problems(exchange)
	if sent.v1 {
		c.decrypt(exchange, response.EncryptType)
	}
	return exchange, nil
}

// decrypt puts user names and passwords in plain, where that is possible.
func (c Caller) decrypt(e *Exchange, kind koogallery.EncryptType) {
	all := []*koogallery.AppInfo{e.AppInfo}
	for _, info := range e.Info {
		all = append(all, info.AppInfo)
	}
	for _, access := range all {
		if access == nil {
			continue
		}
		for _, field := range []*string{&access.UserName, &access.Password} {
			if plain, err := koogallery.DecryptField([]byte(c.AccessKey), orDefaultType(kind), *field); err == nil {
				*field = plain
			}
		}
	}
}

func orDefaultType(kind koogallery.EncryptType) koogallery.EncryptType {
	if kind == "" {
		return koogallery.EncryptAES256
	}
	return kind
}

func (c Caller) roundTrip(ctx context.Context, req *http.Request, exchange *Exchange) error {
	start := c.clock()
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
	exchange.Latency = c.clock().Sub(start)
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
	if c.Address != "" {
		address = c.Address
	}
	switch target.Scheme {
	case "http":
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	case "https":
		config := c.TLS.Clone()
		if config == nil {
			config = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		config.NextProtos = []string{"http/1.1"}
		if config.ServerName == "" {
			config.ServerName = target.Hostname()
		}
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
