package signon_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/signon"
)

func attemptAt(domain string) marketplace.SignOnAttempt {
	return marketplace.SignOnAttempt{
		Client:      marketplace.SignOnClient{DomainName: domain, ClientID: "client-1", ClientSecret: "the-client-secret"},
		RedirectURI: "https://login.example.com/login/sales/sold/callback", State: "STATE1", Verifier: strings.Repeat("V", 52),
	}
}

func TestDomains(t *testing.T) {
	tests := map[string]struct {
		domain   string
		loopback bool
		want     string // empty for one that can't be used
	}{
		"a host":                               {"unified.example.com", false, "https://unified.example.com/api/v1/oauth2/authorize"},
		"a host with a port":                   {"unified.example.com:8443", false, "https://unified.example.com:8443/api/v1/oauth2/authorize"},
		"a URL":                                {"https://unified.example.com", false, "https://unified.example.com/api/v1/oauth2/authorize"},
		"a URL that ends with a slash":         {" https://unified.example.com/ ", false, "https://unified.example.com/api/v1/oauth2/authorize"},
		"plain HTTP":                           {"http://unified.example.com", false, ""},
		"plain HTTP of this machine":           {"http://127.0.0.1:1", false, ""},
		"plain HTTP of this machine, in tests": {"http://127.0.0.1:1", true, "http://127.0.0.1:1/api/v1/oauth2/authorize"},
		"plain HTTP of another one, in tests":  {"http://unified.example.com", true, ""},
		"a name that begins like this machine": {"http://127.0.0.1.example.com", true, ""},
		"nothing":                              {"", false, ""},
		"a path":                               {"https://unified.example.com/x", false, ""},
		"a query":                              {"https://unified.example.com?x", false, ""},
		"a fragment":                           {"https://unified.example.com#x", false, ""},
		"a user":                               {"https://me@unified.example.com", false, ""},
		"another scheme":                       {"file:///etc/passwd", false, ""},
		"no host":                              {"https://", false, ""},
		"line ends":                            {"unified.example.com\r\nX: y", false, ""},
	}
	for sentence, tc := range tests {
		t.Run(sentence, func(t *testing.T) {
			s := &signon.SignOn{AllowLoopbackHTTP: tc.loopback}
			got, err := s.AuthorizeURL(attemptAt(tc.domain))
			address, _, _ := strings.Cut(got, "?")
			if address != tc.want || (err != nil) != (tc.want == "") || err != nil && !errors.Is(err, marketplace.ErrSignOnDomain) {
				t.Errorf("got %q and %v, want %q", address, err, tc.want)
			}
			if _, err := s.LogoutURL(attemptAt(tc.domain).Client, "https://x.example.com/"); (err != nil) != (tc.want == "") {
				t.Errorf("logout: %v", err)
			}
		})
	}
}

func TestWhatTheBrowserIsSentWith(t *testing.T) {
	s := &signon.SignOn{}
	got, err := s.AuthorizeURL(attemptAt("unified.example.com"))
	if err != nil {
		t.Fatal(err)
	}
	address, _ := url.Parse(got)
	want := url.Values{
		"client_id": {"client-1"}, "redirect_uri": {"https://login.example.com/login/sales/sold/callback"}, "response_type": {"code"},
		"scope": {"get_user_info"}, "state": {"STATE1"}, "code_challenge_method": {"S256"},
		"code_challenge": {address.Query().Get("code_challenge")},
	}
	if diff := cmp.Diff(want, address.Query()); diff != "" || address.Query().Get("code_challenge") == "" {
		t.Errorf("the query (-want +got):\n%s", diff)
	}
	plain := attemptAt("unified.example.com")
	plain.Verifier = ""
	if got, _ := s.AuthorizeURL(plain); strings.Contains(got, "code_challenge") {
		t.Errorf("PKCE without a verifier: %s", got)
	}
	out, err := s.LogoutURL(plain.Client, "https://app.example.com/?a=b&c")
	if err != nil || out != "https://unified.example.com/api/v1/logout?redirect_url=https%3A%2F%2Fapp.example.com%2F%3Fa%3Db%26c" {
		t.Errorf("logout at %q, %v", out, err)
	}
}

