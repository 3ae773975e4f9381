package sources

import (
	"errors"
	"testing"

	"github.com/stallkeeper/stallkeeper/controllers/usage/metering"
)

// What a Prometheus answers never panics, and is an amount that a record can hold or an error of ours.
func FuzzReadPrometheus(f *testing.F) {
	for _, body := range []string{
		`{"status":"success","data":{"resultType":"scalar","result":[1,"12.5"]}}`,
		`{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"7"]}]}}`,
		`{"status":"success","data":{"resultType":"vector","result":[{"value":[1]}]}}`,
		`{"status":"success","data":{"resultType":"scalar","result":{"a":1}}}`,
		`{"status":"success","data":{"resultType":"vector","result":[null]}}`,
		`{"status":"error"}`, `[]`, `{`, ``,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		amount, err := readPrometheus(body)
		var ours *Error
		if err != nil && !errors.As(err, &ours) || err == nil && (amount < 0 || amount > metering.MaxAmount) {
			t.Errorf("%q is %d, %v", body, amount, err)
		}
	})
}
