package openapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/openapi"
)

// BenchmarkRefusal measures how long the worst answers keep a client: 1 MiB of anything less than 10 ms, and the longest that is
// read at all as well.
func BenchmarkRefusal(b *testing.B) {
	const mebibyte = 1 << 20
	whole := func(piece string, size int) string { return strings.Repeat(piece, (size-200)/len(piece)) }
	order := func(info string) string { return `{"resultCode":"MKT.0000","orderInfo":` + info + `}` }
	licenses := func(data string) string { return `{"error_code":"92020000","data":` + data + `}` }
	for name, body := range map[string]string{
		"1 MiB of nested arrays":        whole("[", mebibyte),
		"1 MiB of a page":               whole("<p>", mebibyte),
		"1 MiB of unicode escapes":      order(`"` + whole(`\u00e9`, mebibyte) + `"`),
		"1 MiB of lines":                order(`{"orderLine":[` + whole(`{},`, mebibyte) + `{}]}`),
		"the longest, nested":           whole("[", openapi.MaxAnswer),
		"the longest, a page":           whole("<p>", openapi.MaxAnswer),
		"the longest, unicode escapes":  order(`"` + whole(`\u00e9`, openapi.MaxAnswer) + `"`),
		"the longest, many lines":       order(`{"orderLine":[` + whole(`{},`, openapi.MaxAnswer) + `{}]}`),
		"the most lines":                order(`{"orderLine":[` + strings.Repeat(`{},`, 9_000) + `{}]}`),
		"the most parameters":           order(`{"extendParams":"[` + whole(`{}\u002c`, openapi.MaxAnswer) + `{}]"}`),
		"the most members":              order(`{` + strings.Repeat(`"a":1,`, 9_000) + `"b":1}`),
		"the most licenses":             licenses(`[` + strings.Repeat(`{},`, 9_000) + `{}]`),
		"the most lists of licenses":    licenses(`[` + strings.Repeat(`[`+strings.Repeat(`{},`, 80)+`{}],`, 100) + `[]]`),
		"the most licenses in a text":   licenses(`"[` + whole(`{}\u002c`, openapi.MaxAnswer) + `{}]"`),
		"the longest licenses, escapes": licenses(`"` + whole(`\u005b`, openapi.MaxAnswer) + `"`),
	} {
		b.Run(name, func(b *testing.B) {
			client := &openapi.Client{
				BaseURL: "https://api.example.com", AK: "ak", SK: "sk", Clock: func() time.Time { return now },
				HTTP: &http.Client{Transport: answering{status: http.StatusOK, body: []byte(body)}},
			}
			for b.Loop() {
				_, _, queried := client.QueryOrder(b.Context(), "CS1", "")
				_, listed := client.QueryLicenses(b.Context(), []string{"A", "B"})
				if queried == nil && listed == nil {
					b.Fatal("it was accepted")
				}
			}
			// Each turn refuses it twice.
			if each := b.Elapsed() / time.Duration(2*b.N); each > 10*time.Millisecond {
				b.Errorf("refusing takes %s", each)
			}
		})
	}
}
