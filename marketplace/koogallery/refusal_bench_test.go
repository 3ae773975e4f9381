package koogallery_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

// maxRefusal is how long the worst input may keep a core.
const maxRefusal = 10 * time.Millisecond

const mebibyte = 1 << 20

// fill repeats a piece up to a size; what does not fit whole is cut.
func fill(piece string, size int) string { return strings.Repeat(piece, size/len(piece)+1)[:size] }

// whole repeats a piece as often as it fits whole.
func whole(piece string, size int) string { return strings.Repeat(piece, size/len(piece)) }

// strangers are the worst requests of somebody without a key: 1 MiB of anything, and the longest that is read at all.
func strangers() map[string]marketplace.Request {
	unsigned := "signature=" + strings.Repeat("00", 32) + "&timestamp=1680508066618&nonce=n"
	token := "authToken=" + url.QueryEscape(koogallery.AuthToken([]byte("other"), nil))
	post := func(body string) marketplace.Request {
		return marketplace.Request{Method: "POST", Query: unsigned, Body: []byte(body)}
	}
	get := func(query string) marketplace.Request {
		return marketplace.Request{Method: "GET", Query: token + query[:min(len(query), koogallery.MaxQuery-len(token))]}
	}
	kit := func(path, body string) marketplace.Request {
		return marketplace.Request{Method: "POST", Path: path, Body: []byte(body), Header: http.Header{
			"X-Sign": {strings.Repeat("00", 32)}, "X-Timestamp": {"1680508066618"}, "X-Nonce": {"n"},
			"Authtoken": {koogallery.AuthToken([]byte("other"), nil)},
		}}
	}
	const kitV1, kitV2 = koogallery.KitPath + koogallery.ActivityAuthSync, koogallery.KitV2Path + koogallery.ActivityAuthSync
	users := `{"b":1,"a":[` + whole(`{"userName": "u", "name":"\u5f20\u4e09"},`, mebibyte-20) + `{}]}`
	escaped := `{"b":1,"a":"` + whole(`\u00e9`, mebibyte-14) + `"}`
	const body, query, rewritten = koogallery.MaxBody, koogallery.MaxQuery, 16 << 10
	return map[string]marketplace.Request{
		"the Kit, above 1 MiB":             kit(kitV2, fill("[", mebibyte+1)),
		"the Kit, 1 MiB nested":            kit(kitV2, `{"a":`+fill("[", mebibyte-5)),
		"the Kit, 1 MiB escaped":           kit(kitV2, escaped),
		"the Kit, 1 MiB of users":          kit(kitV2, users),
		"the Kit, 1 MiB of members":        kit(kitV2, "{"+fill(`"a":1,`, mebibyte-1)),
		"the Kit's V1, 1 MiB escaped":      kit(kitV1, escaped),
		"the Kit's V1, 1 MiB of users":     kit(kitV1, users),
		"1 MiB of nested arrays":           post(fill("[", mebibyte)),
		"1 MiB of nested objects":          post(whole(`{"a":`, mebibyte)),
		"1 MiB of members":                 post("{" + whole(`"a":1,`, mebibyte) + `"b":1}`),
		"1 MiB of unicode escapes":         post(`{"a":"` + whole(`\u00e9`, mebibyte) + `"}`),
		"1 MiB of a license call":          post(`{"activity":"getLicenseAsync","deviceFingerprint":"` + fill("f", mebibyte) + `"}`),
		"1 MiB of query in a POST":         {Method: "POST", Query: fill("&a=1", mebibyte)},
		"1 MiB of query in a GET":          {Method: "GET", Query: token + fill("&a=%2B", mebibyte)},
		"1 MiB of saasExtendParams":        {Method: "GET", Query: token + "&saasExtendParams=" + fill("QUJD", mebibyte)},
		"1 MiB of nonce":                   {Method: "POST", Query: unsigned + fill("n", mebibyte), Body: []byte("{}")},
		"1 MiB of path":                    {Method: "POST", Path: fill("/a", mebibyte), Query: unsigned, Body: []byte("{}")},
		"the longest body, nested":         post(`{"a":` + fill("[", body-5)),
		"the longest body, nested closed":  post(`{"b":1,"a":` + fill("[", 9000) + fill("]", 9000) + `}`),
		"the longest body, escaped":        post(`{"b":1,"a":"` + whole(`\u00e9`, body-14) + `"}`),
		"the longest body, many escapes":   post(`{"b":1,"a":[` + whole(`"\u00e9",`, body-20) + `""]}`),
		"the longest body, controls":       post(`{"b":1,"a":"` + whole(`\u001f`, body-14) + `"}`),
		"the longest body, many members":   post("{" + fill(`"a":1,`, body-1)),
		"the longest body, many names":     post("{" + whole(`"`+fill("x", 500)+`":1,`, body-20) + `"b":1}`),
		"the longest body, a license call": post(`{"deviceFingerprint":"` + whole(`\ud83d\ude00`, body-70) + `","activity":"getLicenseAsync"}`),
		"the longest rewritten, escaped":   post(`{"b":1,"a":"` + whole(`\u00e9`, rewritten-14) + `"}`),
		"the longest rewritten, strings":   post(`{"b":1,"a":[` + whole(`"\u00e9",`, rewritten-20) + `""]}`),
		"the longest rewritten, license":   post(`{"b":"` + whole(`\ud83d\ude00`, rewritten-70) + `","activity":"getLicenseAsync"}`),
		"the longest query, one value":     get("&a=" + fill("%2B", query)),
		"the longest query, bare plus":     get("&a=" + fill("+", query)),
		"the longest query, many names":    get(fill("&", query)),
		"the longest query, parameters":    get(whole("&a", query)),
		"the longest query, 128 names":     get(numbered(128, "&a%d=+")),
		"the longest query, base64":        get("&saasExtendParams=" + fill("+/8=", query)),
	}
}

