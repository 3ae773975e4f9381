package login_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/directory/store"
	"github.com/stallkeeper/stallkeeper/login"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/signon"
)

func TestAUserOfTheEnterpriseReachesTheFrontEnd(t *testing.T) {
	for sentence, pkce := range map[string]koogallerytest.SignOnPKCE{
		"where PKCE is checked": koogallerytest.PKCEAccepted, "where PKCE is ignored": koogallerytest.PKCEIgnored,
	} {
		t.Run(sentence, func(t *testing.T) {
			s := newStand(t)
			s.signOn.Change(func(o *koogallerytest.SignOnOptions) { o.PKCE = pkce })
			shown := s.browser.open(t, publicURL+startPath+"?return="+url.QueryEscape("/reports?year=2026"))
			if shown.status != http.StatusOK {
				t.Fatalf("shown %d %s\n%s", shown.status, shown.body, s.log.text())
			}
			s.browser.submit(t, shown)
			if len(s.frontEnd.tokens) != 1 || len(s.frontEnd.posts) != 1 {
				t.Fatalf("the front end got %d posts, %d tokens", len(s.frontEnd.posts), len(s.frontEnd.tokens))
			}
			is, err := verified(s.frontEnd.tokens[0], "sold", noon)
			if err != nil {
				t.Fatal(err)
			}
			if is.Subject != "zhang.san" || is.TenantID != enterprise || is.AppID != application || is.Role != "Admin" || is.ReturnTo != "/reports?year=2026" || is.ID == "" {
				t.Errorf("the token says %+v", is)
			}
			if life := is.Expiry.Time().Sub(is.IssuedAt.Time()); life != time.Minute || !is.NotBefore.Time().Equal(noon) {
				t.Errorf("the token holds for %s, from %s", life, is.NotBefore.Time())
			}
			if referer := s.frontEnd.posts[0].Header.Get("Referer"); strings.Contains(referer, "code=") {
				t.Errorf("the Referer is %s", referer)
			}
			if s.counted("start", "Sent") != 1 || s.counted("callback", "SignedIn") != 1 {
				t.Error("the metrics do not count it")
			}
		})
	}
}

func TestATokenIsOfOneTenantAndForAMinute(t *testing.T) {
	s := newStand(t)
	s.browser.submit(t, s.browser.open(t, publicURL+startPath))
	token := s.frontEnd.tokens[0]
	if _, err := verified(token, "sold", noon.Add(61*time.Second)); err == nil {
		t.Error("it is taken after a minute")
	}
	if _, err := verified(token, "another", noon); err == nil {
		t.Error("it is taken by another tenant")
	}
	s.browser.submit(t, s.browser.open(t, publicURL+startPath))
	first, _ := verified(token, "sold", noon)
	second, _ := verified(s.frontEnd.tokens[1], "sold", noon)
	if first.ID == second.ID {
		t.Error("two tokens have the same jti, so that an application can't tell them apart")
	}
}

