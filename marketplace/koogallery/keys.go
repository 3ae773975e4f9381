package koogallery

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

// Names of the callback Secret's keys. KooGallery wants one access key per type of interface and none used for two
// (protocol page 3.1). Each may have a second one, named with NextSuffix, that is accepted as well while keys are rotated.
const (
	// KeyAccess is for the basic interfaces: SaaS V2.0 and V1.0. It is the only one that must exist; who sells licenses only puts
	// the license key here.
	KeyAccess = "accessKey"
	// KeyKit is for the joint-operations Kit.
	KeyKit = "kitAccessKey"
	// KeyLicense is for the license products: license codes 2.0, Online License, License 1.0.
	KeyLicense = "licenseAccessKey"
	// KeyNotify is for order notifications.
	KeyNotify = "notifyAccessKey"
	// KeyKitPrivate is the RSA private key, in PEM, to the public key that was uploaded for the Kit. It decrypts.
	KeyKitPrivate = "kitPrivateKey"
	// NextSuffix makes the name of a key's successor, such as "accessKeyNext".
	NextSuffix = "Next"
)

// keyNames are all the access keys that a callback Secret may hold.
var keyNames = []string{KeyAccess, KeyKit, KeyLicense, KeyNotify}

// KeyKinds are the kinds of keys that a callback Secret holds, and those of which it has a key without a value only: they are given up.
// A key and its successor are one kind.
func KeyKinds(secret map[string][]byte) (held, givenUp []string) {
	for _, kind := range append(slices.Clone(keyNames), KeyKitPrivate) {
		value, there := secret[kind]
		next, nextThere := secret[kind+NextSuffix]
		switch {
		case len(trimLineBreak(value))+len(trimLineBreak(next)) > 0:
			held = append(held, kind)
		case there || nextThere:
			givenUp = append(givenUp, kind)
		}
	}
	return held, givenUp
}

// SigningKeys are the values of all access keys that a callback Secret holds, by their names.
func SigningKeys(secret map[string][]byte) map[string][]byte {
	keys := map[string][]byte{}
	for _, family := range keyNames {
		for _, name := range []string{family, family + NextSuffix} {
			// An empty key would accept what anyone signs with nothing: it counts as missing.
			if value := trimLineBreak(secret[name]); len(value) > 0 {
				keys[name] = bytes.Clone(value)
			}
		}
	}
	return keys
}

// signatureKeys are the keys of the interfaces that carry their signature in the query, in the order in which they are
// tried. A call says which of these interfaces it is for in its body only, which nobody may read before the signature
// holds: so each of them is tried, and bodyPurposes looked at after it.
var signatureKeys = []string{KeyAccess, KeyLicense, KeyNotify}

// tokenKeys are the keys of the interfaces that carry an authToken in the query, in the same order.
var tokenKeys = []string{KeyAccess, KeyLicense}

// bodyPurposes are the only activities that a key other than the access key may sign. So a notification key that leaked can't
// release anything. The access key may sign them all: it is the strongest anyway, no page says which key Online License and
// License 1.0 have, and some sellers have no other. Online License has activities of SaaS V2.0's names, so that of the license key the
// name says too little: see licensesOnly.
var bodyPurposes = map[string][]string{
	KeyLicense: {
		ActivityRefreshLicenseCode, ActivityUpdateLicenseCodeStatus, ActivityReleaseLicenseCode,
		ActivityNewInstance, ActivityRefreshInstance, ActivityUpdateInstanceStatus, ActivityReleaseInstance, ActivityGetLicenseAsync,
	},
	KeyNotify: {ActivityOrderNotify},
}

// queryPurposes are the same for calls with an authToken.
var queryPurposes = map[string][]string{
	KeyLicense: {ActivityGetLicense, ActivityRefreshLicense, ActivityExpireLicense, ActivityReleaseLicense},
}

// mayMake reports whether a key may make a call. An activity that is in no table is refused later, by its name.
func mayMake(purposes map[string][]string, keyName, name string) bool {
	allowed, limited := purposes[strings.TrimSuffix(keyName, NextSuffix)]
	return !limited || slices.Contains(allowed, name) || !isActivity(name)
}

// licensesOnly reports whether a key is for licenses and nothing else. Which sales are licenses is known where they are stored.
func licensesOnly(keyName string) bool { return strings.TrimSuffix(keyName, NextSuffix) == KeyLicense }

func errOtherFamily(keyName string) error {
	return fmt.Errorf("%w: it is signed with %s, which is the key of another kind of interface", marketplace.ErrUnauthenticated, keyName)
}

