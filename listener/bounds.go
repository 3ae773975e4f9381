package listener

import (
	"container/list"
	"net"
	"net/netip"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// standing is what the caller at the other end of a connection has shown.
type standing int

const (
	// stranger has proved nothing.
	stranger standing = iota
	// known was vouched for, and waits for its next request.
	known
	// working has a request at work that was vouched for or is held.
	working
)

const (
	// minAge is how long a stranger's connection stands before another stranger takes its place: long enough for a call to arrive. Where
	// they come faster than that the newest are refused, which costs nothing: to shed one for each costs a handshake each, and while all of
	// those are at work no caller is even seen.
	minAge = time.Second
	// goodNames is of how many addresses it is remembered that a caller from there was vouched for.
	goodNames = 256
)

// seat is a connection's place in the bounds. The table's lock guards it.
type seat struct {
	peer     *peer
	standing standing
	// vouched says that its caller was vouched for, now or before.
	vouched bool
	since   time.Time
	// place is where it stands in the list of its standing; nil while it is working, and after it was shed.
	place *list.Element
	// shed closes the connection below whatever reads and writes it.
	shed func()
	gone bool
}

// peer is one address, with its connections.
type peer struct {
	address netip.Prefix
	// strangers and knowns hold seats, the oldest first.
	strangers, knowns list.List
	// seats are all that were not shed.
	seats int
}

// bounds are who has a seat. It does no I/O; its owner has a lock.
type bounds struct {
	most, mostOfPeer int
	peers            map[netip.Prefix]*peer
	// good are the addresses from where somebody was vouched for.
	good *lru.Cache[netip.Prefix, struct{}]
	// seats are all that were not shed.
	seats int
}

func newBounds(most, mostOfPeer int) *bounds {
	good, _ := lru.New[netip.Prefix, struct{}](goodNames) // fails for sizes below 1
	return &bounds{most: most, mostOfPeer: mostOfPeer, peers: map[netip.Prefix]*peer{}, good: good}
}

// addressOf is whom a connection counts for: an IPv4 address, or the /64 of an IPv6 one, of which anybody has all.
func addressOf(remote net.Addr) netip.Prefix {
	tcp, ok := remote.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	return prefixOf(tcp.AddrPort().Addr())
}

// AddressOf is whom a request counts for, by its http.Request.RemoteAddr: an IPv4 address, or the /64 of an IPv6 one. It is the zero
// Prefix for what is no address and port. Behind a proxy it is the proxy's.
func AddressOf(remote string) netip.Prefix {
	address, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Prefix{}
	}
	return prefixOf(address.Addr())
}

func prefixOf(address netip.Addr) netip.Prefix {
	address = address.Unmap().WithZone("")
	bits := address.BitLen()
	if address.Is6() {
		bits = 64
	}
	prefix, err := address.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}

// take seats a new connection. full says which bound was reached, empty for none; victim is who has to make room, and taken is nil where
// nobody can.
func (b *bounds) take(address netip.Prefix, shed func(), now time.Time) (taken, victim *seat, full string) {
	of := b.peers[address]
	switch {
	case of != nil && of.seats >= b.mostOfPeer:
		full, victim = fullOfAddress, of.oldest()
	case b.seats >= b.most:
		full, victim = fullInAll, b.weakest()
	}
	if full != "" && (victim == nil || now.Sub(victim.since) < minAge && !b.good.Contains(address) && !fairer(of, victim)) {
		return nil, nil, full
	}
	if victim != nil {
		b.leave(victim)
	}
	if of = b.peers[address]; of == nil {
		of = &peer{address: address}
		b.peers[address] = of
	}
	b.seats++
	of.seats++
	taken = &seat{peer: of, shed: shed, since: now}
	taken.place = of.strangers.PushBack(taken)
	return taken, victim, full
}

// fairer says that an address would still have no more connections than the one that makes room for it. Without it a flood of new connections
// would take all turns from those who come for the first time, as people do who sign in. Strangers can't go on with it: once they have a share
// each, there is nothing to gain.
func fairer(of *peer, victim *seat) bool {
	has := 0
	if of != nil {
		has = of.seats
	}
	return victim.standing == stranger && has+1 < victim.peer.strangers.Len()
}

// oldest is the seat of an address that is given up first; nil if all are working.
func (p *peer) oldest() *seat {
	for _, seats := range []*list.List{&p.strangers, &p.knowns} {
		if first := seats.Front(); first != nil {
			return first.Value.(*seat)
		}
	}
	return nil
}

// weakest is the oldest stranger of the address that has most strangers, and where there are none the oldest known one of the address
// that has most of those. There are no more addresses than seats, so looking at all of them is bounded.
func (b *bounds) weakest() *seat {
	var of, ofKnown *peer
	for _, p := range b.peers {
		if p.strangers.Len() > 0 && (of == nil || p.strangers.Len() > of.strangers.Len()) {
			of = p
		}
		if p.knowns.Len() > 0 && (ofKnown == nil || p.knowns.Len() > ofKnown.knowns.Len()) {
			ofKnown = p
		}
	}
	switch {
	case of != nil:
		return of.strangers.Front().Value.(*seat)
	case ofKnown != nil:
		return ofKnown.knowns.Front().Value.(*seat)
	}
	return nil
}

// leave gives a seat back; a second time it does nothing.
func (b *bounds) leave(s *seat) {
	if s.gone {
		return
	}
	if s.place != nil {
		s.peer.of(s.standing).Remove(s.place)
		s.place = nil
	}
	s.gone = true
	b.seats--
	if s.peer.seats--; s.peer.seats == 0 {
		delete(b.peers, s.peer.address)
	}
}

// vouch notes that the caller of a seat has proved who it is, in a request that is at work.
func (b *bounds) vouch(s *seat) {
	s.vouched = true
	b.good.Add(s.peer.address, struct{}{})
	b.stand(s, working)
}

// rest is for a seat whose request was answered.
func (b *bounds) rest(s *seat) {
	switch {
	case s.standing != working:
	case s.vouched:
		b.stand(s, known)
	default:
		b.stand(s, stranger)
	}
}

// stand gives a seat another standing, as the newest of it.
func (b *bounds) stand(s *seat, standing standing) {
	if s.gone {
		return
	}
	if s.place != nil {
		s.peer.of(s.standing).Remove(s.place)
		s.place = nil
	}
	if s.standing = standing; standing != working {
		s.place = s.peer.of(standing).PushBack(s)
	}
}

func (p *peer) of(standing standing) *list.List {
	if standing == known {
		return &p.knowns
	}
	return &p.strangers
}