func TestWhatTheBrowserBringsBack(t *testing.T) {
	tests := map[string]struct {
		query string
		want  marketplace.SignOnReturn
	}{
		"a code and the state":     {"code=c&state=s", marketplace.SignOnReturn{Code: "c", State: "s"}},
		"a code of the login page": {"code=c&tenant=t", marketplace.SignOnReturn{Code: "c", EnterpriseID: "t"}},
		"a refusal":                {"error=access_denied&error_description=x&state=s", marketplace.SignOnReturn{State: "s", Refused: "access_denied"}},
		"a refusal in other words": {"error=%3Cb%3E&state=s", marketplace.SignOnReturn{State: "s", Refused: "another error"}},
		"two codes":                {"code=a&code=b&state=s", marketplace.SignOnReturn{State: "s"}},
		"a code without an end":    {"code=" + strings.Repeat("c", 5000) + "&state=s", marketplace.SignOnReturn{State: "s"}},
		"nothing":                  {"", marketplace.SignOnReturn{}},
	}
	for sentence, tc := range tests {
		t.Run(sentence, func(t *testing.T) {
			query, _ := url.ParseQuery(tc.query)
			if got := (&signon.SignOn{}).ReadReturn(query); got != tc.want {
				t.Errorf("got %#v", [4]string{got.Code, got.State, got.Refused, got.EnterpriseID})
			}
		})
	}
}

func TestSigningOnOverTheWire(t *testing.T) {
	fake := koogallerytest.NewSignOn(koogallerytest.SignOnOptions{
		ClientID: "client-1", ClientSecret: "the-client-secret", PKCE: koogallerytest.PKCEAccepted,
	})
	server := httptest.NewServer(fake)
	defer server.Close()
	fake.SignIn(koogallerytest.SignOnUser{Tenant: "t1", UserName: "zhang.san", LoginName: "zs"})
	s := &signon.SignOn{AllowLoopbackHTTP: true}
	attempt := attemptAt(server.URL)
	code := func() string {
		at, err := s.AuthorizeURL(attempt)
		if err != nil {
			t.Fatal(err)
		}
		client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		answer, err := client.Get(at)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		back, err := answer.Location()
		if err != nil {
			t.Fatal(err)
		}
		return s.ReadReturn(back.Query()).Code
	}
	first := code()
	user, err := s.SignedOn(context.Background(), attempt, first)
	want := marketplace.SignedOn{EnterpriseID: "t1", UserNames: []string{"zhang.san", "zs"}}
	if err != nil || user.EnterpriseID != want.EnterpriseID || !cmp.Equal(user.UserNames, want.UserNames) {
		t.Fatalf("got %v of %s, %v", user.UserNames, user.EnterpriseID, err)
	}
	if _, err := s.SignedOn(context.Background(), attempt, first); !errors.Is(err, marketplace.ErrSignOnCode) {
		t.Errorf("a code that was used: %v", err)
	}
	wrong := attempt
	wrong.Verifier = strings.Repeat("W", 52)
	if _, err := s.SignedOn(context.Background(), wrong, code()); !errors.Is(err, marketplace.ErrSignOnCode) {
		t.Errorf("a verifier of another attempt: %v", err)
	}
	wrong = attempt
	wrong.Client.ClientSecret = "not-the-secret"
	if _, err := s.SignedOn(context.Background(), wrong, code()); !errors.Is(err, marketplace.ErrSignOnClient) || strings.Contains(err.Error(), "not-the-secret") {
		t.Errorf("a wrong secret: %v", err)
	}
	server.Close()
	if _, err := s.SignedOn(context.Background(), attempt, "secret-code"); !errors.Is(err, marketplace.ErrUnavailable) || strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("nobody answers: %v", err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, attempt) + fmt.Sprintf(verb, user) + fmt.Sprintf(verb, attempt.Client); strings.Contains(text, "secret") || strings.Contains(text, "zhang") {
			t.Errorf("%s prints %s", verb, text)
		}
	}
}