// Who is not let in, and what the browser is shown instead. before runs after the sign-on was begun and before it comes back.
func TestWhoIsNotLetIn(t *testing.T) {
	user := func(u koogallerytest.SignOnUser) func(*stand) { return func(s *stand) { s.signOn.SignIn(u) } }
	answering := func(path string, answer http.HandlerFunc) func(*stand) {
		return func(s *stand) {
			s.signOn.Change(func(o *koogallerytest.SignOnOptions) {
				o.Before = func(w http.ResponseWriter, r *http.Request) bool {
					if r.URL.Path != path {
						return false
					}
					answer(w, r)
					return true
				}
			})
		}
	}
	fails := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	slow := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	tests := map[string]struct {
		before     func(*stand)
		wantStatus int
		wantReason string
	}{
		"one who is not in the directory":        {user(koogallerytest.SignOnUser{Tenant: enterprise, UserName: "nobody"}), 403, "UnknownUser"},
		"one of another enterprise":              {user(koogallerytest.SignOnUser{Tenant: "enterprise-2", UserName: "zhang.san"}), 403, "OtherEnterprise"},
		"one whose account is switched off":      {user(koogallerytest.SignOnUser{Tenant: enterprise, UserName: "wang.wu"}), 403, "Disabled"},
		"one whose two names are two users":      {user(koogallerytest.SignOnUser{Tenant: enterprise, UserName: "li.si", LoginName: "zhang.san"}), 403, "AmbiguousUser"},
		"one who differs in the case of letters": {user(koogallerytest.SignOnUser{Tenant: enterprise, UserName: "Zhang.San"}), 403, "UnknownUser"},
		"one whose authorization was withdrawn": {func(s *stand) {
			s.told(usersSync(noon, marketplace.SyncWithdraw, marketplace.User{UserName: "zhang.san"}))
		}, 403, "Withdrawn"},
		"one who was deleted": {func(s *stand) {
			s.told(usersSync(noon, marketplace.SyncRemove, marketplace.User{UserName: "zhang.san"}))
		}, 403, "UnknownUser"},
		"one of an enterprise that was deleted": {func(s *stand) {
			s.told(marketplace.Sync{EnterpriseID: enterprise, At: noon, Action: marketplace.SyncRemove, Enterprise: &marketplace.Enterprise{}})
		}, 403, "NoClient"},
		"one of an application that was deleted": {func(s *stand) {
			s.told(marketplace.Sync{EnterpriseID: enterprise, At: noon, Action: marketplace.SyncRemove, Application: &marketplace.Application{ID: application}})
		}, 403, "NoClient"},
		"anybody while the tenant is suspended": {func(s *stand) {
			s.instance(func(mpi *v1alpha1.MarketplaceInstance) {
				meta.SetStatusCondition(&mpi.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionSuspended, Status: metav1.ConditionTrue, Reason: "PaymentOverdue"})
			})
		}, 503, "Suspended"},
		"anybody after the release": {func(s *stand) {
			s.instance(func(mpi *v1alpha1.MarketplaceInstance) {
				mpi.Spec.Subscription.Entitlement.State = v1alpha1.EntitlementReleased
			})
		}, 404, "NotFound"},
		"anybody when the product has no login any more": {func(s *stand) {
			changed(s, &v1alpha1.MarketplaceProduct{}, "joint", func(p *v1alpha1.MarketplaceProduct) { p.Spec.Login = v1alpha1.ProductLogin{} })
		}, 404, "NotFound"},
		"anybody to a front end without TLS": {func(s *stand) {
			s.instance(func(mpi *v1alpha1.MarketplaceInstance) {
				mpi.Status.Access.FrontEndURL = "http://sold.app.example.com/"
			})
		}, 503, "FrontEnd"},
		"anybody with a client secret that is wrong": {func(s *stand) {
			s.signOn.Change(func(o *koogallerytest.SignOnOptions) { o.ClientSecret = "another" })
		}, 502, "ClientRefused"},
		"anybody where PKCE is refused": {func(s *stand) {
			s.signOn.Change(func(o *koogallerytest.SignOnOptions) { o.PKCE = koogallerytest.PKCERefused })
		}, 502, "SignOn"},
		"one who took too long":          {func(s *stand) { s.clock.Step(11 * time.Minute) }, 400, "NoAttempt"},
		"anybody when the code is wrong": {answering(signon.TokenPath, fails(400, `{"error":"invalid_grant","error_description":"secret-of-the-answer"}`)), 400, "Code"},
		"anybody when the token fails":   {answering(signon.TokenPath, fails(500, `secret-of-the-answer`)), 502, "SignOnUnavailable"},
		"anybody when it refuses":        {answering(signon.TokenPath, fails(403, `{"error":"secret-of-the-answer"}`)), 502, "SignOn"},
		"anybody when it is too busy":    {answering(signon.TokenPath, fails(429, ``)), 502, "SignOnUnavailable"},
		"anybody when the token is huge": {answering(signon.TokenPath, fails(200, `{"access_token":"`+strings.Repeat("a", 1<<20)+`"}`)), 502, "SignOn"},
		"anybody when the token is slow": {answering(signon.TokenPath, slow), 502, "SignOnUnavailable"},
		"anybody when there is no token": {answering(signon.TokenPath, fails(200, `{"secret-of-the-answer":1}`)), 502, "SignOn"},
		"anybody when it sends elsewhere": {answering(signon.TokenPath, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://sold.app.example.com/stolen", http.StatusTemporaryRedirect)
		}), 502, "SignOn"},
		"anybody when userinfo refuses":   {answering(signon.UserInfoPath, fails(401, `{"error":"secret-of-the-answer"}`)), 502, "SignOn"},
		"anybody when userinfo fails":     {answering(signon.UserInfoPath, fails(503, ``)), 502, "SignOnUnavailable"},
		"anybody when userinfo is slow":   {answering(signon.UserInfoPath, slow), 502, "SignOnUnavailable"},
		"anybody when userinfo is huge":   {answering(signon.UserInfoPath, fails(200, `{"tenant":"`+strings.Repeat("a", 1<<20)+`"}`)), 502, "SignOn"},
		"anybody when userinfo is no one": {answering(signon.UserInfoPath, fails(200, `{"tenant":"enterprise-1"}`)), 502, "SignOn"},
		"anybody when userinfo is a page": {answering(signon.UserInfoPath, fails(200, `<html>secret-of-the-answer</html>`)), 502, "SignOn"},
	}
	for sentence, tc := range tests {
		t.Run(sentence, func(t *testing.T) {
			s := newStand(t, func(s *stand) { s.options.AnswerTimeout = 200 * time.Millisecond })
			back := s.begins(t)
			tc.before(s)
			shown := s.browser.open(t, back)
			s.wantRefused(t, shown, tc.wantStatus, tc.wantReason)
			if len(s.frontEnd.posts) != 0 {
				t.Error("the front end got something")
			}
			if got := s.counted("callback", tc.wantReason); got == 0 && shown.url.Host == "login.example.com" {
				t.Errorf("the metrics count no %s", tc.wantReason)
			}
			for _, secret := range []string{"secret-of-the-answer", clientSecret} {
				if strings.Contains(s.log.text()+shown.body, secret) {
					t.Errorf("the log or the page says %q", secret)
				}
			}
			if kept := s.anotherBrowser(); kept.open(t, shown.url.String()).status == http.StatusOK {
				t.Error("another browser gets through with the same address")
			}
		})
	}
}

