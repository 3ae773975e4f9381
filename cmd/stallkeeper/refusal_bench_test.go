package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

// BenchmarkRefusal measures how long the whole callback server takes to refuse 1 MiB, from the headers to the answer: less than
// 10 ms, of which a network would add what it takes to send it.
func BenchmarkRefusal(b *testing.B) {
	const mebibyte = 1 << 20
	const unsigned = "?signature=" + "00" + "&timestamp=1680508066618&nonce=n"
	fill := func(piece string) string { return strings.Repeat(piece, mebibyte/len(piece)) }
	tests := map[string]struct {
		method, query, body string
		// chunked: its length is not told before.
		chunked bool
	}{
		"a body":                     {http.MethodPost, unsigned, fill("["), false},
		"a body of unknown length":   {http.MethodPost, unsigned, fill("["), true},
		"a body of unicode escapes":  {http.MethodPost, unsigned, `{"a":"` + fill(`\u00e9`) + `"}`, true},
		"a body of many members":     {http.MethodPost, unsigned, "{" + fill(`"a":1,`) + `"b":1}`, true},
		"the longest body that fits": {http.MethodPost, unsigned, `{"b":1,"a":"` + strings.Repeat(`\ud83d\ude00`, (koogallery.MaxBody-14)/12) + `"}`, false},
		"a query of SaaS V1.0":       {http.MethodGet, "?authToken=QUJD" + fill("&a=%2B"), "", false},
		"many parameters":            {http.MethodPost, unsigned + fill("&a=b"), "{}", false},
		"extension parameters":       {http.MethodGet, "?authToken=QUJD&saasExtendParams=" + fill("QUJD"), "", false},
		"a body of nobody's path":    {http.MethodPost, "/produceAPI/v2/authSync" + unsigned, fill("["), false},
	}
	for name, tc := range tests {
		b.Run(name, func(b *testing.B) {
			s := newShop(b)
			for b.Loop() {
				request := httptest.NewRequest(tc.method, shopPath+tc.query, strings.NewReader(tc.body))
				if tc.chunked {
					request.Body, request.ContentLength = io.NopCloser(strings.NewReader(tc.body)), -1
				}
				recorder := httptest.NewRecorder()
				s.ServeHTTP(recorder, request)
				if bytes.Contains(recorder.Body.Bytes(), []byte(`"000000"`)) {
					b.Fatal("it was accepted")
				}
			}
			if each := b.Elapsed() / time.Duration(b.N); each > 10*time.Millisecond {
				b.Errorf("refusing takes %s", each)
			}
		})
	}
}