func TestUserInfo(t *testing.T) {
	tests := map[string]struct {
		body string
		want []string // the names; nil for what is no user
	}{
		"the first version":             {`{"id":"1","userName":"zs","name":"n","role":"user","tenant":"t"}`, []string{"zs"}},
		"the version with a login name": {`{"userName":"Z S","loginName":"zs","tenant":"t"}`, []string{"Z S", "zs"}},
		"the same name twice":           {`{"userName":"zs","loginName":"zs","tenant":"t"}`, []string{"zs"}},
		"only a login name":             {`{"loginName":"zs","tenant":"t"}`, []string{"zs"}},
		"a number for an id":            {`{"userName":"zs","tenant":12345678901234567890}`, []string{"zs"}},
		"another spelling beside it":    {`{"userName":"zs","username":"admin","UserName":"admin","LOGINNAME":"admin","tenant":"t","Tenant":"u"}`, []string{"zs"}},
		"another spelling alone":        {`{"UserName":"admin","tenant":"t"}`, nil},
		"another spelling of a tenant":  {`{"userName":"zs","TENANT":"t"}`, nil},
		"two names":                     {`{"userName":"zs","userName":"admin","tenant":"t"}`, nil},
		"two tenants, one escaped":      {`{"userName":"zs","tenant":"t","\u0074enant":"u"}`, nil},
		"another member twice":          {`{"userName":"zs","tenant":"t","role":"user","role":"admin"}`, nil},
		"half a character":              {`{"userName":"zs\ud800","tenant":"t"}`, nil},
		"no tenant":                     {`{"userName":"zs"}`, nil},
		"no name":                       {`{"tenant":"t"}`, nil},
		"a name that is an object":      {`{"userName":{"a":1},"tenant":"t"}`, nil},
		"a name that is too long":       {`{"userName":"` + strings.Repeat("a", 65) + `","tenant":"t"}`, nil},
		"a name with a line end":        {`{"userName":"a\nb","tenant":"t"}`, nil},
		"a list":                        {`[]`, nil},
		"nothing":                       {``, nil},
		"null":                          {`null`, nil},
	}
	for sentence, tc := range tests {
		t.Run(sentence, func(t *testing.T) {
			got, err := signon.DecodeUserInfo([]byte(tc.body))
			if !cmp.Equal(got.UserNames, tc.want) || (err != nil) != (tc.want == nil) {
				t.Errorf("got %v, %v", got.UserNames, err)
			}
		})
	}
}

// The library that exchanges the code would take another spelling of a name for it, and the last of two.
func TestTokensAreReadByExactNames(t *testing.T) {
	for sentence, tc := range map[string]struct{ answer, want string }{
		"as it is written":         {`{"access_token":"good","token_type":"Bearer","expires_in":60}`, "Bearer good"},
		"another spelling later":   {`{"access_token":"good","token_type":"Bearer","ACCESS_TOKEN":"evil","Token_Type":"mac"}`, "Bearer good"},
		"another spelling alone":   {`{"Access_Token":"evil","token_type":"Bearer"}`, ""},
		"two tokens":               {`{"access_token":"good","token_type":"Bearer","access_token":"evil"}`, ""},
		"two, one of them escaped": {`{"access_token":"good","token_type":"Bearer","\u0061ccess_token":"evil"}`, ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			used := ""
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				if r.URL.Path == signon.UserInfoPath {
					used = r.Header.Get("Authorization")
					_, _ = w.Write([]byte(`{"userName":"zs","tenant":"t"}`))
					return
				}
				_, _ = w.Write([]byte(tc.answer))
			}))
			defer server.Close()
			s := &signon.SignOn{AllowLoopbackHTTP: true}
			_, err := s.SignedOn(t.Context(), attemptAt(server.URL), "code")
			if used != tc.want || (err != nil) != (tc.want == "") || err != nil && (!errors.Is(err, marketplace.ErrSignOnAnswer) || strings.Contains(err.Error(), "evil")) {
				t.Errorf("the token of %q is used, %v", used, err)
			}
		})
	}
}

