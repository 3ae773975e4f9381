package koogallery_test

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

// vectors are the parts of the protocol's vectors that concern the callbacks of SaaS V2.0.
type vectors struct {
	Requests []struct {
		Name, AccessKey, Nonce, Timestamp, RawBody, SignedPayload, SignatureHexLower, QueryString, Expect string
	} `json:"v2_request_signature"`
	Answers []struct {
		Name, AccessKey, Body, Signature, Header string
	} `json:"response_body_sign"`
}

func readVectors(t testing.TB) vectors {
	t.Helper()
	data, err := os.ReadFile("testdata/koogallery-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var read vectors
	if err := json.Unmarshal(data, &read); err != nil {
		t.Fatal(err)
	}
	if len(read.Requests) == 0 || len(read.Answers) == 0 {
		t.Fatal("the vectors lack a section")
	}
	return read
}

func TestRequestVectors(t *testing.T) {
	for _, vector := range readVectors(t).Requests {
		t.Run(vector.Name, func(t *testing.T) {
			signature := koogallery.Sign([]byte(vector.AccessKey), vector.Nonce, vector.Timestamp, []byte(vector.SignedPayload))
			if signature != vector.SignatureHexLower {
				t.Errorf("Sign() = %s, want %s", signature, vector.SignatureHexLower)
			}
			millis, err := strconv.ParseInt(vector.Timestamp, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			sentAt := time.UnixMilli(millis).UTC()
			callbacks := newCallbacks(t, map[string]string{koogallery.KeyAccess: vector.AccessKey})
			for _, query := range []string{vector.QueryString, lowerSignature(vector.QueryString)} {
				req := marketplace.Request{Method: "POST", Query: query, Body: []byte(vector.RawBody)}
				proof, err := callbacks.Verify(req, sentAt)
				if (err == nil) != (vector.Expect == "accept") {
					t.Errorf("Verify() = %v, want to %s", err, vector.Expect)
				}
				want := marketplace.Proof{KeyName: "accessKey", SentAt: sentAt, Nonce: vector.Nonce}
				if diff := cmp.Diff(want, proof); diff != "" {
					t.Errorf("Verify() (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func lowerSignature(query string) string {
	signature, rest, _ := strings.Cut(query, "&")
	return strings.ToLower(signature) + "&" + rest
}

func TestAnswerVectors(t *testing.T) {
	for _, vector := range readVectors(t).Answers {
		t.Run(vector.Name, func(t *testing.T) {
			if got := koogallery.BodySign([]byte(vector.AccessKey), []byte(vector.Body)); got != vector.Header {
				t.Errorf("BodySign() = %s, want %s", got, vector.Header)
			}
		})
	}
}
