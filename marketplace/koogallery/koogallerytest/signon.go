package koogallerytest

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/signon"
)

// SignOnSessionPath takes POSTed forms with userName and tenant: that user is then signed in.
const SignOnSessionPath = "/session"

const (
	codeLife  = 5 * time.Minute
	tokenLife = time.Hour
	maxForm   = 64 << 10
)

// SignOnPKCE is what a SignOn does with PKCE, which KooGallery's pages do not speak of.
type SignOnPKCE string

const (
	// PKCEIgnored takes a challenge and a verifier for nothing, as OAuth2 demands of who does not know them.
	PKCEIgnored SignOnPKCE = "ignore"
	// PKCEAccepted checks the verifier against the challenge, where there was one.
	PKCEAccepted SignOnPKCE = "accept"
	// PKCERefused refuses every attempt with a challenge or a verifier.
	PKCERefused SignOnPKCE = "refuse"
)

// SignOnUser is a user as userinfo tells of one (protocol page 9).
type SignOnUser struct {
	// Tenant is the enterprise's id.
	Tenant   string `json:"tenant"`
	UserName string `json:"userName"`
	// LoginName is there in one version only.
	LoginName string `json:"loginName,omitempty"`

	ID               string `json:"id"`
	UserID           string `json:"userId"`
	Name             string `json:"name"`
	Email            string `json:"email"`
	Mobile           string `json:"mobile"`
	Role             string `json:"role"`
	OrganizationName string `json:"organizationName"`
	OrganizationCode string `json:"organizationCode"`
	ProjectName      string `json:"projectName"`
}

// SignOnOptions configure a SignOn.
type SignOnOptions struct {
	// ClientID and ClientSecret are the application's.
	ClientID, ClientSecret string
	// PKCE is PKCEIgnored when empty.
	PKCE SignOnPKCE
	// Before is asked first on each call, and may answer itself, which it says by true; nil never does.
	Before func(w http.ResponseWriter, r *http.Request) (answered bool)
	// Clock gives the time; nil means time.Now.
	Clock func() time.Time
}

// SignOn fakes KooGallery's sign-on: authorize, token, userinfo and logout (protocol page 9). Its address is the domainName of a
// tenantSync. It has one session, for every browser: the user that SignIn has named, or a form that authorize shows, or a POST to
// SignOnSessionPath. It is an http.Handler and safe for concurrent use.
type SignOn struct {
	mu      sync.Mutex
	options SignOnOptions
	user    *SignOnUser
	codes   map[string]signOnCode
	tokens  map[string]signOnToken
}

type signOnCode struct {
	user                             SignOnUser
	clientID, redirectURI, challenge string
	expires                          time.Time
}

type signOnToken struct {
	user    SignOnUser
	expires time.Time
}

// NewSignOn makes a fake at which nobody is signed in.
func NewSignOn(options SignOnOptions) *SignOn {
	if options.Clock == nil {
		options.Clock = time.Now
	}
	if options.PKCE == "" {
		options.PKCE = PKCEIgnored
	}
	return &SignOn{options: options, codes: map[string]signOnCode{}, tokens: map[string]signOnToken{}}
}

// Change changes the options of a fake that serves.
func (s *SignOn) Change(change func(options *SignOnOptions)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.options)
}

// SignIn signs a user in, in place of whoever was.
func (s *SignOn) SignIn(user SignOnUser) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.user = &user
}

// SignedIn is the account's name of the user who is signed in; empty for nobody.
func (s *SignOn) SignedIn() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.user == nil {
		return ""
	}
	return s.user.UserName
}

// Portal is the address that the web login page sends a browser to whose user is signed in: target with a code and the tenant, and no
// state.
func (s *SignOn) Portal(target string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.user == nil {
		return target
	}
	return target + "?" + url.Values{"code": {s.newCode(url.Values{})}, "tenant": {s.user.Tenant}}.Encode()
}

func (s *SignOn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	before := s.options.Before
	s.mu.Unlock()
	// Not while the lock is held: a slow answer is one that a test wants.
	if before != nil && before(w, r) {
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		refuse(w, http.StatusBadRequest, "invalid_request")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r.URL.Path {
	case signon.AuthorizePath:
		s.authorize(w, r)
	case signon.TokenPath:
		s.token(w, r)
	case signon.UserInfoPath:
		s.userInfo(w, r)
	case signon.LogoutPath:
		s.logout(w, r)
	case SignOnSessionPath:
		s.session(w, r)
	default:
		http.NotFound(w, r)
	}
}

// lettersAndDigits is what a state may be made of.
var lettersAndDigits = regexp.MustCompile(`^[A-Za-z0-9]*$`)

// authorize sends the browser back with a code, at once if somebody is signed in.
func (s *SignOn) authorize(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	back, err := url.Parse(query.Get("redirect_uri"))
	switch {
	case query.Get("client_id") != s.options.ClientID:
		refuse(w, http.StatusBadRequest, "unauthorized_client")
		return
	case err != nil || !back.IsAbs() || query.Get("response_type") != "code" || !lettersAndDigits.MatchString(query.Get("state")):
		refuse(w, http.StatusBadRequest, "invalid_request")
		return
	case r.Method == http.MethodPost:
		s.user = formUser(r.PostForm)
	}
	answer := url.Values{}
	switch {
	case s.options.PKCE == PKCERefused && query.Has("code_challenge"):
		answer.Set("error", "invalid_request")
	case s.user == nil:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = signInPage.Execute(w, nil)
		return
	default:
		answer.Set("code", s.newCode(query))
	}
	if query.Has("state") {
		answer.Set("state", query.Get("state"))
	}
	back.RawQuery = answer.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound) //nolint:gosec // it is a fake, for one client
}