// begins goes to the marketplace, and returns the address there, without going on.
func (s *stand) begins(t *testing.T) string {
	t.Helper()
	s.browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	defer func() { s.browser.CheckRedirect = nil }()
	shown := s.browser.open(t, publicURL+startPath)
	if shown.status != http.StatusFound {
		t.Fatalf("shown %d %s", shown.status, shown.body)
	}
	return shown.header.Get("Location")
}

// comesBack goes on at the marketplace, and returns the address of the callback, without calling it.
func (s *stand) comesBack(t *testing.T) string {
	t.Helper()
	at := s.begins(t)
	s.browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	defer func() { s.browser.CheckRedirect = nil }()
	return s.browser.open(t, at).header.Get("Location")
}

func (s *stand) wantRefused(t *testing.T, shown page, status int, reason string) {
	t.Helper()
	word := reasonWord.FindStringSubmatch(shown.body)
	if shown.status != status || word == nil || word[1] != reason {
		t.Fatalf("shown %d %v, want %d %s\n%s", shown.status, word, status, reason, s.log.text())
	}
	for header, want := range map[string]string{"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"} {
		if got := shown.header.Get(header); got != want {
			t.Errorf("%s is %q, want %q", header, got, want)
		}
	}
	if policy := shown.header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("the policy is %q", policy)
	}
}

func TestTheCallbackBelongsToTheBrowserThatBegan(t *testing.T) {
	tests := map[string]struct {
		// come makes the callback of back in whatever wrong way.
		come func(t *testing.T, s *stand, back string) page
		want string
	}{
		"another state": {func(t *testing.T, s *stand, back string) page {
			return s.browser.open(t, strings.Replace(back, "state=", "state=x", 1))
		}, "State"},
		"another browser, without a cookie": {func(t *testing.T, s *stand, back string) page {
			return s.anotherBrowser().open(t, back)
		}, "NoAttempt"},
		"another browser, with a sign-on of its own": {func(t *testing.T, s *stand, back string) page {
			victim := s.anotherBrowser()
			own := s.browser
			s.browser = victim
			s.begins(t)
			s.browser = own
			return victim.open(t, back)
		}, "State"},
		"the same callback once more": {func(t *testing.T, s *stand, back string) page {
			s.browser.open(t, back)
			return s.browser.open(t, back)
		}, "NoAttempt"},
		"the same callback once more, with the cookie kept": {func(t *testing.T, s *stand, back string) page {
			kept := s.cookies()
			s.browser.open(t, back)
			s.setCookies(kept)
			return s.browser.open(t, back)
		}, "Code"},
		"a cookie in which a letter was changed": {func(t *testing.T, s *stand, back string) page {
			kept := s.cookies()
			value := []byte(kept[0].Value)
			at := len(value) - 30
			value[at] = map[bool]byte{true: 'B', false: 'A'}[value[at] == 'A']
			kept[0].Value = string(value)
			s.setCookies(kept)
			return s.browser.open(t, back)
		}, "NoAttempt"},
		"a cookie of another instance": {func(t *testing.T, s *stand, back string) page {
			kept := s.cookies()
			kept[0].Name = login.CookieName(types.NamespacedName{Namespace: "sales", Name: "another"})
			s.setCookies(kept)
			return s.browser.open(t, strings.Replace(back, startPath, "/login/sales/another", 1))
		}, "NoAttempt"},
		"a user who said no": {func(t *testing.T, s *stand, back string) page {
			address, _ := url.Parse(back)
			query := address.Query()
			query.Del("code")
			query.Set("error", "access_denied")
			address.RawQuery = query.Encode()
			return s.browser.open(t, address.String())
		}, "Denied"},
	}
	for sentence, tc := range tests {
		t.Run(sentence, func(t *testing.T) {
			s := newStand(t, func(s *stand) {
				s.make(theInstance("another"), theSeed("another"))
			})
			shown := tc.come(t, s, s.comesBack(t))
			word := reasonWord.FindStringSubmatch(shown.body)
			if word == nil || word[1] != tc.want {
				t.Errorf("shown %d %v %s, want %s\n%s", shown.status, word, shown.body, tc.want, s.log.text())
			}
			if len(s.frontEnd.tokens) != 0 {
				t.Error("the front end got a token")
			}
		})
	}
}

func (s *stand) cookies() []*http.Cookie {
	at, _ := url.Parse(publicURL)
	return s.browser.Jar.Cookies(at)
}

func (s *stand) setCookies(cookies []*http.Cookie) {
	at, _ := url.Parse(publicURL)
	for _, c := range cookies {
		c.Path, c.Secure = "/", true
	}
	s.browser.Jar.SetCookies(at, cookies)
}

