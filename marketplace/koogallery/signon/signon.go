package signon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

// Paths below the domain, and the scope (protocol page 9).
const (
	AuthorizePath = "/api/v1/oauth2/authorize"
	TokenPath     = "/api/v1/oauth2/token"
	UserInfoPath  = "/api/v1/oauth2/userinfo"
	LogoutPath    = "/api/v1/logout"
	Scope         = "get_user_info"
)

const (
	// callTimeout bounds each of the two calls.
	callTimeout = 4 * time.Second
	// maxAnswer is the size in bytes above which an answer is none of these calls.
	maxAnswer = 64 << 10
	// maxCode and maxState bound what a browser brings; others are far below.
	maxCode  = 2048
	maxState = 128
	// maxID is the length of ids and account names (protocol page 8.2).
	maxID = 64
)

// SignOn signs users in. Its zero value is ready to use.
type SignOn struct {
	// HTTP makes the calls; nil means a client of its own, with the environment's proxy. Redirects are never followed, whatever it
	// says.
	HTTP *http.Client
	// AllowLoopbackHTTP lets a domain be http:// on a loopback address. For tests only.
	AllowLoopbackHTTP bool
}

var _ marketplace.SignOn = (*SignOn)(nil)

// AuthorizeURL is where the browser is sent to.
func (s *SignOn) AuthorizeURL(attempt marketplace.SignOnAttempt) (string, error) {
	config, err := s.config(attempt)
	if err != nil {
		return "", err
	}
	var options []oauth2.AuthCodeOption
	if attempt.Verifier != "" {
		options = append(options, oauth2.S256ChallengeOption(attempt.Verifier))
	}
	return config.AuthCodeURL(attempt.State, options...), nil
}

// LogoutURL is where the browser is sent to end the session.
func (s *SignOn) LogoutURL(client marketplace.SignOnClient, redirectURL string) (string, error) {
	base, err := s.base(client.DomainName)
	if err != nil {
		return "", err
	}
	return base + LogoutPath + "?" + url.Values{"redirect_url": {redirectURL}}.Encode(), nil
}

// ReadReturn reads what the browser brings: OAuth2's code and state, or its error; from the web login page code and tenant, and no
// state.
func (s *SignOn) ReadReturn(query map[string][]string) marketplace.SignOnReturn {
	one := func(name string, most int) string {
		values := query[name]
		// Two of a name are nothing that anybody sends who means it.
		if len(values) != 1 || len(values[0]) > most {
			return ""
		}
		return values[0]
	}
	returned := marketplace.SignOnReturn{Code: one("code", maxCode), State: one("state", maxState), EnterpriseID: one("tenant", maxID)}
	if len(query["error"]) > 0 {
		returned.Refused = known(one("error", maxState))
	}
	return returned
}

// SignedOn exchanges the code for a token, and the token for who the user is.
func (s *SignOn) SignedOn(ctx context.Context, attempt marketplace.SignOnAttempt, code string) (marketplace.SignedOn, error) {
	config, err := s.config(attempt)
	if err != nil {
		return marketplace.SignedOn{}, err
	}
	var options []oauth2.AuthCodeOption
	if attempt.Verifier != "" {
		options = append(options, oauth2.VerifierOption(attempt.Verifier))
	}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, s.client())
	token, err := config.Exchange(ctx, code, options...)
	if err != nil {
		return marketplace.SignedOn{}, exchangeFailed(err)
	}
	if !strings.EqualFold(token.Type(), "Bearer") {
		return marketplace.SignedOn{}, fmt.Errorf("%w: the token type is unknown", marketplace.ErrSignOnAnswer)
	}
	return s.userInfo(ctx, strings.TrimSuffix(config.Endpoint.TokenURL, TokenPath)+UserInfoPath, token.AccessToken)
}

