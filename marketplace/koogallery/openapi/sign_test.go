package openapi_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/openapi"
)

// readVectors reads the sections of the protocol's vectors that are members of into.
func readVectors(t *testing.T, into any) {
	t.Helper()
	data, err := os.ReadFile("../testdata/koogallery-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

func TestSigningVectors(t *testing.T) {
	var vectors struct {
		Signatures []struct {
			Name, Method, Host, Path, Body, AccessKeyID, SecretAccessKey, Authorization string
			Query                                                                       [][2]string
			Headers                                                                     map[string]string
		} `json:"sdk_hmac_sha256"`
	}
	readVectors(t, &vectors)
	if len(vectors.Signatures) == 0 {
		t.Fatal("the vectors lack the section")
	}
	for _, vector := range vectors.Signatures {
		t.Run(vector.Name, func(t *testing.T) {
			query := url.Values{}
			for _, pair := range vector.Query {
				query.Add(pair[0], pair[1])
			}
			target := "https://" + vector.Host + vector.Path + "?" + query.Encode()
			req, err := http.NewRequest(vector.Method, target, strings.NewReader(vector.Body))
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for name, value := range vector.Headers {
				names = append(names, name)
				req.Header.Set(name, value)
			}
			slices.Sort(names)
			got := openapi.Authorization(req, vector.AccessKeyID, vector.SecretAccessKey, names, []byte(vector.Body))
			if got != vector.Authorization {
				t.Errorf("got  %s\nwant %s", got, vector.Authorization)
			}
		})
	}
}
