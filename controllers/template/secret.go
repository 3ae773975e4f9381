package template

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
)

const (
	// MinSeedBytes is the shortest Inputs.Seed that tenantSecret accepts.
	MinSeedBytes = 16

	defaultSecretLength = 32
	minSecretLength     = 8
	maxSecretLength     = 256
	// letters come first in alphanumeric: a secret begins with a letter, so that YAML never takes it for a number.
	letters      = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	alphanumeric = letters + "0123456789"
)

// tenantSecret is the template function `tenantSecret "name" [length]`: a text of ASCII letters and digits, the first one a
// letter, 32 or length (8 to 256) of them. It depends on the seed, the name and the length alone, and tells nothing about
// the secrets of other names or lengths.
func (s *session) tenantSecret(name string, length ...int) (string, error) {
	n := defaultSecretLength
	if len(length) > 0 {
		n = length[0]
	}
	switch {
	case name == "":
		return "", refusef("tenantSecret needs a name")
	case len(length) > 1 || n < minSecretLength || n > maxSecretLength:
		return "", refusef("tenantSecret takes a name and a length from %d to %d", minSecretLength, maxSecretLength)
	case len(s.seed) < MinSeedBytes:
		return "", refusef("tenantSecret needs the instance's seed of at least %d bytes, and none was given", MinSeedBytes)
	}
	// The length is part of info, or a shorter secret would be the beginning of a longer one.
	stream, err := hkdf.Key(sha256.New, s.seed, nil, fmt.Sprintf("stallkeeper.io/tenantSecret/v1/%d/%s", n, name), 8*maxSecretLength)
	if err != nil {
		return "", refusef("tenantSecret: deriving the secret failed")
	}
	secret := pick(stream, n)
	s.secrets = append(s.secrets, secret)
	return secret, nil
}

// pick takes n characters. A byte beyond the last whole multiple of the alphabet is left out, so that every character is
// equally likely; 8 bytes per character are enough by far.
func pick(stream []byte, n int) string {
	secret := make([]byte, 0, n)
	for _, b := range stream {
		from := alphanumeric
		if len(secret) == 0 {
			from = letters
		}
		if int(b) >= 256/len(from)*len(from) {
			continue
		}
		if secret = append(secret, from[int(b)%len(from)]); len(secret) == n {
			break
		}
	}
	return string(secret)
}
