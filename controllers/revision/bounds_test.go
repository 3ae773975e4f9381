package revision

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

// A ControllerRevision of 1.5 MiB was expanded to 800 MiB here.
func TestARevisionThatIsNoneTakesNoMemory(t *testing.T) {
	const size = 3 << 19
	for sentence, tc := range map[string]struct{ before, piece, after string }{
		"plans":               {`{"encoding":1,"content":{"plans":[`, "{},", `{}]}}`},
		"quotas of plans":     {`{"encoding":1,"content":{"plans":[`, `{"quota":{"a":"1"}},`, `{}]}}`},
		"assignments":         {`{"encoding":1,"content":{"set":[`, "{},", `{}]}}`},
		"attributes":          {`{"encoding":1,"content":{"attributes":[`, "{},", `{}]}}`},
		"sources":             {`{"encoding":1,"content":{"valuesFrom":[`, "{},", `{}]}}`},
		"numbers for plans":   {`{"encoding":1,"content":{"plans":[`, "0,", `0]}}`},
		"versions":            {`{"encoding":1,"capabilities":{"apiVersions":[`, `"",`, `""]},"content":{"plans":[]}}`},
		"plans within values": {`{"encoding":1,"content":{"values":{"a":1},"plans":[`, "{},", `{}]}}`},
		"a quantity":          {`{"encoding":1,"content":{"plans":[{"quota":{"a":"`, "77777777", `"}}]}}`},
		"an exponent":         {`{"encoding":1,"content":{"plans":[{"quota":{"b":"1E-2147483647","a":"`, "1", `"}}]}}`},
	} {
		t.Run(sentence, func(t *testing.T) {
			raw := []byte(tc.before + strings.Repeat(tc.piece, size/len(tc.piece)) + tc.after)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, _, err := decode(raw)
			runtime.ReadMemStats(&after)
			if !errors.Is(err, ErrUnreadable) {
				t.Errorf("got %v", err)
			}
			if took := (after.TotalAlloc - before.TotalAlloc) >> 20; took > 8 {
				t.Errorf("it took %d MiB", took)
			}
		})
	}
	// What a product may have is read, whatever its size.
	values := `{"encoding":1,"content":{"plans":[{"name":"a","values":[` + strings.Repeat("{},", size/3) + `0]}]}}`
	if data, _, err := decode([]byte(values)); err != nil || len(data.Plans) != 1 {
		t.Errorf("many values: %v", err)
	}
}

// Aliases of 256 KiB were written out to 5 GB here.
func TestYAMLThatGrowsTakesNoMemory(t *testing.T) {
	long, levels := `a: &a "`+strings.Repeat("x", 128_000)+"\"\n", "a0: &a0 [x]\n"
	for i := range 30 {
		levels += fmt.Sprintf("a%d: &a%d [%s*a%d]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d, ", i), 9), i)
	}
	for sentence, text := range map[string]string{
		"aliases of a long text":      long + "b: [" + strings.Repeat("*a,", 40_000) + "*a]\n",
		"few aliases of a long text":  long + "b: [" + strings.Repeat("*a,", 2000) + "*a]\n",
		"aliases of aliases":          levels,
		"aliases of aliases as keys":  levels + "b: {<<: {a: *a30}}\n",
		"aliases in a block":          long + "b:\n" + strings.Repeat("- *a\n", 2000),
		"an alias behind another map": long + "b: {" + strings.Repeat("c: {d: *a}, ", 2000) + "}\n",
		"many maps":                   "a: [" + strings.Repeat("{},", 80_000) + "{}]\n",
		"deep lists":                  "a: [" + strings.Repeat(strings.Repeat("[", 5000)+strings.Repeat("]", 5000)+",", 25) + "0]\n",
		"deep lists in a block":       "a:\n" + strings.Repeat(strings.Repeat("- ", 5000)+"0\n", 25),
	} {
		t.Run(sentence, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := valuesJSON([]byte(text))
			runtime.ReadMemStats(&after)
			if err == nil || len(text) > maxSourceBytes {
				t.Errorf("%d bytes are taken", len(text))
			}
			if took := (after.TotalAlloc - before.TotalAlloc) >> 20; took > 8 {
				t.Errorf("it took %d MiB", took)
			}
		})
	}
}

func TestARevisionOfEndlessPartsIsIncomplete(t *testing.T) {
	object := object(salestest.Product(), "shop-1", []byte(`{"encoding":1,"content":{"plans":[]},"parts":{"count":9223372036854775807,"sha256":"x"}}`))
	live := revisions{object.Name: object}
	_, err := Read(context.Background(), live, types.NamespacedName{Namespace: object.Namespace, Name: object.Name})
	if !errors.Is(err, ErrIncomplete) || !strings.Contains(err.Error(), "the largest chart has 6") {
		t.Errorf("got %v", err)
	}
}
