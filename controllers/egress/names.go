package egress

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// namesKept is how long the addresses of names are used before they are looked up again, lookingUp how long that may take, and namesMissed how long
	// it is left alone where no answer came: every connection waits for it.
	namesKept   = 30 * time.Second
	lookingUp   = 2 * time.Second
	namesMissed = 10 * time.Second
)

// Names are names to whose addresses nothing connects.
type Names struct {
	names  []string
	lookUp func(ctx context.Context, network, host string) ([]netip.Addr, error)
	now    func() time.Time

	mu    sync.Mutex
	until time.Time
	found map[string][]netip.Addr
}

// NewNames are these names. By now it is known when their addresses are looked up again.
func NewNames(now func() time.Time, names ...string) *Names {
	return &Names{names: names, lookUp: net.DefaultResolver.LookupNetIP, now: now, found: map[string][]netip.Addr{}}
}

// String lists them.
func (n *Names) String() string { return strings.Join(n.names, ", ") }

func (n *Names) has(host string) bool {
	return n != nil && slices.ContainsFunc(n.names, func(name string) bool { return strings.EqualFold(strings.TrimRight(name, "."), host) })
}

// addresses are those that the names had when they were looked up last. One that can't be looked up now keeps those that it had: who makes the look-up of a
// name fail must not thereby reach it. The own machine's are left out, since Reach.Loopback says what may be with them.
func (n *Names) addresses(ctx context.Context) []netip.Addr {
	if n == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.now().After(n.until) {
		// Whoever asks first and gives up leaves the others with an answer.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookingUp)
		defer cancel()
		keeps := namesKept
		for _, name := range n.names {
			found, err := n.lookUp(ctx, "ip", name)
			if missing := new(net.DNSError); err == nil {
				n.found[name] = found
			} else if !errors.As(err, &missing) || !missing.IsNotFound {
				keeps = namesMissed
			}
		}
		n.until = n.now().Add(keeps)
	}
	var all []netip.Addr
	for _, name := range n.names {
		for _, found := range n.found[name] {
			if found = found.WithZone("").Unmap(); !found.IsLoopback() {
				all = append(all, found)
			}
		}
	}
	return all
}

// named has the addresses of its names in Never.
func (r Reach) named(ctx context.Context) Reach {
	r.Never = slices.Concat(r.Never, r.Names.addresses(ctx))
	return r
}
