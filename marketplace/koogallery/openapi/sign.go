package openapi

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	algorithm = "SDK-HMAC-SHA256"
	// HeaderDate carries the time of the call, which must be within 15 minutes of the API's (protocol page 4.1).
	HeaderDate = "X-Sdk-Date"
	// DateFormat is the layout of HeaderDate, in UTC.
	DateFormat = "20060102T150405Z"
)

// signedHeaders are the headers that we sign, in lower case and sorted.
var signedHeaders = []string{"content-type", "host", "x-sdk-date"}

// sign sets the date and the Authorization header of a request whose other headers are complete.
func sign(req *http.Request, ak, sk string, body []byte, at time.Time) {
	req.Header.Set(HeaderDate, at.UTC().Format(DateFormat))
	req.Header.Set("Authorization", Authorization(req, ak, sk, signedHeaders, body))
}

// Authorization is the Authorization header of a request that is signed with SDK-HMAC-SHA256 (protocol page 4.1). headers
// are the signed headers' names in lower case, sorted; HeaderDate must be one of them and be set. It works for requests to
// send and for received ones, so that a server can compare.
func Authorization(req *http.Request, ak, sk string, headers []string, body []byte) string {
	toSign := algorithm + "\n" + req.Header.Get(HeaderDate) + "\n" + hexSHA256([]byte(canonicalRequest(req, headers, body)))
	mac := hmac.New(sha256.New, []byte(sk))
	mac.Write([]byte(toSign))
	return algorithm + " Access=" + ak + ", SignedHeaders=" + strings.Join(headers, ";") +
		", Signature=" + hex.EncodeToString(mac.Sum(nil))
}

func canonicalRequest(req *http.Request, headers []string, body []byte) string {
	var canonicalHeaders strings.Builder
	for _, name := range headers {
		canonicalHeaders.WriteString(name + ":" + headerValue(req, name) + "\n")
	}
	return strings.Join([]string{
		req.Method,
		canonicalURI(req.URL),
		canonicalQuery(req.URL.Query()),
		canonicalHeaders.String(),
		strings.Join(headers, ";"),
		hexSHA256(body),
	}, "\n")
}

// headerValue reads a header; Go keeps the host apart from the others.
func headerValue(req *http.Request, name string) string {
	switch {
	case name != "host":
		return strings.TrimSpace(req.Header.Get(name))
	case req.Host != "":
		return req.Host
	default:
		return req.URL.Host
	}
}

// canonicalURI ends in a slash, which the request line does not.
func canonicalURI(target *url.URL) string {
	segments := strings.Split(target.Path, "/")
	for i, segment := range segments {
		segments[i] = escape(segment)
	}
	uri := strings.Join(segments, "/")
	if !strings.HasSuffix(uri, "/") {
		uri += "/"
	}
	return uri
}

func canonicalQuery(values url.Values) string {
	var pairs []string
	for name, list := range values {
		for _, value := range list {
			pairs = append(pairs, escape(name)+"="+escape(value))
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

// escape leaves only A-Z a-z 0-9 - _ . ~ bare; url.QueryEscape would write a blank as a plus sign.
func escape(text string) string {
	return strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
}

func hexSHA256(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
