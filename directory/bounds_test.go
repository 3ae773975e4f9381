package directory

import (
	"runtime"
	"strings"
	"testing"
)

// A Secret of 1 MiB was expanded to 437 MiB here.
func TestAHeadThatIsNoneTakesNoMemory(t *testing.T) {
	const size = 1 << 20
	for sentence, tc := range map[string]struct{ before, piece, after string }{
		"numbers for shards":  {`{"shards":[`, "0,", `0]}`},
		"numbers for records": {`{"shards":[{}],"records":[`, "0,", `0]}`},
		"empty records":       {`{"shards":[{}],"records":[`, "{},", `{}]}`},
		"behind a quote":      {`{"a":"\\\"","shards":[{}],"records":[`, "{},", `{}]}`},
		"empty names":         {`{"shards":[{}],"joined":[`, `"",`, `""]}`},
		"lists in lists":      {`{"x":`, "[", `}`},
	} {
		t.Run(sentence, func(t *testing.T) {
			head := []byte(tc.before + strings.Repeat(tc.piece, size/len(tc.piece)) + tc.after)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := Decode(head)
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Error("it is taken")
			}
			if took := (after.TotalAlloc - before.TotalAlloc) >> 20; took > 8 {
				t.Errorf("it took %d MiB", took)
			}
		})
	}
	commas := `{"shards":[{}],"enterprises":["` + strings.Repeat(`,\",`, size/8) + `"]}`
	if _, err := Decode([]byte(commas)); err != nil {
		t.Errorf("commas in a text count: %v", err)
	}
}
