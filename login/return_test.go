package login_test

import (
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/stallkeeper/stallkeeper/login"
)

func TestPathsToReturnTo(t *testing.T) {
	for path, want := range map[string]string{
		"/reports?year=2026#top": "/reports?year=2026#top", "/": "/", "": "",
		"//evil.example.com": "", "/\\evil.example.com": "", "/\t/evil.example.com": "", "https://evil.example.com": "", "reports": "",
		"/a\r\nSet-Cookie:x": "", "javascript:alert(1)": "", "/ä": "", "/" + strings.Repeat("a", 512): "", "/a b": "",
	} {
		if got := login.SafeReturn(path); got != want {
			t.Errorf("%q becomes %q, want %q", path, got, want)
		}
	}
}

// asBrowser is where a browser that is at base goes for a reference: it drops tabs and line ends, and takes a backslash for a slash.
func asBrowser(base, reference string) (*url.URL, error) {
	at, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	reference = strings.NewReplacer("\t", "", "\n", "", "\r", "", "\\", "/").Replace(strings.TrimSpace(reference))
	to, err := url.Parse(reference)
	if err != nil {
		return nil, err
	}
	return at.ResolveReference(to), nil
}

func staysAtHome(t interface{ Errorf(string, ...any) }, path string) {
	got := login.SafeReturn(path)
	if got == "" {
		return
	}
	if got != path {
		t.Errorf("%q was changed to %q", path, got)
	}
	// One that can't be read leads nowhere.
	if to, err := asBrowser("https://app.example.com/sso", got); err == nil && (to.Host != "app.example.com" || to.Scheme != "https" || to.User != nil) {
		t.Errorf("%q leads to %s", path, to)
	}
}

func TestNoPathToReturnToLeadsElsewhere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.SampledFrom([]string{"/", "\\", "\t", "\n", "@", ":", "evil.example.com", "https:", "?", "#", ".", "a", "%2f", " "}), 1, 8)
		staysAtHome(t, strings.Join(parts.Draw(t, "parts"), ""))
	})
}

func FuzzReturn(f *testing.F) {
	for _, seed := range []string{"/a", "//a", "/\\a", "/%2f/a", "/@a", "/a:1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) { staysAtHome(t, path) })
}
