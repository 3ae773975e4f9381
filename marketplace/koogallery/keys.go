package koogallery

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Names of the callback Secret's keys. KooGallery wants one access key per type of interface and none used for two
// (protocol page 3.1). Each may have a second one, named with NextSuffix, that is accepted as well while keys are rotated.
const (
	// KeyAccess is for the basic interfaces: SaaS V2.0. It is the only one that must exist.
	KeyAccess = "accessKey"
	// KeyKit is for the joint-operations Kit.
	KeyKit = "kitAccessKey"
	// KeyLicense is for license codes.
	KeyLicense = "licenseAccessKey"
	// KeyNotify is for order notifications.
	KeyNotify = "notifyAccessKey"
	// NextSuffix makes the name of a key's successor, such as "accessKeyNext".
	NextSuffix = "Next"
)

// keyNames are all the access keys that a callback Secret may hold.
var keyNames = []string{KeyAccess, KeyKit, KeyLicense, KeyNotify}

// signatureKeys are the keys of the interfaces that carry their signature in the query, in the order in which they are
// tried. A call says which of these interfaces it is for in its body only, which nobody may read before the signature
// holds: so each of them is tried.
var signatureKeys = []string{KeyAccess}

// key is one access key and its name in the Secret.
type key struct {
	name  string
	value []byte
}

// Callbacks verifies, decodes and answers the callbacks of one connection. It implements marketplace.Callbacks, never
// changes, and is safe for concurrent use. When the Secret changes, make a new one.
type Callbacks struct {
	// keys are by name; those that the Secret lacks are missing.
	keys map[string][]byte
	// signature are the present ones of signatureKeys, each followed by its successor.
	signature []key
}

// NewCallbacks takes the keys from the data of a callback Secret (the Key constants, each also with NextSuffix). One
// trailing line break of a value is cut, because Secrets made from files carry it. Members with other names are ignored.
// The error names what is missing and never holds a value.
func NewCallbacks(secret map[string][]byte) (*Callbacks, error) {
	c := &Callbacks{keys: map[string][]byte{}}
	for _, family := range keyNames {
		for _, name := range []string{family, family + NextSuffix} {
			// An empty key would accept what anyone signs with nothing: it counts as missing.
			if value := trimLineBreak(secret[name]); len(value) > 0 {
				c.keys[name] = bytes.Clone(value)
			}
		}
	}
	if c.keys[KeyAccess] == nil {
		return nil, missingKeyError(secret)
	}
	for _, family := range signatureKeys {
		for _, name := range []string{family, family + NextSuffix} {
			if value, ok := c.keys[name]; ok {
				c.signature = append(c.signature, key{name, value})
			}
		}
	}
	return c, nil
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

// answerKey is the key that signs the answer to a call: the one that verified it, or the present one when none did.
func (c *Callbacks) answerKey(name string) []byte {
	if value, ok := c.keys[name]; ok {
		return value
	}
	return c.keys[KeyAccess]
}

// Format writes which keys are there. Without it any %v of a struct with a Callbacks in it would print the keys.
func (c Callbacks) Format(state fmt.State, _ rune) {
	names := make([]string, 0, len(c.signature))
	for _, key := range c.signature {
		names = append(names, key.name)
	}
	_, _ = io.WriteString(state, "koogallery.Callbacks("+strings.Join(names, ", ")+")")
}
