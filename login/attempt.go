package login

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// attemptLife is how long a user may take to sign in.
	attemptLife = 10 * time.Minute
	// maxCookie bounds a cookie that is looked at.
	maxCookie = 4096
	// maxReturn is the length of a path to return to.
	maxReturn = 512
	// maxUnasked bounds attempt.Unasked: a marketplace that lost our state would send a browser in circles. One tab that is opened at the
	// marketplace is no circle, nor are several.
	maxUnasked = 3
	// minNonce and maxNonce are the lengths of an application's nonce: one that is shorter can be guessed.
	minNonce = 16
	maxNonce = 128
)

// attempt is a sign-on that was begun and not ended. The browser keeps it.
type attempt struct {
	State    string `json:"state"`
	Verifier string `json:"verifier,omitempty"`
	// Enterprise and Application are whose client the sign-on was begun with.
	Enterprise  string `json:"enterprise"`
	Application string `json:"application"`
	// Return is where in the application the user wanted to go; a safe path, or empty.
	Return string `json:"return,omitempty"`
	// Nonce is what the application has begun the sign-on with, and what it finds in the token; empty where it was begun elsewhere.
	Nonce string `json:"nonce,omitempty"`
	// Unasked is how many sign-ons in a row were begun, and not ended, because the marketplace sent a code unasked.
	Unasked int `json:"unasked,omitempty"`
}

// begin makes an attempt that nobody can guess.
func begin(enterprise, application, returnTo string, pkce bool) attempt {
	// Letters and digits, as marketplaces want them; rand.Text has 26 of them.
	a := attempt{State: rand.Text(), Enterprise: enterprise, Application: application, Return: safeReturn(returnTo)}
	if pkce {
		a.Verifier = rand.Text() + rand.Text()
	}
	return a
}

// nonceOf is the application's nonce of a request, empty where there is none. It goes into a token as it is: letters, digits, - and _.
func nonceOf(query url.Values) (string, error) {
	given, ok := query["nonce"]
	if !ok {
		return "", nil
	}
	if len(given) != 1 || len(given[0]) < minNonce || len(given[0]) > maxNonce || strings.Trim(given[0], nonceCharacters) != "" {
		return "", fmt.Errorf("%w: nonce must be given once, with %d to %d letters, digits, - and _", errNonce, minNonce, maxNonce)
	}
	return given[0], nil
}

const nonceCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

// seal encrypts an attempt for one instance.
func (a attempt) seal(key []byte, instance types.NamespacedName, now time.Time) (string, error) {
	encrypter, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.DIRECT, Key: key}, nil)
	if err != nil {
		return "", fmt.Errorf("%w: making the cookie", errUnavailable)
	}
	claims := jwt.Claims{Audience: jwt.Audience{instance.String()}, Expiry: jwt.NewNumericDate(now.Add(attemptLife))}
	sealed, err := jwt.Encrypted(encrypter).Claims(claims).Claims(a).Serialize()
	if err != nil {
		return "", fmt.Errorf("%w: making the cookie", errUnavailable)
	}
	return sealed, nil
}

// open decrypts an attempt. Whatever is wrong with it, the error is errNoAttempt.
func open(sealed string, key []byte, instance types.NamespacedName, now time.Time) (attempt, error) {
	if sealed == "" || len(sealed) > maxCookie {
		return attempt{}, fmt.Errorf("%w: no cookie", errNoAttempt)
	}
	token, err := jwt.ParseEncrypted(sealed, []jose.KeyAlgorithm{jose.DIRECT}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		return attempt{}, fmt.Errorf("%w: the cookie can't be decrypted", errNoAttempt)
	}
	var (
		claims jwt.Claims
		a      attempt
	)
	if token.Claims(key, &claims, &a) != nil {
		return attempt{}, fmt.Errorf("%w: the cookie belongs to another instance", errNoAttempt)
	}
	expected := jwt.Expected{AnyAudience: jwt.Audience{instance.String()}, Time: now}
	if claims.Expiry == nil || claims.ValidateWithLeeway(expected, 0) != nil || a.State == "" {
		return attempt{}, fmt.Errorf("%w: the cookie has expired", errNoAttempt)
	}
	return a, nil
}

// cookieName is the name of an instance's cookie. With the prefix __Host- browsers take it from this host alone: a tenant's front end on
// a host beside ours could otherwise plant an attempt of its own. That prefix wants the path /, so the name keeps instances apart.
func cookieName(instance types.NamespacedName) string {
	sum := sha256.Sum256([]byte(instance.String()))
	return "__Host-stallkeeper-login-" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:16])
}

// cookie carries a sealed attempt; an empty one takes it away.
func cookie(instance types.NamespacedName, sealed string) *http.Cookie {
	c := &http.Cookie{
		Name: cookieName(instance), Value: sealed, Path: "/", Secure: true, HttpOnly: true,
		// Lax: it has to come along when the marketplace sends the browser back.
		SameSite: http.SameSiteLaxMode, MaxAge: int(attemptLife.Seconds()),
	}
	if sealed == "" {
		c.MaxAge = -1
	}
	return c
}

// safeReturn is a path within an application as it stands, and empty for everything else: what a browser could take for the address of
// another host has no place in it.
func safeReturn(path string) string {
	// A browser takes // and /\ for another host's beginning, and drops tabs and line ends before it looks.
	if path == "" || len(path) > maxReturn || path[0] != '/' || strings.HasPrefix(path, "//") {
		return ""
	}
	for _, c := range []byte(path) {
		if c <= ' ' || c >= 0x7f || c == '\\' {
			return ""
		}
	}
	return path
}
