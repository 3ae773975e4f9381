package koogallery_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

// BenchmarkRefusal measures how long the worst inputs keep the verifier: 1 MiB of anything must take less than 10 ms, and so must
// the longest that is read at all.
func BenchmarkRefusal(b *testing.B) {
	const mebibyte = 1 << 20
	unsigned := "signature=" + strings.Repeat("00", 32) + "&timestamp=1680508066618&nonce=n"
	token := "authToken=" + koogallery.AuthToken([]byte("other"), nil)
	fill := func(piece string, size int) string { return strings.Repeat(piece, size/len(piece)+1)[:size] }
	post := func(body string) marketplace.Request {
		return marketplace.Request{Method: "POST", Query: unsigned, Body: []byte(body)}
	}
	get := func(query string) marketplace.Request {
		return marketplace.Request{Method: "GET", Query: token + query[:min(len(query), koogallery.MaxQuery-len(token))]}
	}
	kit := func(path, body string) marketplace.Request {
		return marketplace.Request{Method: "POST", Path: path, Body: []byte(body), Header: http.Header{
			"X-Sign": {strings.Repeat("00", 32)}, "X-Timestamp": {"1680508066618"}, "X-Nonce": {"n"}, "Authtoken": {token[10:]},
		}}
	}
	users := `{"b":1,"a":[` + strings.Repeat(`{"userName": "u", "name":"\u5f20\u4e09"},`, mebibyte/43) + `{}]}`
	const v1, v2 = koogallery.KitPath + koogallery.ActivityAuthSync, koogallery.KitV2Path + koogallery.ActivityAuthSync
	for name, request := range map[string]marketplace.Request{
		"the Kit: above 1 MiB":           kit(v2, fill("[", mebibyte+1)),
		"the Kit: 1 MiB, nested":         kit(v2, `{"a":`+fill("[", mebibyte-5)),
		"the Kit: 1 MiB, escaped":        kit(v2, `{"b":1,"a":"`+fill(`\u00e9`, (mebibyte-14)/6*6)+`"}`),
		"the Kit: 1 MiB of users":        kit(v2, users),
		"the Kit: 1 MiB, members":        kit(v2, "{"+fill(`"a":1,`, mebibyte-1)),
		"the Kit: V1, 1 MiB escaped":     kit(v1, `{"b":1,"a":"`+fill(`\u00e9`, (mebibyte-14)/6*6)+`"}`),
		"the Kit: V1, 1 MiB users":       kit(v1, users),
		"1 MiB of body":                  post(fill("[", mebibyte)),
		"1 MiB of query in a POST":       {Method: "POST", Query: fill("&a=1", mebibyte)},
		"1 MiB of query in a GET":        {Method: "GET", Query: token + fill("&a=%2B", mebibyte)},
		"the longest body, nested":       post(`{"a":` + fill("[", koogallery.MaxBody-5)),
		"the longest body, escaped":      post(`{"b":1,"a":"` + fill(`\u00e9`, (koogallery.MaxBody-14)/6*6) + `"}`),
		"the longest body, many members": post("{" + fill(`"a":1,`, koogallery.MaxBody-1)),
		"the longest query, one value":   get("&a=" + fill("%2B", koogallery.MaxQuery)),
		"the longest query, bare plus":   get("&a=" + fill("+", koogallery.MaxQuery)),
		"the longest query, many names":  get(fill("&", koogallery.MaxQuery)),
	} {
		b.Run(name, func(b *testing.B) {
			callbacks := allKeys(b)
			for b.Loop() {
				if _, err := callbacks.Verify(request, now); err == nil {
					b.Fatal("it was accepted")
				}
			}
		})
	}
}
