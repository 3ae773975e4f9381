package koogallery_test

import (
	"encoding/hex"
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

// vectors are the parts of the protocol's vectors that concern callbacks.
type vectors struct {
	Requests []struct {
		Name, AccessKey, Nonce, Timestamp, RawBody, SignedPayload, SignatureHexLower, QueryString, Expect string
	} `json:"v2_request_signature"`
	Answers []struct {
		Name, AccessKey, Body, Signature, Header string
	} `json:"response_body_sign"`
	Tokens []struct {
		Name, AccessKey, AuthToken, QueryString string
		Params                                  map[string]string
	} `json:"v1_auth_token"`
	FieldKeys []struct {
		Name, AccessKey, AESKeyHex string
		KeyBits                    int
	} `json:"sensitive_field_key_derivation"`
	Fields []struct {
		Name, AccessKey, IV, Plaintext, Value string
		EncryptType                           koogallery.EncryptType
	} `json:"sensitive_field_encryption"`
	ExtendParams []struct {
		Name, JSON, Base64, URLEncoded string
	} `json:"saas_extend_params"`
	KitSigns []struct {
		Name, AccessKey, RawBody, XSignHexLower string
		Headers                                 map[string]string
	} `json:"kit_v2_x_sign"`
	KitTokens []struct {
		Name, AccessKey, AuthTokenHeader string
		Body                             json.RawMessage
	} `json:"kit_v1_auth_token_header"`
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
	for _, length := range []int{
		len(read.Requests), len(read.Answers), len(read.Tokens), len(read.FieldKeys), len(read.Fields), len(read.ExtendParams),
		len(read.KitSigns), len(read.KitTokens),
	} {
		if length == 0 {
			t.Fatal("the vectors lack a section")
		}
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

// The first of them is the one that KooGallery has published.
func TestTokenVectors(t *testing.T) {
	for _, vector := range readVectors(t).Tokens {
		t.Run(vector.Name, func(t *testing.T) {
			if got := koogallery.AuthToken([]byte(vector.AccessKey), vector.Params); got != vector.AuthToken {
				t.Errorf("AuthToken() = %s, want %s", got, vector.AuthToken)
			}
			callbacks := newCallbacks(t, map[string]string{koogallery.KeyAccess: vector.AccessKey})
			for reading, query := range map[string]string{
				"as sent":                       vector.QueryString,
				"with its plus signs bare":      strings.ReplaceAll(vector.QueryString, "%2B", "+"),
				"with its plus signs as blanks": strings.ReplaceAll(vector.QueryString, "%2B", "%20"),
			} {
				req := marketplace.Request{Method: "GET", Query: query}
				proof, err := callbacks.Verify(req, now)
				if err != nil {
					t.Errorf("%s: %v", reading, err)
				}
				want := marketplace.Proof{KeyName: "accessKey", Token: unBase64(t, vector.AuthToken), Generation: "V1"}
				if diff := cmp.Diff(want, proof); diff != "" {
					t.Errorf("%s (-want +got):\n%s", reading, diff)
				}
				event, err := callbacks.Decode(req)
				if err != nil || event.Activity != vector.Params["activity"] || !event.Test {
					t.Errorf("%s: event %+v, error %v", reading, event, err)
				}
			}
		})
	}
}

func TestFieldKeyVectors(t *testing.T) {
	for _, vector := range readVectors(t).FieldKeys {
		t.Run(vector.Name, func(t *testing.T) {
			if got := hex.EncodeToString(koogallery.FieldKey([]byte(vector.AccessKey), vector.KeyBits/8)); got != vector.AESKeyHex {
				t.Errorf("the key is %s, want %s", got, vector.AESKeyHex)
			}
		})
	}
}

func TestFieldVectors(t *testing.T) {
	for _, vector := range readVectors(t).Fields {
		t.Run(vector.Name, func(t *testing.T) {
			key := []byte(vector.AccessKey)
			encrypted, err := koogallery.EncryptFieldWith(key, vector.EncryptType, vector.IV, vector.Plaintext)
			if err != nil || encrypted != vector.Value {
				t.Errorf("encrypted = %s, %v, want %s", encrypted, err, vector.Value)
			}
			for _, value := range []string{vector.Value, strings.ReplaceAll(vector.Value, "+", " ")} {
				plain, err := koogallery.DecryptField(key, vector.EncryptType, value)
				if err != nil || plain != vector.Plaintext {
					t.Errorf("decrypted %q = %q, %v, want %q", value, plain, err, vector.Plaintext)
				}
			}
		})
	}
}

func TestExtendParamsVectors(t *testing.T) {
	for _, vector := range readVectors(t).ExtendParams {
		t.Run(vector.Name, func(t *testing.T) {
			var want []marketplace.Attribute
			if err := json.Unmarshal([]byte(vector.JSON), &want); err != nil {
				t.Fatal(err)
			}
			for _, value := range []string{vector.Base64, vector.URLEncoded} {
				event, err := bothKeys(t).Decode(ordinaryQuery("newInstance", "saasExtendParams", value).request())
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, event.Order.Attributes); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
		})
	}
}