// A token counts whatever stands beside it, and is read as JSON whatever the answer calls itself.
func TestOnlyTheTokenOfAnAnswerCounts(t *testing.T) {
	const good = `{"access_token":"good","token_type":"bearer"}`
	for sentence, tc := range map[string]struct {
		answer, kind string
		taken        bool
	}{
		"as it is":                       {good, "application/json", true},
		"a charset":                      {good, "application/json;charset=utf8", true},
		"a text":                         {good, "text/plain", true},
		"no type":                        {good, "", true},
		"a type that can't be read":      {good, ";;", true},
		"a scope that is a list":         {`{"access_token":"good","token_type":"Bearer","scope":["a"]}`, "application/json", true},
		"a refresh token that is none":   {`{"access_token":"good","token_type":"Bearer","refresh_token":{"a":1}}`, "application/json", true},
		"a time that is none":            {`{"access_token":"good","token_type":"Bearer","expires_in":"soon"}`, "application/json", true},
		"a description that is a number": {`{"access_token":"good","token_type":"Bearer","error_description":7,"error_uri":[]}`, "application/json", true},
		"a token that is a number":       {`{"access_token":7,"token_type":"Bearer"}`, "application/json", false},
		"a token of null":                {`{"access_token":null,"token_type":"Bearer"}`, "application/json", false},
		"a form":                         {"access_token=good&token_type=Bearer", "application/x-www-form-urlencoded", false},
		"a form with two tokens":         {"access_token=good&token_type=Bearer&access_token=evil", "text/plain", false},
		"an error beside the token":      {`{"access_token":"good","token_type":"Bearer","error":"invalid_grant"}`, "application/json", false},
	} {
		t.Run(sentence, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == signon.UserInfoPath {
					_, _ = w.Write([]byte(`{"userName":"zs","tenant":"t"}`))
					return
				}
				w.Header()["Content-Type"] = []string{tc.kind}
				_, _ = w.Write([]byte(tc.answer))
			}))
			defer server.Close()
			user, err := (&signon.SignOn{AllowLoopbackHTTP: true}).SignedOn(t.Context(), attemptAt(server.URL), "code")
			if (err == nil) != tc.taken || (len(user.UserNames) > 0) != tc.taken {
				t.Errorf("taken is %t, %v", err == nil, err)
			}
		})
	}
}

// Whatever the sign-on server answers, only what it calls by its exact name is left, and a name that stands twice is refused.
func FuzzToken(f *testing.F) {
	for _, body := range []string{
		`{"access_token":"a","ACCESS_TOKEN":"b"}`, `{"error":"invalid_grant","error":"x"}`, `[]`, `null`, `access_token=a`, `{"expires_in":1e400}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		cleaned, ok := signon.ExactToken(body)
		var before, after map[string]json.RawMessage
		if !ok || json.Unmarshal(body, &before) != nil || before == nil {
			return
		}
		if err := json.Unmarshal(cleaned, &after); err != nil {
			t.Fatal(err)
		}
		for name := range after {
			if _, there := before[name]; !there || strings.ToLower(name) != name {
				t.Fatalf("%q was made up", name)
			}
		}
	})
}

// Whatever a browser brings back is bounded, and its refusal is one of OAuth2's words.
func FuzzReadReturn(f *testing.F) {
	f.Add("code=c&state=s&tenant=t")
	f.Add("error=%3Cb%3E&code=a&code=b")
	f.Fuzz(func(t *testing.T, query string) {
		values, _ := url.ParseQuery(query)
		got := (&signon.SignOn{}).ReadReturn(values)
		if len(got.Code) > 2048 || len(got.State) > 128 || len(got.EnterpriseID) > 64 || len(got.Refused) > 32 || (got.Refused != "") != (len(values["error"]) > 0) {
			t.Fatalf("%d characters of code, %d of state, refused %q", len(got.Code), len(got.State), got.Refused)
		}
	})
}

func FuzzUserInfo(f *testing.F) {
	f.Add([]byte(`{"userName":"zs","loginName":"z","tenant":"t"}`))
	f.Add([]byte(`{"userName":1e400,"tenant":"\u0000"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		user, err := signon.DecodeUserInfo(body)
		if err != nil {
			if !errors.Is(err, marketplace.ErrSignOnAnswer) || len(user.UserNames) != 0 || user.EnterpriseID != "" {
				t.Errorf("%v with a user", err)
			}
			return
		}
		if user.EnterpriseID == "" || len(user.UserNames) == 0 || len(user.UserNames) > 2 {
			t.Errorf("a user without a name or an enterprise")
		}
		for _, text := range append([]string{user.EnterpriseID}, user.UserNames...) {
			if text == "" || len([]rune(text)) > 64 || strings.ContainsFunc(text, unicode.IsControl) {
				t.Errorf("%q", text)
			}
		}
	})
}