func TestTheCookieIsTheHostsAlone(t *testing.T) {
	s := newStand(t)
	s.browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	shown := s.browser.open(t, publicURL+startPath)
	set := shown.header.Get("Set-Cookie")
	for _, part := range []string{"__Host-stallkeeper-login-", "; Path=/;", "; Secure", "; HttpOnly", "; SameSite=Lax", "; Max-Age=600"} {
		if !strings.Contains(set, part) {
			t.Errorf("the cookie %q has no %q", set, part)
		}
	}
	if strings.Contains(set, "Domain") {
		t.Errorf("the cookie %q is other hosts' too", set)
	}
}

// What the marketplace's web login page sends has no state: anybody could have sent it, with the code of an account of his own.
func TestACodeThatComesUnaskedIsDropped(t *testing.T) {
	s := newStand(t)
	attacker := koogallerytest.SignOnUser{Tenant: enterprise, UserName: "li.si"}
	s.signOn.SignIn(attacker)
	planted := s.signOn.Portal(publicURL + callbackPath)
	s.signIn("zhang.san")
	shown := s.browser.open(t, planted)
	s.browser.submit(t, shown)
	is, err := verified(s.frontEnd.tokens[0], "sold", noon)
	if err != nil || is.Subject != "zhang.san" {
		t.Fatalf("the front end got %q (%v), want the user of the browser", is.Subject, err)
	}
	if s.counted("callback", "Restarted") != 1 || s.counted("callback", "SignedIn") != 1 {
		t.Error("the metrics do not count it")
	}
}

func TestAMarketplaceThatLosesTheStateSendsNobodyInCircles(t *testing.T) {
	s := newStand(t)
	s.signOn.Change(func(o *koogallerytest.SignOnOptions) {
		o.Before = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == signon.AuthorizePath {
				http.Redirect(w, r, r.URL.Query().Get("redirect_uri")+"?code=c", http.StatusFound)
			}
			return r.URL.Path == signon.AuthorizePath
		}
	})
	s.wantRefused(t, s.browser.open(t, publicURL+startPath), http.StatusBadRequest, "State")
}

// A browser that was closed opens all its tabs again at once, at the application or at the marketplace. All have one cookie.
func TestOfSeveralTabsAtOnceTheUserGetsIn(t *testing.T) {
	for sentence, open := range map[string]func(*stand) string{
		"at the application": func(*stand) string { return publicURL + startPath },
		"at the marketplace": func(s *stand) string { return s.signOn.Portal(publicURL + callbackPath) },
	} {
		t.Run(sentence, func(t *testing.T) {
			s := newStand(t)
			s.browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			tabs := make([]string, 3)
			for i := range tabs {
				tabs[i] = open(s)
			}
			for range 2 { // to the marketplace, and from there back
				for i := range tabs {
					tabs[i] = s.browser.open(t, tabs[i]).header.Get("Location")
				}
			}
			for _, tab := range tabs {
				if shown := s.browser.open(t, tab); shown.status == http.StatusOK {
					s.browser.submit(t, shown)
				}
			}
			if len(s.frontEnd.tokens) != 1 {
				t.Errorf("the front end got %d tokens\n%s", len(s.frontEnd.tokens), s.log.text())
			}
			if left := s.cookies(); len(left) != 0 {
				t.Errorf("%d cookies are left", len(left))
			}
		})
	}
}

func TestASecretThatChangesBetweenBeginningAndEnd(t *testing.T) {
	s := newStand(t)
	back := s.comesBack(t)
	s.signOn.Change(func(o *koogallerytest.SignOnOptions) { o.ClientSecret = "the-new-secret" })
	s.told(app(noon, "the-new-secret"))
	s.browser.submit(t, s.browser.open(t, back))
	if len(s.frontEnd.tokens) != 1 {
		t.Error("the front end got no token")
	}
}

func TestPKCECanBeOmitted(t *testing.T) {
	s := newStand(t)
	s.signOn.Change(func(o *koogallerytest.SignOnOptions) { o.PKCE = koogallerytest.PKCERefused })
	changed(s, &v1alpha1.Marketplace{}, "koogallery", func(m *v1alpha1.Marketplace) { m.Spec.KooGallery.SignOnPKCE = v1alpha1.SignOnPKCEOmit })
	s.browser.submit(t, s.browser.open(t, publicURL+startPath))
	if len(s.frontEnd.tokens) != 1 {
		t.Errorf("the front end got no token\n%s", s.log.text())
	}
}

func TestAnAccountIsKnownByEitherOfItsNames(t *testing.T) {
	s := newStand(t)
	s.signOn.SignIn(koogallerytest.SignOnUser{Tenant: enterprise, UserName: "Zhang San", LoginName: "zhang.san"})
	s.browser.submit(t, s.browser.open(t, publicURL+startPath))
	if is, err := verified(s.frontEnd.tokens[0], "sold", noon); err != nil || is.Subject != "zhang.san" {
		t.Errorf("the front end got %q (%v)", is.Subject, err)
	}
}