func (s *SignOn) userInfo(ctx context.Context, address, token string) (marketplace.SignedOn, error) {
	const attempt = "querying the user's identity"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return marketplace.SignedOn{}, fmt.Errorf("%w: %s", marketplace.ErrSignOnDomain, attempt)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Accept", "application/json")
	answer, err := s.client().Do(request)
	if err != nil {
		return marketplace.SignedOn{}, unanswered(attempt, err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return marketplace.SignedOn{}, fmt.Errorf("%w: %s: HTTP %d", kindOf(answer.StatusCode), attempt, answer.StatusCode)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return marketplace.SignedOn{}, unanswered(attempt, err)
	}
	return decodeUserInfo(body)
}

// config is the flow's, with the client's id and secret in the form, as the protocol page has it.
func (s *SignOn) config(attempt marketplace.SignOnAttempt) (*oauth2.Config, error) {
	base, err := s.base(attempt.Client.DomainName)
	if err != nil {
		return nil, err
	}
	return &oauth2.Config{
		ClientID: attempt.Client.ClientID, ClientSecret: attempt.Client.ClientSecret, RedirectURL: attempt.RedirectURI, Scopes: []string{Scope},
		Endpoint: oauth2.Endpoint{AuthURL: base + AuthorizePath, TokenURL: base + TokenPath, AuthStyle: oauth2.AuthStyleInParams},
	}, nil
}

// base is the scheme and host of a domain.
func (s *SignOn) base(domainName string) (string, error) {
	text := strings.TrimSpace(domainName)
	if text != "" && !strings.Contains(text, "://") {
		text = "https://" + text
	}
	address, err := url.Parse(text)
	switch {
	case err != nil || address.Hostname() == "" || address.User != nil || strings.Trim(address.Path, "/") != "" ||
		address.RawQuery != "" || address.ForceQuery || address.Fragment != "":
		return "", fmt.Errorf("%w: domainName is neither a host nor a URL with scheme and host", marketplace.ErrSignOnDomain)
	case address.Scheme == "https", address.Scheme == "http" && s.AllowLoopbackHTTP && isLoopback(address.Hostname()):
		return address.Scheme + "://" + address.Host, nil
	}
	return "", fmt.Errorf("%w: domainName does not begin with https://", marketplace.ErrSignOnDomain)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

var defaultHTTP = &http.Client{Transport: &http.Transport{
	Proxy: http.ProxyFromEnvironment, MaxIdleConns: 100, MaxIdleConnsPerHost: 4, IdleConnTimeout: 30 * time.Second,
	TLSHandshakeTimeout: callTimeout, ResponseHeaderTimeout: callTimeout, ForceAttemptHTTP2: true,
}}

// client is the configured one, bounded, and without redirects: another host must see neither the secret nor the token.
func (s *SignOn) client() *http.Client {
	client := *defaultHTTP
	if s.HTTP != nil {
		client = *s.HTTP
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if client.Timeout == 0 || client.Timeout > callTimeout {
		client.Timeout = callTimeout
	}
	if client.Transport == nil {
		client.Transport = defaultHTTP.Transport
	}
	client.Transport = bounded{client.Transport}
	return &client
}

var (
	// errTooLarge is an answer of more than maxAnswer bytes.
	errTooLarge = errors.New("the response is too large")
	// errTwice is an answer with a member twice.
	errTwice = errors.New("the response has a duplicate member")
)

// bounded reads answers to their end, so that one that breaks off, is slow or too large is an error of the call.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(request *http.Request) (*http.Response, error) {
	answer, err := b.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	if err == nil && len(body) > maxAnswer {
		err = errTooLarge
	}
	if err == nil && strings.HasSuffix(request.URL.Path, TokenPath) {
		var ok bool
		if body, ok = exactToken(body); !ok {
			err = errTwice
		}
		// The library reads texts and forms as a form, in which a name may stand twice.
		answer.Header.Set("Content-Type", "application/json")
	}
	if err != nil {
		return nil, err
	}
	answer.Body, answer.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return answer, nil
}

// exchangeFailed says why there is no token, in words of our own: the library's texts quote the answer.
func exchangeFailed(err error) error {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) || refused.Response == nil {
		return unanswered("exchanging the code", err)
	}
	status, code := refused.Response.StatusCode, known(refused.ErrorCode)
	kind := kindOf(status)
	switch {
	case errors.Is(kind, marketplace.ErrUnavailable):
	case code == "invalid_grant":
		kind = marketplace.ErrSignOnCode
	case code == "invalid_client", code == "unauthorized_client", code == other && status == http.StatusUnauthorized:
		kind = marketplace.ErrSignOnClient
	}
	return fmt.Errorf("%w: exchanging the code: HTTP %d, %s", kind, status, code)
}

// kindOf tells what passes by itself from what does not.
func kindOf(status int) error {
	if status >= http.StatusInternalServerError || status == http.StatusTooManyRequests {
		return marketplace.ErrUnavailable
	}
	return marketplace.ErrSignOnAnswer
}

// unanswered says why there was no answer, in words of our own: Go's hold addresses, and the library's what was answered.
func unanswered(attempt string, err error) error {
	var (
		timeout net.Error
		call    *url.Error
	)
	switch {
	case errors.Is(err, errTooLarge):
		return fmt.Errorf("%w: %s: the response has more than %d bytes", marketplace.ErrSignOnAnswer, attempt, maxAnswer)
	case errors.Is(err, errTwice):
		return fmt.Errorf("%w: %s: the response has a duplicate member", marketplace.ErrSignOnAnswer, attempt)
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%w: %s: the browser disconnected", marketplace.ErrUnavailable, attempt)
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: %s: timed out", marketplace.ErrUnavailable, attempt)
	case errors.As(err, &call):
		return fmt.Errorf("%w: %s: no response", marketplace.ErrUnavailable, attempt)
	}
	return fmt.Errorf("%w: %s: the response contains no token", marketplace.ErrSignOnAnswer, attempt)
}

// other stands for a code that OAuth2 does not define, and that may therefore say anything.
const other = "another error"

// known is a code of OAuth2 (RFC 6749, 4.1.2.1 and 5.2) as it stands.
func known(code string) string {
	if slices.Contains([]string{
		"access_denied", "invalid_client", "invalid_grant", "invalid_request", "invalid_scope", "server_error", "temporarily_unavailable",
		"unauthorized_client", "unsupported_grant_type", "unsupported_response_type",
	}, code) {
		return code
	}
	return other
}
