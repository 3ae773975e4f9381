package directory

import (
	"bytes"
	"compress/gzip"
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

// A Secret of 64 kB was expanded to 256 MiB here.
func TestAShardThatIsNoneTakesNoMemory(t *testing.T) {
	const line = `{"key":{"kind":"User","enterprise":"e","id":"u"},"state":"Present","at":1}` + "\n"
	for sentence, tc := range map[string]struct{ before, piece, after string }{
		"one record without an end":       {`{"key":{"kind":"User"},"state":"Present","value":"`, "xxxxxxxx", `"}`},
		"a record of elements":            {`{"key":{"kind":"User"},"state":"Present","value":[`, "0,", `0]}`},
		"many small records":              {"", line, ""},
		"many records of elements":        {"", `{"key":{"kind":"User"},"state":"Present","value":[` + strings.Repeat("[],", 5000) + "0]}\n", ""},
		"members that nothing is made of": {"", `{"x":[` + strings.Repeat("{},", 5000) + `0],"state":"Present"}` + "\n", ""},
		"blanks":                          {"", strings.Repeat(" ", 1<<12), line},
		"empty lines":                     {line, "\n\n\n\n", line},
	} {
		t.Run(sentence, func(t *testing.T) {
			var bomb bytes.Buffer
			writer, _ := gzip.NewWriterLevel(&bomb, gzip.BestSpeed)
			_, _ = writer.Write([]byte(tc.before))
			piece := []byte(strings.Repeat(tc.piece, (1<<20)/len(tc.piece)))
			for range 20 {
				_, _ = writer.Write(piece)
			}
			_, _ = writer.Write([]byte(tc.after))
			_ = writer.Close()
			d := New()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := d.Load(0, bomb.Bytes())
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Error("it is taken")
			}
			if took := (after.TotalAlloc - before.TotalAlloc) >> 20; took > 40 {
				t.Errorf("%d bytes took %d MiB", bomb.Len(), took)
			}
		})
	}
}

func TestAShardHoldsNoMoreThanIsReadAgain(t *testing.T) {
	d := New()
	for _, id := range []string{strings.Repeat("x", maxRecordBytes), "y"} {
		key := Key{Kind: KindUser, Enterprise: "e", ID: id}
		d.loaded[0] = map[Key]Record{key: {Key: key, State: StatePresent, At: 1}}
		data, err := d.EncodeShard(0)
		if len(id) > 1 {
			if err == nil {
				t.Error("a record that is too long is written")
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := New().Load(0, data); err != nil {
			t.Errorf("what was written is not read: %v", err)
		}
	}
}