func TestWhatHasNoLoginIsNotToldFromWhatDoesNotExist(t *testing.T) {
	s := newStand(t, func(s *stand) {
		plain, without := theProduct(), theInstance("without")
		plain.Name, plain.Spec.Login = "plain", v1alpha1.ProductLogin{}
		without.Spec.ProductRef.Name = "plain"
		s.make(plain, without)
	})
	for _, step := range []string{"", "/callback?code=c&state=s", "/logout"} {
		want := s.browser.open(t, publicURL+"/login/sales/never-sold"+step)
		s.wantRefused(t, want, http.StatusNotFound, "NotFound")
		for _, path := range []string{"/login/sales/without", "/login/elsewhere/sold", "/login/kube-system/sold"} {
			got := s.browser.open(t, publicURL+path+step)
			got.url, want.url = nil, nil
			if got.status != want.status || got.body != want.body || len(got.header) != len(want.header) {
				t.Errorf("%s%s is answered with %+v, and what does not exist with %+v", path, step, got, want)
			}
		}
	}
}

func TestPathsThatLeadNowhere(t *testing.T) {
	s := newStand(t)
	for _, path := range []string{"/login", "/login/", "/login/sales", "/login/sales/", "/login/sales/sold/", "/login/sales/sold/other", "/login/sales/sold/callback/x", "/x", "/login//sold",
		"/login/sales/a%20b", "/login/sales/Sold", "/login/sales/..", "/login/sales/%3Cscript%3E"} {
		s.wantRefused(t, s.browser.open(t, publicURL+path), http.StatusNotFound, "NotFound")
	}
	answer, err := s.browser.PostForm(publicURL+startPath, url.Values{})
	if err != nil {
		t.Fatal(err)
	}
	s.wantRefused(t, s.browser.shown(t, answer), http.StatusMethodNotAllowed, "Method")
	recorder := httptest.NewRecorder()
	// What looks for a proxy that anybody may use finds none.
	if s.handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodConnect, "example.com:443", nil)); recorder.Code != http.StatusMethodNotAllowed {
		t.Errorf("a connection is answered with %d", recorder.Code)
	}
	if shown := s.browser.open(t, publicURL+"/"); shown.status != http.StatusOK {
		t.Errorf("/ is answered with %d", shown.status)
	}
}

func TestLogoutEndsAtTheMarketplaceAndComesBackToTheFrontEnd(t *testing.T) {
	for _, query := range []string{"", "?redirect_url=https://evil.example.com", "?return=https://evil.example.com"} {
		s := newStand(t)
		shown := s.browser.open(t, publicURL+startPath+"/logout"+query)
		if shown.url.String() != "https://sold.app.example.com/" || shown.status != http.StatusOK {
			t.Errorf("%s ends at %s with %d", query, shown.url, shown.status)
		}
		if who := s.signOn.SignedIn(); who != "" {
			t.Errorf("%s is still signed in", who)
		}
	}
}

func TestTheHandoverIsAPageThatDoesOneThing(t *testing.T) {
	s := newStand(t)
	shown := s.browser.open(t, publicURL+startPath)
	token := formToken.FindStringSubmatch(shown.body)
	if token == nil {
		t.Fatalf("no form: %s", shown.body)
	}
	for _, address := range s.browser.seen {
		if strings.Contains(address, token[1]) {
			t.Errorf("the token stands in %s", address)
		}
	}
	policy := shown.header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "script-src 'sha256-", "form-action https://sold.app.example.com", "frame-ancestors 'none'", "base-uri 'none'"} {
		if !strings.Contains(policy, part) {
			t.Errorf("the policy %q has no %q", policy, part)
		}
	}
	if strings.Contains(policy, "unsafe") || shown.header.Get("Cache-Control") != "no-store" || shown.header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("the headers are %v", shown.header)
	}
	if !strings.Contains(shown.body, "<button>") {
		t.Error("a browser without scripts has no button")
	}
}

func TestNothingSecretOrPersonalIsShownOrLogged(t *testing.T) {
	s := newStand(t)
	var codes []string
	follow := func(userName string, come func(back string)) {
		s.signIn(userName)
		back := s.comesBack(t)
		address, _ := url.Parse(back)
		codes = append(codes, address.Query().Get("code"), address.Query().Get("state"), s.cookies()[0].Value)
		come(back)
	}
	open := func(back string) { s.browser.open(t, back) }
	follow("zhang.san", open)
	follow("nobody.known", open)
	follow("wang.wu", open)
	follow("zhang.san", func(back string) { s.browser.open(t, back+"x") })
	s.signOn.Change(func(o *koogallerytest.SignOnOptions) { o.ClientSecret = "another" })
	follow("zhang.san", open)

	families, err := s.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	told := s.log.text()
	for _, family := range families {
		told += family.String()
	}
	hidden := append([]string{clientSecret, "seed-", "zhang.san", "nobody.known", "wang.wu", "Real Name", "real@example.com", "13800001111"}, codes...)
	for _, text := range hidden {
		if text == "" || strings.Contains(told, text) {
			t.Errorf("the log or the metrics say %q", text)
		}
	}
	for _, page := range s.browser.pages {
		if formToken.MatchString(page) {
			continue // the token itself names the user
		}
		for _, text := range hidden {
			if strings.Contains(page, text) {
				t.Errorf("a page says %q", text)
			}
		}
	}
}

