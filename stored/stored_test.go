package stored

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"
)

type plan struct {
	Name   string          `json:"name"`
	Values json.RawMessage `json:"values"`
	Room   [64]int         `json:"room"`
}

type content struct {
	Plans  []plan            `json:"plans"`
	Values json.RawMessage   `json:"values"`
	Names  map[string]string `json:"names"`
}

func TestPartsAreCounted(t *testing.T) {
	const most = 4
	for sentence, tc := range map[string]struct {
		data string
		want bool
	}{
		"as many as there may be":              {`{"plans":[{},{},{},{},{}]}`, true},
		"one more":                             {`{"plans":[{},{},{},{},{},{}]}`, false},
		"members count":                        {`{"names":{"a":"","b":"","c":"","d":"","e":"","f":""}}`, false},
		"members and elements together":        {`{"plans":[{},{},{}],"names":{"a":"","b":"","c":""}}`, false},
		"commas of texts do not":               {`{"names":{"a":",,,,,,","b":"\",\\,,,,"}}`, true},
		"raw values do not":                    {`{"values":[1,2,3,4,5,6,{"a":1,"b":2}],"plans":[{},{"values":{"a":[1,2,3,4,5,6]}}]}`, true},
		"behind a raw value they do again":     {`{"values":[1,2],"plans":[{},{},{},{},{}]}`, false},
		"behind a plain raw value too":         {`{"values":1,"plans":[{},{},{},{},{}]}`, false},
		"a text of that name is none":          {`{"names":{"a":"values","b":"values"},"plans":[{},{},{},{}]}`, false},
		"an element of that name is none":      {`["values",1,2,3,4,5]`, false},
		"a name that is written otherwise":     {`{"v\u0061lues":[1,2,3,4,5,6]}`, false},
		"spaces before the colon":              {"{\"values\" \n: [1,2,3,4,5,6]}", true},
		"broken JSON":                          {`{"plans":[`, false},
		"a text without an end":                {`{"plans`, false},
		"an escape at the end":                 {`{"\`, false},
		"nothing":                              {``, false},
		"a raw value in the map of other ones": {`{"names":{"values":[1,2,3,4,5,6]}}`, false}, // the wrong type
	} {
		t.Run(sentence, func(t *testing.T) {
			var into content
			if err := Decode([]byte(tc.data), &into, most, "values"); (err == nil) != tc.want {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestWhatHasTooManyPartsTakesNoMemory(t *testing.T) {
	data := []byte(`{"plans":[` + strings.Repeat("{},", 1<<19) + `{}]}`)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := Decode(data, &content{}, 1<<10, "values")
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; err == nil || took > 1<<20 {
		t.Errorf("it took %d bytes, and %v", took, err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{"plans":[{},{"values":[1,2]}],"values":{"a":1}}`, `{"values":`, `["values"]`, `{"\"values":[]}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		const most = 8
		var into content
		if Decode([]byte(text), &into, most, "values") != nil {
			return
		}
		if has := len(into.Plans) + len(into.Names); has > most+2 {
			t.Errorf("%d plans and names", has)
		}
	})
}
