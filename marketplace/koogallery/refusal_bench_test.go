package koogallery_test

import (
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
	for name, request := range map[string]marketplace.Request{
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
