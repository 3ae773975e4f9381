package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"
)

// keys are the secrets of one run.
type keys struct {
	accessKey string // of the callbacks
	// kitAccessKey is the joint-operations Kit's, kitPrivateKey what decrypts its client secrets, in PEM.
	kitAccessKey, kitPrivateKey string
	clientSecret                string // of the OAuth2 client
	ak, sk                      string // of the open API
	run                         string // makes the orders of this run differ from those of others
}

func newKeys() keys {
	return keys{
		accessKey: random(20), kitAccessKey: random(20), clientSecret: random(20), ak: random(10), sk: random(20), run: random(4),
	}
}

// random is n bytes of randomness in hex.
func random(n int) string {
	bytes := make([]byte, n)
	_, _ = rand.Read(bytes) // never fails
	return hex.EncodeToString(bytes)
}

// certificateLife is how long the demo's certificates hold: as long as its tokens.
const certificateLife = 24 * time.Hour

// writeCertificates makes an authority that lives for this run only, and a server certificate for 127.0.0.1 by it. The
// authority's private key is never written.
func (d *demo) writeCertificates() error {
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("making the authority's key: %w", err)
	}
	serverKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("making the server's key: %w", err)
	}
	begin := time.Now().Add(-time.Minute)
	authority := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "Stallkeeper demo authority"},
		NotBefore:             begin,
		NotAfter:              begin.Add(certificateLife),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2),
		Subject:      pkix.Name{CommonName: "Stallkeeper demo webhook"},
		NotBefore:    begin,
		NotAfter:     begin.Add(certificateLife),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		DNSNames:     []string{"localhost"},
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	authorityDER, err := x509.CreateCertificate(rand.Reader, authority, authority, authorityKey.Public(), authorityKey)
	if err != nil {
		return fmt.Errorf("signing the authority: %w", err)
	}
	serverDER, err := x509.CreateCertificate(rand.Reader, server, authority, serverKey.Public(), authorityKey)
	if err != nil {
		return fmt.Errorf("signing the server's certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(serverKey)
	if err != nil {
		return fmt.Errorf("encoding the server's key: %w", err)
	}
	return errors.Join(
		writePEM(d.paths.authority(), "CERTIFICATE", authorityDER, 0o644),
		writePEM(d.paths.certificate(), "CERTIFICATE", serverDER, 0o644),
		writePEM(d.paths.privateKey(), "PRIVATE KEY", keyDER, 0o600),
	)
}

// makeKitKeys makes the key pair that KooGallery encrypts client secrets with, as the seller uploads it.
func (d *demo) makeKitKeys() error {
	private, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		return fmt.Errorf("making the Kit's key: %w", err)
	}
	privateDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return fmt.Errorf("encoding the Kit's private key: %w", err)
	}
	publicDER, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		return fmt.Errorf("encoding the Kit's public key: %w", err)
	}
	d.keys.kitPrivateKey = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: privateDER}))
	return writePEM(d.paths.kitPublicKey(), "PUBLIC KEY", publicDER, 0o644)
}

func writePEM(path, kind string, der []byte, mode os.FileMode) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}