func TestAUserOfASlowSignOnTakesNobodyElsesTurn(t *testing.T) {
	// One place, which is taken, and no time to wait for it.
	entered, release := make(chan struct{}), make(chan struct{})
	s := newStand(t, func(s *stand) { s.options.MaxConcurrent = 1; s.options.AnswerTimeout = 50 * time.Millisecond })
	// The one that holds the place has all the time.
	s.signOn.Change(func(o *koogallerytest.SignOnOptions) {
		o.Before = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == signon.TokenPath {
				entered <- struct{}{}
				<-release
			}
			return false
		}
	})
	first, waiting := s.comesBack(t), s.browser
	s.browser = s.anotherBrowser()
	second := s.comesBack(t)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		answer, err := waiting.Get(first)
		if err == nil {
			answer.Body.Close()
		}
	}()
	<-entered
	s.wantRefused(t, s.browser.open(t, second), http.StatusServiceUnavailable, "Busy")
	close(release)
	<-ended
}

// Whoever knows an instance's address could else make us call its marketplace as fast as we can.
func TestAnInstanceIsAskedAboutNoMoreOftenThanThat(t *testing.T) {
	s := newStand(t)
	busy := false
	for range 200 {
		word := reasonWord.FindStringSubmatch(s.browser.open(t, s.comesBack(t)+"&").body)
		busy = busy || word != nil && word[1] == "Busy"
	}
	if !busy {
		t.Error("200 callbacks at once are all passed on")
	}
}

// asked counts the codes that the marketplace was asked about.
func (s *stand) asked() *int {
	asked := new(int)
	s.signOn.Change(func(o *koogallerytest.SignOnOptions) {
		o.Before = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == signon.TokenPath {
				*asked++
			}
			return false
		}
	})
	return asked
}

// Whoever kept a cookie could else take the turn of all others of that instance.
func TestAStateIsGoodForOneQuestionToTheMarketplace(t *testing.T) {
	s := newStand(t)
	asked := s.asked()
	back := s.comesBack(t)
	kept := s.cookies()
	for range 200 {
		s.setCookies(kept)
		s.browser.open(t, strings.Replace(back, "code=", "code=guessed", 1))
	}
	if *asked != 1 {
		t.Errorf("one state made %d questions", *asked)
	}
	s.browser.submit(t, s.browser.open(t, publicURL+startPath))
	if len(s.frontEnd.tokens) != 1 {
		t.Error("after that the real user is not let in")
	}
}

// States are free, so that one address could else take the turns of all others with a fresh one for each code that is none.
func TestFreshStatesOfOneAddressLeaveOthersTheirTurn(t *testing.T) {
	for sentence, address := range map[string]string{"IPv4": "192.0.2.%d:4711", "one /64 of IPv6": "[2001:db8::%d]:4711"} {
		t.Run(sentence, func(t *testing.T) {
			s := newStand(t)
			asked, user := s.asked(), s.browser
			user.address = "198.51.100.7:4711"
			for i := range 100 {
				s.browser = s.anotherBrowser()
				if s.browser.address = fmt.Sprintf(address, 1); strings.HasPrefix(address, "[") {
					s.browser.address = fmt.Sprintf(address, i)
				}
				s.browser.open(t, strings.Replace(s.comesBack(t), "code=", "code=guessed", 1))
			}
			if *asked < 20 || *asked > 40 {
				t.Errorf("one address made %d questions", *asked)
			}
			s.browser = user
			for range 20 {
				user.submit(t, user.open(t, publicURL+startPath))
			}
			if len(s.frontEnd.tokens) != 20 {
				t.Errorf("of 20 sign-ons from another address %d are let in", len(s.frontEnd.tokens))
			}
		})
	}
}

// Behind a proxy all have its address, and one who asks with codes that are none would keep all users out.
func TestUsersBehindAProxyHaveTheirOwnAddresses(t *testing.T) {
	for sentence, user := range map[string]string{"IPv4": "198.51.100.7", "with a port": "198.51.100.7:4711", "IPv6": "2001:db8::7"} {
		t.Run(sentence, func(t *testing.T) {
			s := newStand(t, func(s *stand) { s.options.ForwardedFor = true })
			asked := s.asked()
			for i := range 100 {
				s.browser = s.anotherBrowser()
				s.browser.address, s.browser.forwarded = "10.0.0.1:4711", fmt.Sprintf("203.0.113.%d, 192.0.2.1", i)
				s.browser.open(t, strings.Replace(s.comesBack(t), "code=", "code=guessed", 1))
			}
			if *asked > 40 {
				t.Errorf("one address made %d questions", *asked)
			}
			s.browser = s.anotherBrowser()
			s.browser.address, s.browser.forwarded = "10.0.0.1:4711", user
			for range 20 {
				s.browser.submit(t, s.browser.open(t, publicURL+startPath))
			}
			if len(s.frontEnd.tokens) != 20 {
				t.Errorf("of 20 sign-ons from another address %d are let in", len(s.frontEnd.tokens))
			}
		})
	}
}

