package koogallery

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // the key derivation is KooGallery's, not ours to choose
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// EncryptType is how the sensitive fields of SaaS V1.0 are encrypted (protocol page 6). Its values are those of the answer's
// encryptType.
type EncryptType string

const (
	// EncryptAES256 is AES-256 in CBC mode with PKCS#5 padding, KooGallery's default.
	EncryptAES256 EncryptType = "1"
	// EncryptAES128 is the same with 128 bits.
	EncryptAES128 EncryptType = "2"
)

// MaxSensitive is the size in bytes of the longest text that EncryptField takes: its encrypted form, which the documented 128
// characters count, has 124 characters then, and a byte more would make it 144.
const MaxSensitive = 79

// Errors of the field encryption. None holds a value.
var (
	errEncryptType    = errors.New("the encryption type must be 1 (AES-256) or 2 (AES-128)")
	errTooLong        = fmt.Errorf("the text has more than %d bytes", MaxSensitive)
	errNotEncrypted   = errors.New("the value must be 16 characters followed by the base64 of whole AES blocks")
	errWrongFieldKey  = errors.New("the value was encrypted with another key or length")
	errUnencryptableV = errors.New("the initialization vector must have 16 ASCII characters")
)

// keySize is the length of the AES key in bytes; 0 for a type that does not exist.
func (e EncryptType) keySize() int {
	switch e {
	case EncryptAES256:
		return 32
	case EncryptAES128:
		return 16
	}
	return 0
}

// EncryptField encrypts a sensitive field, such as a password in an answer, with a random initialization vector. It fails for
// texts above MaxSensitive and for an unknown type.
func EncryptField(accessKey []byte, kind EncryptType, text string) (string, error) {
	// The vector is text, which KooGallery expects to consist of letters and digits: base32 has 26 of them.
	return encryptField(accessKey, kind, rand.Text()[:aes.BlockSize], text)
}

// encryptField returns vector and ciphertext as KooGallery joins them.
func encryptField(accessKey []byte, kind EncryptType, vector, text string) (string, error) {
	switch {
	case kind.keySize() == 0:
		return "", errEncryptType
	case len(text) > MaxSensitive:
		return "", errTooLong
	case len(vector) != aes.BlockSize:
		return "", errUnencryptableV
	}
	block, err := aes.NewCipher(fieldKey(accessKey, kind.keySize()))
	if err != nil {
		return "", fmt.Errorf("creating the field's cipher: %w", err)
	}
	padding := aes.BlockSize - len(text)%aes.BlockSize
	padded := append([]byte(text), bytes.Repeat([]byte{byte(padding)}, padding)...)
	cipher.NewCBCEncrypter(block, []byte(vector)).CryptBlocks(padded, padded)
	return vector + base64.StdEncoding.EncodeToString(padded), nil
}

// DecryptField decrypts a sensitive field. Blanks in it count as plus signs, which form decoding makes of them (protocol page
// 6). Errors hold nothing of the value. CBC proves nothing: that a text comes out does not mean that it was the one.
func DecryptField(accessKey []byte, kind EncryptType, value string) (string, error) {
	if kind.keySize() == 0 {
		return "", errEncryptType
	}
	if len(value) <= aes.BlockSize {
		return "", errNotEncrypted
	}
	vector := value[:aes.BlockSize]
	encrypted, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(value[aes.BlockSize:], " ", "+"))
	if err != nil || len(encrypted) == 0 || len(encrypted)%aes.BlockSize != 0 {
		return "", errNotEncrypted
	}
	block, err := aes.NewCipher(fieldKey(accessKey, kind.keySize()))
	if err != nil {
		return "", fmt.Errorf("creating the field's cipher: %w", err)
	}
	cipher.NewCBCDecrypter(block, []byte(vector)).CryptBlocks(encrypted, encrypted)
	text, ok := unpadded(encrypted)
	if !ok || !utf8.Valid(text) {
		return "", errWrongFieldKey
	}
	return string(text), nil
}

// unpadded takes PKCS#5 padding away. Whoever can send values here has the key already, so what the error tells is no oracle.
func unpadded(text []byte) ([]byte, bool) {
	padding := int(text[len(text)-1])
	if padding < 1 || padding > aes.BlockSize {
		return nil, false
	}
	border := len(text) - padding
	return text[:border], bytes.Count(text[border:], []byte{byte(padding)}) == padding
}

// fieldKey derives an AES key of size bytes from an access key as Java's KeyGenerator does when its source of chance is a
// SHA1PRNG with the access key as its seed (protocol page 6).
func fieldKey(accessKey []byte, size int) []byte {
	state := sha1.Sum(accessKey) //nolint:gosec // see above
	var key []byte
	for len(key) < size {
		output := sha1.Sum(state[:]) //nolint:gosec // see above
		key = append(key, output[:]...)
		advance(&state, output)
	}
	return key[:size]
}

// advance is the generator's step: an addition of signed bytes whose carry may be negative.
func advance(state *[sha1.Size]byte, output [sha1.Size]byte) {
	carry, changed := 1, false
	for i := range state {
		sum := int(int8(state[i])) + int(int8(output[i])) + carry //nolint:gosec // Java's bytes are signed
		next := byte(sum)                                         //nolint:gosec // the low eight bits are meant
		changed = changed || next != state[i]
		state[i], carry = next, sum>>8
	}
	if !changed {
		state[0]++
	}
}