// numbered are pieces that differ in a number.
func numbered(count int, piece string) string {
	var all strings.Builder
	for i := range count {
		all.WriteString(strings.Replace(piece, "%d", strings.Repeat("x", i), 1))
	}
	return all.String()
}

// insiders are the worst requests of somebody with a key.
func insiders() map[string]marketplace.Request {
	post := func(body string) marketplace.Request { return ordinary(body).request() }
	extend := func(json string) marketplace.Request {
		return ordinaryQuery("newInstance", "saasExtendParams", base64.StdEncoding.EncodeToString([]byte(json))).request()
	}
	const body = koogallery.MaxBody
	license := `{"activity":"getLicenseAsync","instanceId":"i","eventId":"e","effectiveTime":"2023-10-27 10:30:15 z","deviceFingerprint":"`
	check := `{"activity":"changeInstanceCheck","instanceId":"i","productInfo":"`
	return map[string]marketplace.Request{
		"a fingerprint that fills the body":       post(license + fill("f", body-len(license)-2) + `"}`),
		"a fingerprint of surrogates":             post(license + whole(`\ud83d\ude00`, body-len(license)-2) + `"}`),
		"a license code that fills the body":      post(`{"activity":"releaseLicenseCode","license":"` + fill("p", body-50) + `"}`),
		"an activity that fills the body":         post(`{"activity":"` + fill("a", body-20) + `"}`),
		"a product nested in a text":              post(check + fill("[", body-len(check)-2) + `"}`),
		"a product of many members":               post(check + `{` + whole(`\"a\":1,`, body-len(check)-20) + `\"b\":1"}`),
		"many products":                           post(check + `[` + whole(`{},`, body-len(check)-20) + `{}]"}`),
		"instances that fill the body":            post(`{"activity":"queryInstance","instanceId":"` + whole("i,", body-50) + `"}`),
		"extend params as long as the query":      ordinaryQuery("newInstance", "saasExtendParams", fill("QUJD", 11<<10)).request(),
		"extend params that are nested":           extend(fill("[", 1500)),
		"extend params that are many and refused": extend("[" + whole(`{},`, 1500) + "1"),
		"a phone number as long as the query":     ordinaryQuery("newInstance", "orderId", "", "mobilePhone", fill("QUJD", 11<<10)).request(),
	}
}

// BenchmarkRefusal measures how long the worst inputs keep the verifier and the decoder: 1 MiB of anything must take less than
// 10 ms, and so must the longest that is read at all.
func BenchmarkRefusal(b *testing.B) {
	callbacks := allKeys(b)
	for name, request := range strangers() {
		b.Run(name, func(b *testing.B) {
			refuse(b, func() error {
				_, err := callbacks.Verify(request, now)
				return err
			})
		})
	}
	for name, request := range insiders() {
		b.Run("signed, "+name, func(b *testing.B) {
			if _, err := callbacks.Verify(request, now); err != nil {
				b.Fatal(err)
			}
			refuse(b, func() error {
				_, err := callbacks.Decode(request)
				return err
			})
		})
	}
}

func refuse(b *testing.B, refusal func() error) {
	for b.Loop() {
		if refusal() == nil {
			b.Fatal("it was accepted")
		}
	}
	if each := b.Elapsed() / time.Duration(b.N); each > maxRefusal {
		b.Errorf("refusing takes %s, at most %s are allowed", each, maxRefusal)
	}
}
