package login

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/stallkeeper/stallkeeper/directory"
)

// tokenLife is how long an application takes a token.
const tokenLife = 60 * time.Second

// claims are what a token says beside the registered claims. docs/login.md describes them.
type claims struct {
	TenantID string `json:"tenant_id"`
	AppID    string `json:"app_id"`
	Role     string `json:"role"`
	ReturnTo string `json:"return_to,omitempty"`
	Nonce    string `json:"nonce,omitempty"`
}

// signToken says who the user is, to the application of one instance. seedKey is the instance's key for tokens; the application has it in
// hex. Of the attempt it says where to return to and the application's nonce.
func signToken(seedKey []byte, issuer, instance string, user directory.UserLine, a attempt, now time.Time) (string, error) {
	key := []byte(hex.EncodeToString(seedKey))
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("%w: signing the token", errUnavailable)
	}
	registered := jwt.Claims{
		Issuer: issuer, Audience: jwt.Audience{instance}, Subject: user.UserName, ID: rand.Text(),
		IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(tokenLife)),
	}
	token, err := jwt.Signed(signer).Claims(registered).Claims(claims{
		TenantID: user.TenantID, AppID: user.AppID, Role: string(user.Role), ReturnTo: a.Return, Nonce: a.Nonce,
	}).Serialize()
	if err != nil {
		return "", fmt.Errorf("%w: signing the token", errUnavailable)
	}
	return token, nil
}