// Without a proxy the header is the caller's own word.
func TestAnAddressIsNotWhatACallerSays(t *testing.T) {
	s := newStand(t)
	asked := s.asked()
	for i := range 100 {
		s.browser = s.anotherBrowser()
		s.browser.address, s.browser.forwarded = "192.0.2.1:4711", fmt.Sprintf("203.0.113.%d", i)
		s.browser.open(t, strings.Replace(s.comesBack(t), "code=", "code=guessed", 1))
	}
	if *asked > 40 {
		t.Errorf("one address made %d questions", *asked)
	}
}

// The users of an enterprise come from one address.
func TestSignOnsThatEndWellAreNotBoundByTheirAddress(t *testing.T) {
	s := newStand(t)
	s.browser.address = "198.51.100.7:4711"
	for range 40 {
		s.browser.submit(t, s.browser.open(t, publicURL+startPath))
	}
	if len(s.frontEnd.tokens) != 40 {
		t.Errorf("of 40 sign-ons %d are let in", len(s.frontEnd.tokens))
	}
}

func TestAHEADUsesNothingUp(t *testing.T) {
	s := newStand(t)
	asked := s.asked()
	back := s.comesBack(t)
	answer, err := s.browser.Head(back)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusMethodNotAllowed || answer.Header.Get("Set-Cookie") != "" || *asked != 0 {
		t.Errorf("answered %d with the cookie %q, and %d codes were used", answer.StatusCode, answer.Header.Get("Set-Cookie"), *asked)
	}
	s.browser.submit(t, s.browser.open(t, back))
	if len(s.frontEnd.tokens) != 1 {
		t.Error("the user who comes after it is not let in")
	}
}

func TestATokenHasTheNonceThatTheApplicationHasBegunWith(t *testing.T) {
	const nonce = "0123456789abcdef-_ABCXYZ"
	s := newStand(t)
	s.browser.submit(t, s.browser.open(t, publicURL+startPath+"?nonce="+nonce))
	s.browser.submit(t, s.browser.open(t, publicURL+startPath))
	var got []string
	for _, token := range s.frontEnd.tokens {
		is, err := verified(token, "sold", noon)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, is.Nonce)
	}
	if want := []string{nonce, ""}; !slices.Equal(got, want) {
		t.Errorf("the tokens have the nonces %q, want %q", got, want)
	}
	for sentence, query := range map[string]string{
		"one that can be guessed": "nonce=short", "an empty one": "nonce=", "a long one": "nonce=" + strings.Repeat("a", 129),
		"other characters": "nonce=0123456789abcde%3C", "two": "nonce=" + nonce + "&nonce=" + nonce,
	} {
		t.Run(sentence, func(t *testing.T) {
			s.wantRefused(t, s.browser.open(t, publicURL+startPath+"?"+query), http.StatusBadRequest, "Nonce")
		})
	}
}

// A nonce in what comes unasked is not the application's.
func TestAnUnaskedCallbackBringsNoNonce(t *testing.T) {
	s := newStand(t)
	s.browser.submit(t, s.browser.open(t, s.signOn.Portal(publicURL+callbackPath)+"&nonce=0123456789abcdef"))
	if is, err := verified(s.frontEnd.tokens[0], "sold", noon); err != nil || is.Nonce != "" {
		t.Errorf("the token has the nonce %q (%v)", is.Nonce, err)
	}
}

// Whoever calls an instance whose Secrets can't be read would else make us read them at each call.
func TestAFailedReadIsNotRepeatedAtEachCall(t *testing.T) {
	for sentence, spoil := range map[string]func(*stand){
		"no seed": func(s *stand) { s.put(v1alpha1.AccessSecretName("sold"), nil) },
		"a directory of junk": func(s *stand) {
			s.put(v1alpha1.DirectorySecretName("sold"), map[string][]byte{store.HeadKey: []byte("{")})
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			reads := 0
			s := newStand(t, func(s *stand) {
				s.options.APIReader = interceptor.NewClient(s.world.(client.WithWatch), interceptor.Funcs{
					Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, opts ...client.GetOption) error {
						reads++
						return c.Get(ctx, key, object, opts...)
					},
				})
			})
			spoil(s)
			for range 100 {
				if shown := s.browser.open(t, publicURL+startPath); shown.status != http.StatusServiceUnavailable {
					t.Fatalf("shown %d", shown.status)
				}
			}
			if reads > 2 {
				t.Errorf("100 calls made %d reads", reads)
			}
			s.put(v1alpha1.AccessSecretName("sold"), map[string][]byte{v1alpha1.AccessSeedKey: seedOf("sold")})
			s.told()
			s.clock.Step(3 * time.Second)
			s.browser.submit(t, s.browser.open(t, publicURL+startPath))
			if len(s.frontEnd.tokens) != 1 {
				t.Error("what was put right is not seen")
			}
		})
	}
}

