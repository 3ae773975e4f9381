package listener

import (
	"cmp"
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
	// networkShare is how many strangers of a network count as much as one of an address alone: one host may have all addresses of a /48, and
	// users of one provider have some of them each.
	networkShare = 8
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
	network *network
	// strangers and knowns hold seats, the oldest first.
	strangers, knowns list.List
	// seats are all that were not shed.
	seats int
}

// network is what addresses have in common that one host may have, with how many strangers it has.
type network struct {
	prefix           netip.Prefix
	peers, strangers int
}

// bounds are who has a seat. It does no I/O; its owner has a lock.
type bounds struct {
	most, mostOfPeer int
	peers            map[netip.Prefix]*peer
	networks         map[netip.Prefix]*network
	// good are the addresses from where somebody was vouched for.
	good *lru.Cache[netip.Prefix, struct{}]
	// seats are all that were not shed.
	seats int
}

func newBounds(most, mostOfPeer int) *bounds {
	good, _ := lru.New[netip.Prefix, struct{}](goodNames) // fails for sizes below 1
	return &bounds{most: most, mostOfPeer: mostOfPeer, peers: map[netip.Prefix]*peer{}, networks: map[netip.Prefix]*network{}, good: good}
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

// NetworkOf is all that one host may have beside an address of AddressOf: the /48 of IPv6, of which hosting providers give one away with a
// server. Of IPv4 it is the address itself: its neighbors are other people.
func NetworkOf(address netip.Prefix) netip.Prefix {
	if !address.Addr().Is6() {
		return address
	}
	return netip.PrefixFrom(address.Addr(), 48).Masked()
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
	if full != "" && (victim == nil || now.Sub(victim.since) < minAge && !b.good.Contains(address) && !b.fairer(address, victim)) {
		return nil, nil, full
	}
	if victim != nil {
		b.leave(victim)
	}
	of = b.peer(address)
	b.seats++
	of.seats++
	taken = &seat{peer: of, shed: shed, since: now}
	taken.sit()
	return taken, victim, full
}

// peer is that of an address, made for its first seat.
func (b *bounds) peer(address netip.Prefix) *peer {
	if of := b.peers[address]; of != nil {
		return of
	}
	prefix := NetworkOf(address)
	if b.networks[prefix] == nil {
		b.networks[prefix] = &network{prefix: prefix}
	}
	of := &peer{address: address, network: b.networks[prefix]}
	of.network.peers++
	b.peers[address] = of
	return of
}

// sit puts a seat into the list of its standing, as the newest there; getUp takes it out.
func (s *seat) sit() {
	if s.standing == stranger {
		s.peer.network.strangers++
	}
	s.place = s.peer.of(s.standing).PushBack(s)
}

func (s *seat) getUp() {
	if s.place == nil {
		return
	}
	if s.standing == stranger {
		s.peer.network.strangers--
	}
	s.peer.of(s.standing).Remove(s.place)
	s.place = nil
}

// fairer says that an address would still have no more connections than the one that makes room for it. Without it a flood of new connections
// would take all turns from those who come for the first time, as people do who sign in. Strangers can't go on with it: once they have a share
// each, there is nothing to gain.
func (b *bounds) fairer(address netip.Prefix, victim *seat) bool {
	has := 0
	if of := b.peers[address]; of != nil {
		has = of.seats
	}
	if victim.standing != stranger {
		return false
	}
	switch in := b.networks[NetworkOf(address)]; in {
	case nil:
		return weight(has+1, 1) < victim.peer.weight()
	case victim.peer.network:
		// The network has no more than before.
		return has+1 < victim.peer.strangers.Len()
	default:
		return weight(has+1, in.strangers+1) < victim.peer.weight()
	}
}

// weight says how much strangers of an address take, of which there are so many in its network.
func weight(ofAddress, ofNetwork int) int { return max(networkShare*ofAddress, ofNetwork) }

func (p *peer) weight() int { return weight(p.strangers.Len(), p.network.strangers) }

// heavier says that an address has more strangers than another, counted with its network; of those with as many, more itself; of those again,
// one that waits longer.
func (p *peer) heavier(than *peer) bool {
	return cmp.Or(
		cmp.Compare(p.weight(), than.weight()), cmp.Compare(p.strangers.Len(), than.strangers.Len()), than.oldest().since.Compare(p.oldest().since),
	) > 0
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

// weakest is the oldest stranger of the heaviest address, and where there are none the oldest known one of the address that has most of
// those. There are no more addresses than seats, so looking at all of them is bounded.
func (b *bounds) weakest() *seat {
	var of, ofKnown *peer
	for _, p := range b.peers {
		if p.strangers.Len() > 0 && (of == nil || p.heavier(of)) {
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
	s.getUp()
	s.gone = true
	b.seats--
	if s.peer.seats--; s.peer.seats > 0 {
		return
	}
	delete(b.peers, s.peer.address)
	if in := s.peer.network; in.peers > 1 {
		in.peers--
	} else {
		delete(b.networks, in.prefix)
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
	s.getUp()
	if s.standing = standing; standing != working {
		s.sit()
	}
}

func (p *peer) of(standing standing) *list.List {
	if standing == known {
		return &p.knowns
	}
	return &p.strangers
}
