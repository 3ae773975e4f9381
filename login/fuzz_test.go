package login_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/stallkeeper/stallkeeper/login"
)

// Whatever a stranger sends, and a proxy adds to it, is answered by a page or a redirect of ours and never by a panic, and nobody is signed
// in by a guess, also with a sign-on that was begun.
func FuzzHandler(f *testing.F) {
	for _, path := range []string{"/", startPath, callbackPath, startPath + "/logout", "/enter/sales/joint", "/login//sold", "/login/sales/sold/", "/x"} {
		f.Add(http.MethodGet, path, "tenant="+enterprise+"&app="+application+"&return=/x&nonce=0123456789abcdef", "203.0.113.9, 192.0.2.1", "", false)
		f.Add(http.MethodGet, path, "code=guessed", "[2001:db8::1]:4711", "a.b.c.d.e", true)
	}
	f.Add(http.MethodGet, callbackPath, "error=access_denied", ",", "", true)
	f.Add(http.MethodPost, callbackPath, "code=a&code=b;c", "fe80::1%eth0", "", true)
	f.Add(http.MethodHead, startPath, "tenant=%zz&return=//x.example.com", "", "", false)
	f.Add(http.MethodConnect, "", "", "unknown", "", false)
	f.Fuzz(func(t *testing.T, method, path, query, forwarded, cookie string, begun bool) {
		request, err := http.NewRequest(method, publicURL, http.NoBody)
		if err != nil {
			t.Skip()
		}
		s := newStand(t, func(s *stand) { s.options.ForwardedFor = true })
		if begun {
			back, err := url.Parse(s.comesBack(t))
			if err != nil {
				t.Fatal(err)
			}
			query += "&state=" + url.QueryEscape(back.Query().Get("state"))
			cookie = s.cookies()[0].Value
		}
		request.URL.Path, request.URL.RawQuery, request.RemoteAddr = path, query, "10.0.0.1:4711"
		request.Header.Set("X-Forwarded-For", forwarded)
		request.AddCookie(&http.Cookie{Name: login.CookieName(types.NamespacedName{Namespace: "sales", Name: "sold"}), Value: cookie})
		recorder := httptest.NewRecorder()
		s.handler.ServeHTTP(recorder, request)
		if recorder.Code == http.StatusInternalServerError || strings.Contains(s.log.text(), "panicked") {
			t.Fatalf("it panicked:\n%s", s.log.text())
		}
		if strings.Contains(recorder.Body.String(), `name="token"`) {
			t.Fatal("a guess signs somebody in")
		}
		if to := recorder.Header().Get("Location"); to != "" {
			at, err := url.Parse(to)
			if err != nil || !slices.Contains([]string{"https://login.example.com", "https://unified.example.com"}, at.Scheme+"://"+at.Host) {
				t.Fatalf("it leads to %q", to)
			}
		}
		if strings.Trim(path, "/") != "" && recorder.Header().Get("Cache-Control") != "no-store" {
			t.Fatalf("%d may be kept", recorder.Code)
		}
	})
}