func TestOptionsThatCannotWork(t *testing.T) {
	for sentence, change := range map[string]func(*login.Options){
		"a URL without TLS":    func(o *login.Options) { o.URL = "http://login.example.com" },
		"a URL with a path":    func(o *login.Options) { o.URL = "https://login.example.com/x" },
		"a URL with a query":   func(o *login.Options) { o.URL = "https://login.example.com?x" },
		"no URL":               func(o *login.Options) { o.URL = "" },
		"no sales namespaces":  func(o *login.Options) { o.Namespaces = nil },
		"no client":            func(o *login.Options) { o.Client = nil },
		"nothing for Secrets":  func(o *login.Options) { o.APIReader = nil },
		"nothing for metrics":  func(o *login.Options) { o.Registerer = nil },
		"metrics of another":   func(*login.Options) {},
		"a URL with a user":    func(o *login.Options) { o.URL = "https://me@login.example.com" },
		"a URL without a host": func(o *login.Options) { o.URL = "https://" },
	} {
		t.Run(sentence, func(t *testing.T) {
			options := newStand(t).options
			change(&options)
			if _, err := login.NewHandler(options); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestAnInstanceWithoutADirectory(t *testing.T) {
	s := newStand(t)
	s.put(v1alpha1.DirectorySecretName("sold"), nil)
	s.wantRefused(t, s.browser.open(t, publicURL+startPath), http.StatusForbidden, "NoClient")
	s = newStand(t)
	s.put(v1alpha1.DirectorySecretName("sold"), map[string][]byte{store.HeadKey: []byte("{secret")})
	s.wantRefused(t, s.browser.open(t, publicURL+startPath), http.StatusServiceUnavailable, "Unavailable")
	if strings.Contains(s.log.text(), "{secret") {
		t.Error("the log quotes the Secret")
	}
}

func TestTheEnterpriseCanBeNamed(t *testing.T) {
	s := newStand(t)
	s.told(marketplace.Sync{
		EnterpriseID: "enterprise-2", At: noon, Action: marketplace.SyncPut, Enterprise: &marketplace.Enterprise{DomainName: "other.example.com"},
	}, marketplace.Sync{
		EnterpriseID: "enterprise-2", At: noon, Action: marketplace.SyncPut, Application: &marketplace.Application{ID: "a2", ClientID: "c2", ClientSecret: "s2"},
	})
	s.wantRefused(t, s.browser.open(t, publicURL+startPath+"?tenant=enterprise-3"), http.StatusForbidden, "NoClient")
	s.browser.submit(t, s.browser.open(t, publicURL+startPath+"?tenant="+enterprise))
	if len(s.frontEnd.tokens) != 1 {
		t.Errorf("the front end got no token\n%s", s.log.text())
	}
}

// The marketplace knows one address for a product, and says which enterprise a user is of.
func TestTheMarketplaceSendsUsersToAProduct(t *testing.T) {
	s := newStand(t, func(s *stand) {
		// A sale of the same enterprise that is over, one that is suspended, and one of another product.
		over, suspended, other, plain := theInstance("over"), theInstance("suspended"), theInstance("other"), theProduct()
		over.Spec.Subscription.Entitlement.State = v1alpha1.EntitlementReleased
		meta.SetStatusCondition(&suspended.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionSuspended, Status: metav1.ConditionTrue, Reason: "PaymentOverdue"})
		suspended.CreationTimestamp = metav1.NewTime(noon)
		plain.Name, other.Spec.ProductRef.Name = "plain", "plain"
		s.make(over, suspended, other, plain)
	})
	s.signOn.SignIn(koogallerytest.SignOnUser{Tenant: enterprise, UserName: "li.si"})
	planted := s.signOn.Portal(publicURL + "/enter/sales/joint")
	s.signIn("zhang.san")
	s.browser.submit(t, s.browser.open(t, planted))
	if is, err := verified(s.frontEnd.tokens[0], "sold", noon); err != nil || is.Subject != "zhang.san" {
		t.Fatalf("the front end got %q (%v)", is.Subject, err)
	}
	if s.counted("enter", "Led") != 1 || s.counted("callback", "SignedIn") != 1 {
		t.Error("the metrics do not count it")
	}
	for _, path := range []string{"/enter/sales/joint", "/enter/sales/joint?tenant=enterprise-2", "/enter/sales/nothing?tenant=" + enterprise,
		"/enter/elsewhere/joint?tenant=" + enterprise, "/enter/sales/joint/x?tenant=" + enterprise, "/enter/sales", "/enter//joint"} {
		s.wantRefused(t, s.browser.open(t, publicURL+path), http.StatusNotFound, "NotFound")
	}
}
