package koogallery_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

func TestNewCallbacksSaysWhatIsMissing(t *testing.T) {
	tests := map[string]struct {
		secret map[string][]byte
		want   string
	}{
		"no data at all":              {nil, `no key "accessKey": add it`},
		"only keys of other families": {map[string][]byte{"kitAccessKey": []byte("k")}, `no key "accessKey": add it`},
		"another case":                {map[string][]byte{"accesskey": []byte("SECRET")}, `rename its key "accesskey"`},
		"empty":                       {map[string][]byte{"accessKey": {}}, `"accessKey" is empty: put the access key`},
		"a line break only":           {map[string][]byte{"accessKey": []byte("\n")}, `"accessKey" is empty`},
		"only the successor":          {map[string][]byte{"accessKeyNext": []byte("SECRET")}, `no key "accessKey"`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := koogallery.NewCallbacks(tc.secret)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("error = %v, want one with %q", err, tc.want)
			}
			if strings.Contains(err.Error(), "SECRET") {
				t.Errorf("error %q tells a value", err)
			}
		})
	}
}

func TestLineBreakAfterKeyIsCut(t *testing.T) {
	for _, lineBreak := range []string{"\n", "\r\n"} {
		callbacks := newCallbacks(t, map[string]string{koogallery.KeyAccess: accessKey + lineBreak})
		if _, err := callbacks.Verify(ordinary("{}").request(), now); err != nil {
			t.Errorf("with %q: %v", lineBreak, err)
		}
	}
}

// A Secret whose successor is prepared but empty would else accept what anyone signs with nothing.
func TestEmptyKeyVerifiesNothing(t *testing.T) {
	callbacks := newCallbacks(t, map[string]string{koogallery.KeyAccess: accessKey, "accessKeyNext": ""})
	forged := ordinary("{}")
	forged.key = ""
	if _, err := callbacks.Verify(forged.request(), now); err == nil {
		t.Error("a call signed with an empty key was accepted")
	}
}

// A stranger's call costs the same work whatever keys there are, and a key that is not there verifies nothing.
func TestEveryCallIsTriedWithTheSameNumberOfKeys(t *testing.T) {
	few, all := newCallbacks(t, map[string]string{koogallery.KeyAccess: accessKey}), allKeys(t)
	if few.Tried() != all.Tried() || few.Tried() != [3]int{6, 4, 2} {
		t.Errorf("one key: %v, all keys: %v", few.Tried(), all.Tried())
	}
	if text := fmt.Sprint(few); text != "koogallery.Callbacks(accessKey)" {
		t.Errorf("it says %s", text)
	}
	if err := few.CheckKit(); err != nil {
		t.Error(err)
	}
}

func TestCallbacksPrintNoKey(t *testing.T) {
	callbacks := bothKeys(t)
	encoded, err := json.Marshal(callbacks)
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{string(encoded)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		texts = append(texts, fmt.Sprintf(verb, callbacks), fmt.Sprintf(verb, *callbacks))
	}
	for _, text := range texts {
		if strings.Contains(text, accessKey) || strings.Contains(text, fmt.Sprintf("%x", accessKey)) ||
			strings.Contains(text, fmt.Sprint([]byte(accessKey))) {
			t.Errorf("a key is in %q", text)
		}
	}
}

func TestKindsOfKeys(t *testing.T) {
	for name, tc := range map[string]struct {
		secret        map[string][]byte
		held, givenUp []string
	}{
		"nothing":                     {nil, nil, nil},
		"a key and its successor":     {map[string][]byte{"accessKey": []byte("a"), "accessKeyNext": []byte("b")}, []string{"accessKey"}, nil},
		"a successor alone":           {map[string][]byte{"kitAccessKeyNext": []byte("b")}, []string{"kitAccessKey"}, nil},
		"a key without a value":       {map[string][]byte{"licenseAccessKey": {}}, nil, []string{"licenseAccessKey"}},
		"a key of a line break":       {map[string][]byte{"notifyAccessKey": []byte("\n")}, nil, []string{"notifyAccessKey"}},
		"the Kit's private key":       {map[string][]byte{"kitPrivateKey": []byte("p")}, []string{"kitPrivateKey"}, nil},
		"a name that is none of ours": {map[string][]byte{"accesskey": []byte("a")}, nil, nil},
		"no value beside a successor": {map[string][]byte{"accessKey": {}, "accessKeyNext": []byte("b")}, []string{"accessKey"}, nil},
	} {
		held, givenUp := koogallery.KeyKinds(tc.secret)
		if !slices.Equal(held, tc.held) || !slices.Equal(givenUp, tc.givenUp) {
			t.Errorf("%s: %v and %v", name, held, givenUp)
		}
	}
}
