package koogallery

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
)

// HeaderBodySign is the header that carries an answer's signature. KooGallery reads it in exactly this case (protocol page
// 5.3), which HTTP/2 would change: serve callbacks over HTTP/1.1.
const HeaderBodySign = "Body-Sign"

// Sign is the signature of a call of SaaS V2.0, order notification and license codes 2.0 (protocol page 3.1), in lower-case
// hex. payload is the body in the form that is signed, timestamp the exact text of the query parameter.
func Sign(accessKey []byte, nonce, timestamp string, payload []byte) string {
	return hex.EncodeToString(signature(accessKey, nonce, timestamp, payload))
}

func signature(accessKey []byte, nonce, timestamp string, payload []byte) []byte {
	inner := hex.EncodeToString(hmacSHA256(accessKey, payload))
	return hmacSHA256(accessKey, accessKey, []byte(nonce), []byte(timestamp), []byte(inner))
}

// BodySign is the value of the Body-Sign header for the exact bytes of an answer's body (protocol page 5.3).
func BodySign(accessKey, body []byte) string {
	// The blank after the second equals sign is in KooGallery's own examples.
	return `sign_type="HMAC-SHA256", signature= "` + base64.StdEncoding.EncodeToString(hmacSHA256(accessKey, body)) + `"`
}

func hmacSHA256(key []byte, parts ...[]byte) []byte {
	mac := hmac.New(sha256.New, key)
	for _, part := range parts {
		mac.Write(part)
	}
	return mac.Sum(nil)
}