// key is one access key and its name in the Secret.
type key struct {
	name  string
	value []byte
	// held is false for one that the Secret lacks. It is tried all the same, with a value that nobody knows and for nothing, so that
	// the time of a refusal does not tell which connections there are and which keys they have.
	held bool
}

// Callbacks verifies, decodes and answers the callbacks of one connection. It implements marketplace.Callbacks, never
// changes, and is safe for concurrent use. When the Secret changes, make a new one.
type Callbacks struct {
	// keys are by name; those that the Secret lacks are missing.
	keys map[string][]byte
	// signature are signatureKeys, each followed by its successor; token those of tokenKeys, kit of kitKeys.
	signature, token, kit []key
	// versions are the ones that are taken.
	versions []Version
	// kitPrivate are the Kit's private keys; kitProblem is what is wrong with them.
	kitPrivate []*rsa.PrivateKey
	kitProblem error
	// encrypt is how sensitive fields of answers are encrypted.
	encrypt EncryptType
}

// NewCallbacks takes the keys from the data of a callback Secret (the Key constants, each also with NextSuffix). One
// trailing line break of a value is cut, because Secrets made from files carry it. Members with other names are ignored.
// The error names what is missing and never holds a value.
func NewCallbacks(secret map[string][]byte, options ...Option) (*Callbacks, error) {
	c := &Callbacks{keys: SigningKeys(secret), encrypt: EncryptAES256, versions: defaultVersions()}
	for _, option := range options {
		option(c)
	}
	if c.keys[KeyAccess] == nil {
		return nil, missingKeyError(secret)
	}
	c.signature, c.token, c.kit = c.keysOf(signatureKeys), c.keysOf(tokenKeys), c.keysOf(kitKeys)
	c.kitPrivate, c.kitProblem = kitPrivateKeys(secret)
	return c, nil
}

// CheckKit says what is wrong with the keys of the Kit, in words that name the key and the remedy. It is no reason for
// NewCallbacks to fail, because sales do not need them. Without a private key only applicationSync fails, which not every
// product has.
func (c *Callbacks) CheckKit() error {
	if c.kitProblem == nil && len(c.kitPrivate) > 0 && !c.hasKit() {
		return errors.New("the callback Secret has the key \"" + KeyKitPrivate + "\" and no \"" + KeyKit +
			"\": add it, with the access key of the seller console's joint-operations interfaces as its value")
	}
	return c.kitProblem
}

// WithEncryptType is a copy that encrypts the sensitive fields of SaaS V1.0's answers in another way than EncryptAES256, for a
// seller whose KooGallery contract asks for it. A type that does not exist changes nothing.
func (c *Callbacks) WithEncryptType(kind EncryptType) *Callbacks {
	changed := *c
	if kind.keySize() != 0 {
		changed.encrypt = kind
	}
	return &changed
}

// keysOf are the keys of families.
func (c *Callbacks) keysOf(families []string) []key {
	var found []key
	for _, family := range families {
		for _, name := range []string{family, family + NextSuffix} {
			value, ok := c.keys[name]
			if !ok {
				value = []byte(rand.Text())
			}
			found = append(found, key{name, value, ok})
		}
	}
	return found
}

// hasKit reports whether there is a key of the Kit.
func (c *Callbacks) hasKit() bool {
	return slices.ContainsFunc(c.kit, func(k key) bool { return k.held })
}

func missingKeyError(secret map[string][]byte) error {
	if _, ok := secret[KeyAccess]; ok {
		return fmt.Errorf("the callback Secret's key %q is empty: put the access key of the seller console's basic interfaces there", KeyAccess)
	}
	for name := range secret {
		if strings.EqualFold(name, KeyAccess) {
			return fmt.Errorf("the callback Secret has no key %q: rename its key %q", KeyAccess, name)
		}
	}
	return errors.New("the callback Secret has no key \"" + KeyAccess +
		"\": add it, with the access key of the seller console's basic interfaces as its value")
}

func trimLineBreak(value []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(value, []byte("\n")), []byte("\r"))
}

// answerKey is the key that signs the answer to a call: the one that verified it; nil when none did.
func (c *Callbacks) answerKey(proof marketplace.Proof) []byte { return c.keys[proof.KeyName] }

// Format writes which keys are there. Without it any %v of a struct with a Callbacks in it would print the keys.
func (c Callbacks) Format(state fmt.State, _ rune) {
	names := make([]string, 0, len(c.signature))
	for _, key := range c.signature {
		if key.held {
			names = append(names, key.name)
		}
	}
	_, _ = io.WriteString(state, "koogallery.Callbacks("+strings.Join(names, ", ")+")")
}
