package template

import (
	"crypto/sha256"
	"sync"

	"github.com/Masterminds/sprig/v3"
)

const (
	// maxDerived bounds the derived passwords that a process knows, and maxDerivedBytes each of them; sprig's have at most 20.
	maxDerived      = 256
	maxDerivedBytes = 64
)

// derivedPasswords are the results of derivePassword in this process. It takes about a tenth of a second by design, and the check of a product
// renders some twenty samples that ask for the same ones.
var derivedPasswords = &derived{}

// derive is sprig's derivePassword.
var derive, _ = sprig.TxtFuncMap()["derivePassword"].(func(counter uint32, kind, password, user, site string) string)

// derived knows results by a digest of their arguments: a master password is not kept.
type derived struct {
	mu    sync.Mutex
	known map[[sha256.Size]byte]string
}

func (d *derived) of(args string, derive func() string) string {
	key := sha256.Sum256([]byte(args))
	d.mu.Lock()
	result, ok := d.known[key]
	d.mu.Unlock()
	if ok {
		return result
	}
	result = derive()
	if len(result) > maxDerivedBytes {
		return result
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known == nil || len(d.known) >= maxDerived {
		d.known = map[[sha256.Size]byte]string{}
	}
	d.known[key] = result
	return result
}
