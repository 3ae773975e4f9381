package koogallery

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

var _ marketplace.Screener = (*Callbacks)(nil)

// Screen refuses what Verify would refuse whatever the body is: another method or path, and a signature, token, nonce or timestamp that is
// missing or not of its form. That is most of what strangers send, and costs no memory for a body.
func (c *Callbacks) Screen(req marketplace.Request) error {
	req.Body = nil
	if err := checkSize(req); err != nil {
		return err
	}
	if isKit(req.Path) {
		return screenKit(req)
	}
	if err := checkEnvelope(req); err != nil || req.Method == http.MethodGet {
		return err
	}
	params, err := parseParameters(req.Query)
	if err == nil && !isHMAC(params.signature) {
		return fmt.Errorf("%w: the signature is wrong", marketplace.ErrUnauthenticated)
	}
	return err
}

func screenKit(req marketplace.Request) error {
	_, v2, _ := kitActivityOf(req.Path)
	if req.Method != http.MethodPost {
		return malformed("the method must be POST")
	}
	if v2 {
		params, err := kitParametersOf(req.Header)
		if err == nil && !isHMAC(params.signature) {
			return fmt.Errorf("%w: the signature is wrong", marketplace.ErrUnauthenticated)
		}
		return err
	}
	token := req.Header.Get(HeaderKitToken)
	if token == "" {
		return fmt.Errorf("%w: the header authToken is missing", marketplace.ErrUnauthenticated)
	}
	if given, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(token, " ", "+")); err != nil || len(given) != sha256.Size {
		return fmt.Errorf("%w: the authToken is wrong", marketplace.ErrUnauthenticated)
	}
	return nil
}

// isHMAC reports whether a text is an HMAC-SHA256 in hex, of either case.
func isHMAC(text string) bool {
	given, err := hex.DecodeString(text)
	return err == nil && len(given) == sha256.Size
}
