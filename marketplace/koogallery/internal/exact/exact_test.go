package exact_test

import (
	"encoding/json"
	"testing"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/internal/exact"
)

type account struct {
	UserName string            `json:"userName"`
	Nested   *account          `json:"nested"`
	Raw      json.RawMessage   `json:"raw"`
	Map      map[string]string `json:"map"`
}

func TestUnmarshal(t *testing.T) {
	tests := map[string]struct {
		data string
		// want is the name that was read; "-" is a refusal.
		want string
	}{
		"as it is written":             {`{"userName":"li.lei","other":1}`, "li.lei"},
		"another spelling is another":  {`{"userName":"li.lei","username":"admin","USERNAME":"admin"}`, "li.lei"},
		"another spelling alone":       {`{"UserName":"admin"}`, ""},
		"a spelling that folds":        {`{"u\u017fer\u212aame":"admin"}`, ""},
		"a name twice":                 {`{"userName":"li.lei","userName":"admin"}`, "-"},
		"a name twice, once escaped":   {`{"userName":"li.lei","user\u004eame":"admin"}`, "-"},
		"a name twice below":           {`{"userName":"li.lei","nested":{"userName":"a","userName":"b"}}`, "-"},
		"a name twice in a map":        {`{"userName":"li.lei","map":{"a":"1","a":"2"}}`, "-"},
		"an unknown name twice":        {`{"userName":"li.lei","other":1,"other":2}`, "li.lei"},
		"what is raw is not looked at": {`{"userName":"li.lei","raw":{"a":1,"a":2}}`, "li.lei"},
		"no JSON":                      {`{"userName":"li.lei"`, "-"},
		"more than JSON":               {`{"userName":"li.lei"}{}`, "-"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var got account
			err := exact.Unmarshal([]byte(tc.data), &got)
			if (err != nil) != (tc.want == "-") || err == nil && got.UserName != tc.want {
				t.Errorf("read %q, %v, want %q", got.UserName, err, tc.want)
			}
		})
	}
}

// Whatever it takes, encoding/json would have taken, and every name of an object stands there once.
func FuzzUnmarshal(f *testing.F) {
	for _, data := range []string{`{"userName":"a","map":{"b":"c"}}`, `{"a":1,"a":2}`, `{"map":{"\u0061":"1","a":"2"}}`, `[`, `{"raw":{"x":[1e9]}}`} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var members map[string]json.RawMessage
		if exact.Unmarshal(data, &members) != nil {
			return
		}
		var known map[string]json.RawMessage
		if err := json.Unmarshal(data, &known); err != nil || len(known) != len(members) {
			t.Fatalf("encoding/json: %d of %d members, %v", len(known), len(members), err)
		}
	})
}
