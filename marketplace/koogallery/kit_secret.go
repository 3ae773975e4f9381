package koogallery

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

const (
	// minKitKeyBits is the shortest RSA key that KooGallery takes (protocol page 8.3).
	minKitKeyBits = 3072
	// maxKitKeyBits bounds the work for a clientSecret.
	maxKitKeyBits = 8192
	// maxClientSecret bounds a decrypted clientSecret.
	maxClientSecret = 512
)

// kitDigests are the digests of OAEP, of the label and of the mask, in the order in which they are tried: no page says which
// they are (protocol page 8.3).
var kitDigests = []rsa.OAEPOptions{
	{Hash: crypto.SHA256, MGFHash: crypto.SHA1},
	{Hash: crypto.SHA256, MGFHash: crypto.SHA256},
	{Hash: crypto.SHA1, MGFHash: crypto.SHA1},
}

// kitPrivateKeys reads the Kit's private keys. The error names the key and never quotes it.
func kitPrivateKeys(secret map[string][]byte) ([]*rsa.PrivateKey, error) {
	var keys []*rsa.PrivateKey
	var problems []error
	for _, name := range []string{KeyKitPrivate, KeyKitPrivate + NextSuffix} {
		if len(bytes.TrimSpace(secret[name])) == 0 {
			continue
		}
		key, err := parsePrivateKey(secret[name])
		if err != nil {
			problems = append(problems, fmt.Errorf("the callback Secret's key %q %w", name, err))
			continue
		}
		keys = append(keys, key)
	}
	return keys, errors.Join(problems...)
}

func parsePrivateKey(text []byte) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(bytes.TrimSpace(text))
	if block == nil {
		return nil, errors.New("is not in PEM format: it must begin with -----BEGIN PRIVATE KEY-----")
	}
	// The parsers' own texts may quote the key.
	if strings.Contains(block.Type, "ENCRYPTED") || block.Headers["DEK-Info"] != "" {
		return nil, errors.New("is encrypted: store the key without a passphrase")
	}
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, errors.New("is not a private key: create one with openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072")
		}
		var ok bool
		if key, ok = parsed.(*rsa.PrivateKey); !ok {
			return nil, errors.New("is not an RSA key")
		}
	}
	if bits := key.N.BitLen(); bits < minKitKeyBits || bits > maxKitKeyBits {
		return nil, fmt.Errorf("has %d bits: KooGallery accepts RSA keys of %d to %d bits", bits, minKitKeyBits, maxKitKeyBits)
	}
	return key, nil
}

// decryptClientSecret reads a clientSecret (protocol page 8.3). Errors wrap ErrUndecipherable and tell nothing about why, which
// could help whoever tries many.
func (c *Callbacks) decryptClientSecret(text string) (string, error) {
	// A line-wrapped or form-decoded base64 is still what was meant.
	encrypted, err := base64.StdEncoding.DecodeString(strings.NewReplacer(" ", "+", "\n", "", "\r", "").Replace(text))
	if err != nil {
		return "", fmt.Errorf("%w: clientSecret is not base64", marketplace.ErrUndecipherable)
	}
	for _, key := range c.kitPrivate {
		for i := range kitDigests {
			plain, err := key.Decrypt(nil, encrypted, &kitDigests[i])
			if err == nil {
				return clientSecret(plain)
			}
		}
	}
	return "", fmt.Errorf("%w: clientSecret does not match %s", marketplace.ErrUndecipherable, KeyKitPrivate)
}

func clientSecret(plain []byte) (string, error) {
	text := string(plain)
	if text == "" || len(text) > maxClientSecret || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		return "", fmt.Errorf("%w: clientSecret must decrypt to a text of 1 to %d bytes", marketplace.ErrUndecipherable, maxClientSecret)
	}
	return text, nil
}
