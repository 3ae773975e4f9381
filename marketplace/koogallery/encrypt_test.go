package koogallery_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

func TestFieldsComeBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := []byte(rapid.StringN(1, 40, 80).Draw(t, "key"))
		kind := rapid.SampledFrom([]koogallery.EncryptType{koogallery.EncryptAES256, koogallery.EncryptAES128}).Draw(t, "type")
		text := rapid.StringN(0, -1, koogallery.MaxSensitive).Draw(t, "text")
		value, err := koogallery.EncryptField(key, kind, text)
		if err != nil {
			t.Fatal(err)
		}
		if len(value) > 128 {
			t.Fatalf("%d characters", len(value))
		}
		if strings.Trim(value[:16], "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
			t.Fatalf("the vector is %q", value[:16])
		}
		if plain, err := koogallery.DecryptField(key, kind, value); err != nil || plain != text {
			t.Fatalf("decrypted = %q, %v", plain, err)
		}
	})
}

func TestSameTextIsEncryptedAnew(t *testing.T) {
	first, _ := koogallery.EncryptField([]byte(accessKey), koogallery.EncryptAES256, "secret")
	second, _ := koogallery.EncryptField([]byte(accessKey), koogallery.EncryptAES256, "secret")
	if first == second || first == "" {
		t.Error("two values are the same")
	}
}

func TestFieldLimits(t *testing.T) {
	key := []byte(accessKey)
	for length, wantErr := range map[int]bool{0: false, 79: false, 80: true} {
		if _, err := koogallery.EncryptField(key, koogallery.EncryptAES256, strings.Repeat("x", length)); (err != nil) != wantErr {
			t.Errorf("%d bytes: %v", length, err)
		}
	}
	if _, err := koogallery.EncryptField(key, "3", "x"); err == nil {
		t.Error("an unknown type encrypts")
	}
	if _, err := koogallery.EncryptFieldWith(key, koogallery.EncryptAES256, "short", "x"); err == nil {
		t.Error("a short vector encrypts")
	}
}

func TestDecryptFieldRefuses(t *testing.T) {
	good, err := koogallery.EncryptFieldWith([]byte(accessKey), koogallery.EncryptAES256, "Uh2977H2620i0K25", "15900000000")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		key, value string
		kind       koogallery.EncryptType
	}{
		"nothing":                 {accessKey, "", koogallery.EncryptAES256},
		"a vector only":           {accessKey, good[:16], koogallery.EncryptAES256},
		"plain text":              {accessKey, "15900000000 is my number", koogallery.EncryptAES256},
		"half a block":            {accessKey, good[:16] + "YhLkOSU=", koogallery.EncryptAES256},
		"another key":             {nextKey, good, koogallery.EncryptAES256},
		"the other length":        {accessKey, good, koogallery.EncryptAES128},
		"a type that is unknown":  {accessKey, good, "3"},
		"a block that is missing": {accessKey, good[:16], koogallery.EncryptAES128},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			plain, err := koogallery.DecryptField([]byte(tc.key), tc.kind, tc.value)
			if err == nil {
				t.Fatalf("decrypted = %q", plain)
			}
			if tc.value != "" && strings.Contains(err.Error(), tc.value) || strings.Contains(err.Error(), tc.key) {
				t.Errorf("the error tells too much: %v", err)
			}
		})
	}
}