func (s *SignOn) newCode(query url.Values) string {
	code := rand.Text()
	s.codes[code] = signOnCode{
		user: *s.user, clientID: query.Get("client_id"), redirectURI: query.Get("redirect_uri"), challenge: query.Get("code_challenge"),
		expires: s.options.Clock().Add(codeLife),
	}
	return code
}

func (s *SignOn) token(w http.ResponseWriter, r *http.Request) {
	form := r.PostForm
	code, found := s.codes[form.Get("code")]
	// Whatever comes of it, a code is used once.
	delete(s.codes, form.Get("code"))
	secret := subtle.ConstantTimeCompare([]byte(form.Get("client_secret")), []byte(s.options.ClientSecret))
	verifier := sha256.Sum256([]byte(form.Get("code_verifier")))
	switch {
	case r.Method != http.MethodPost, s.options.PKCE == PKCERefused && form.Has("code_verifier"):
		refuse(w, http.StatusBadRequest, "invalid_request")
	case form.Get("client_id") != s.options.ClientID || secret != 1:
		refuse(w, http.StatusUnauthorized, "invalid_client")
	case form.Get("grant_type") != "authorization_code":
		refuse(w, http.StatusBadRequest, "unsupported_grant_type")
	case !found || !s.options.Clock().Before(code.expires) || code.clientID != form.Get("client_id"),
		form.Has("redirect_uri") && form.Get("redirect_uri") != code.redirectURI,
		s.options.PKCE == PKCEAccepted && code.challenge != "" && code.challenge != base64.RawURLEncoding.EncodeToString(verifier[:]):
		refuse(w, http.StatusBadRequest, "invalid_grant")
	default:
		token := rand.Text()
		s.tokens[token] = signOnToken{code.user, s.options.Clock().Add(tokenLife)}
		write(w, http.StatusOK, map[string]any{
			"access_token": token, "token_type": "Bearer", "expires_in": int(tokenLife.Seconds()), "scope": signon.Scope, "refresh_token": rand.Text(),
		})
	}
}

func (s *SignOn) userInfo(w http.ResponseWriter, r *http.Request) {
	given, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	token, found := s.tokens[given]
	if !found || !s.options.Clock().Before(token.expires) {
		refuse(w, http.StatusUnauthorized, "invalid_token")
		return
	}
	write(w, http.StatusOK, token.user)
}

// logout ends the session. The real one is not known to check where it sends the browser.
func (s *SignOn) logout(w http.ResponseWriter, r *http.Request) {
	s.user = nil
	if target := r.URL.Query().Get("redirect_url"); target != "" {
		http.Redirect(w, r, target, http.StatusFound) //nolint:gosec // it is a fake, and the real one does the same
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = signInPage.Execute(w, nil)
}

// session signs in whom a program names.
func (s *SignOn) session(w http.ResponseWriter, r *http.Request) {
	if s.user = formUser(r.PostForm); s.user == nil {
		http.Error(w, "POST a form with userName and tenant", http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func formUser(form url.Values) *SignOnUser {
	if form.Get("userName") == "" || form.Get("tenant") == "" {
		return nil
	}
	return &SignOnUser{
		Tenant: form.Get("tenant"), UserName: form.Get("userName"), LoginName: form.Get("loginName"), ID: "1", UserID: "1",
		Name: "Example User", Email: "user@example.com", Mobile: "13800000000", Role: "user", ProjectName: "Example Enterprise",
	}
}

func refuse(w http.ResponseWriter, status int, code string) {
	write(w, status, map[string]string{"error": code, "error_description": "The fake sign-on refuses: " + code})
}

var signInPage = template.Must(template.New("").Parse(`<!DOCTYPE html><title>Fake KooGallery</title>
<h1>Fake KooGallery: sign in</h1>
<form method="post"><p><label>userName <input name="userName" value="example.user"></label></p>
<p><label>tenant <input name="tenant" value="example-tenant"></label></p><p><button>Sign in</button></p></form>
`))
