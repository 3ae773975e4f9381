package listener

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(address string) netip.Prefix {
	return addressOf(&net.TCPAddr{IP: net.ParseIP(address), Port: 1})
}

// guests sits strangers of some addresses down, a second apart.
func guests(b *bounds, addresses ...string) []*seat {
	var seats []*seat
	for i, address := range addresses {
		s, _, _ := b.take(at(address), func() {}, noon.Add(time.Duration(i)*time.Second))
		seats = append(seats, s)
	}
	return seats
}

func TestWhoMakesRoom(t *testing.T) {
	const late = 100 * time.Second
	tests := map[string]struct {
		standings []standing // of the seats a, a, b
		newcomer  string
		after     time.Duration
		victim    int // -1 for none
		taken     bool
	}{
		"the oldest of the address with most strangers": {[]standing{stranger, stranger, stranger}, "10.0.0.9", late, 0, true},
		"a stranger before a caller who is known":       {[]standing{known, known, stranger}, "10.0.0.9", late, 2, true},
		"one who is known, where there is no stranger":  {[]standing{known, working, working}, "10.0.0.9", late, 0, true},
		"never one that is at work":                     {[]standing{working, working, working}, "10.0.0.9", late, -1, false},
		"not a stranger that has just begun":            {[]standing{stranger, stranger, stranger}, "10.0.0.2", minAge - 1, -1, false},
		"even that one, for an address that has fewer":  {[]standing{stranger, stranger, stranger}, "10.0.0.9", minAge - 1, 0, true},
		"not the only one of its address":               {[]standing{working, stranger, stranger}, "10.0.0.9", minAge - 1, -1, false},
		"even that one, for an address that has a name": {[]standing{stranger, stranger, stranger}, "10.0.0.5", 0, 0, true},
	}
	for sentence, tc := range tests {
		t.Run(sentence, func(t *testing.T) {
			b := newBounds(3, 3)
			caller, _, _ := b.take(at("10.0.0.5"), func() {}, noon)
			b.vouch(caller)
			b.leave(caller)
			held, _, _ := b.take(at("10.0.0.2"), func() {}, noon)
			b.stand(held, working)
			b.leave(held)
			seats := guests(b, "10.0.0.1", "10.0.0.1", "10.0.0.2")
			for i, standing := range tc.standings {
				b.stand(seats[i], standing)
			}
			taken, victim, full := b.take(at(tc.newcomer), func() {}, noon.Add(tc.after))
			if full != fullInAll || (taken != nil) != tc.taken {
				t.Errorf("taken: %t, full %q", taken != nil, full)
			}
			var want *seat
			if tc.victim >= 0 {
				want = seats[tc.victim]
			}
			if victim != want {
				t.Errorf("another one makes room: %+v", victim)
			}
		})
	}
}

// Whoever shares a network with a flood is let in before those of it that have more.
func TestANeighborOfAFloodIsLetIn(t *testing.T) {
	b := newBounds(64, 64)
	for i := range 64 {
		b.take(at(fmt.Sprintf("2001:db8:0:%x::1", i%16)), func() {}, noon)
	}
	if seat, _, _ := b.take(at("2001:db8:0:ffff::1"), func() {}, noon); seat == nil {
		t.Error("a neighbor with none is not let in")
	}
}

// A few addresses connect again and again, faster than their connections get old. Somebody who comes for the first time is let in, and stays.
func TestAFloodOfAFewAddressesLeavesRoomForNewOnes(t *testing.T) {
	for sentence, tc := range map[string]struct{ flood, user func(i int) string }{
		"40 of IPv4":              {func(i int) string { return fmt.Sprintf("10.0.0.%d", i%40) }, func(i int) string { return fmt.Sprintf("192.0.2.%d", i) }},
		"200 networks of one /48": {func(i int) string { return fmt.Sprintf("2001:db8:0:%x::1", i%200) }, func(i int) string { return fmt.Sprintf("192.0.2.%d", i) }},
		"those, and users of IPv6": {
			func(i int) string { return fmt.Sprintf("2001:db8:0:%x::1", i%200) }, func(i int) string { return fmt.Sprintf("2001:db8:1:%x::1", i%4) },
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			b := newBounds(64, 64)
			flood := func(from int) {
				for i := range 1000 {
					b.take(at(tc.flood(from+i)), func() {}, noon)
				}
			}
			flood(0)
			for user := range 20 {
				seat, victim, _ := b.take(at(tc.user(user)), func() {}, noon)
				if seat == nil || victim == nil {
					t.Fatalf("user %d is not let in", user)
				}
				flood(user)
				if seat.gone {
					t.Fatalf("user %d makes room for the flood", user)
				}
				b.leave(seat)
				flood(user)
			}
		})
	}
}

func TestAnAddressHasItsOwnBound(t *testing.T) {
	b := newBounds(10, 2)
	seats := guests(b, "10.0.0.1", "10.0.0.1", "10.0.0.2")
	if taken, victim, full := b.take(at("10.0.0.1"), func() {}, noon.Add(time.Minute)); taken == nil || victim != seats[0] || full != fullOfAddress {
		t.Errorf("a third one: full %q", full)
	}
	if taken, victim, full := b.take(at("10.0.0.2"), func() {}, noon); taken == nil || victim != nil || full != "" {
		t.Errorf("another address: full %q", full)
	}
}

func TestAnAddressIsOnesOwn(t *testing.T) {
	for sentence, tc := range map[string]struct {
		a, b string
		same bool
	}{
		"two of IPv4":                      {"10.0.0.1", "10.0.0.2", false},
		"one of IPv4, written in two ways": {"10.0.0.1", "::ffff:10.0.0.1", true},
		"two of a network of IPv6":         {"2001:db8::1", "2001:db8::ffff:1", true},
		"two networks of IPv6":             {"2001:db8:0:1::1", "2001:db8:0:2::1", false},
	} {
		if got := at(tc.a) == at(tc.b); got != tc.same {
			t.Errorf("%s: the same is %t", sentence, got)
		}
	}
	for address, want := range map[string]string{"10.0.0.1": "10.0.0.1/32", "2001:db8:1:2::3": "2001:db8:1::/48"} {
		if got := NetworkOf(at(address)); got.String() != want {
			t.Errorf("the network of %s is %s, want %s", address, got, want)
		}
	}
	if NetworkOf(netip.Prefix{}) != (netip.Prefix{}) {
		t.Error("what has no address has a network")
	}
	if addressOf(&net.UnixAddr{}) != (netip.Prefix{}) {
		t.Error("what has no address is not one address")
	}
}

// Whoever can have a request held has proved nothing by it, and is shed before those who have.
func TestAHeldRequestMakesNobodyKnown(t *testing.T) {
	b := newBounds(2, 2)
	seats := guests(b, "10.0.0.1", "10.0.0.2")
	b.stand(seats[0], working)
	b.vouch(seats[1])
	if taken, _, _ := b.take(at("10.0.0.9"), func() {}, noon.Add(time.Minute)); taken != nil {
		t.Error("one that is at work made room")
	}
	for _, s := range seats {
		b.rest(s)
	}
	if _, victim, _ := b.take(at("10.0.0.9"), func() {}, noon.Add(time.Minute)); victim != seats[0] {
		t.Errorf("room was made by %+v", victim)
	}
}

// Whatever comes, goes and proves itself in whatever order: the bounds hold, nobody at work is shed, and in the end nothing is left.
func TestBoundsHoldInWhateverOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBounds(rapid.IntRange(1, 8).Draw(t, "most"), rapid.IntRange(1, 4).Draw(t, "of an address"))
		var seats []*seat
		for i := range rapid.IntRange(1, 60).Draw(t, "steps") {
			if len(seats) > 0 && rapid.Bool().Draw(t, "changes") {
				s := seats[rapid.IntRange(0, len(seats)-1).Draw(t, "which")]
				if rapid.Bool().Draw(t, "leaves") {
					b.leave(s)
				} else {
					b.stand(s, rapid.SampledFrom([]standing{stranger, known, working}).Draw(t, "standing"))
				}
				continue
			}
			address := at(rapid.SampledFrom([]string{"10.0.0.1", "10.0.0.2", "2001:db8:0:1::", "2001:db8:0:2::", "2001:db8:1:1::"}).Draw(t, "address"))
			taken, victim, _ := b.take(address, func() {}, noon.Add(time.Duration(i)*time.Second))
			if victim != nil && (victim.standing == working || !victim.gone) {
				t.Fatal("the victim was at work, or is not gone")
			}
			if taken != nil {
				seats = append(seats, taken)
			}
			count := map[netip.Prefix]int{}
			for _, s := range seats {
				if !s.gone {
					count[s.peer.address]++
				}
			}
			total := 0
			for address, n := range count {
				total += n
				if n > b.mostOfPeer || b.peers[address].seats != n {
					t.Fatalf("%d of one address", n)
				}
			}
			if total > b.most || total != b.seats {
				t.Fatalf("%d in all, counted %d", total, b.seats)
			}
			for prefix, in := range b.networks {
				peers, strangers := 0, 0
				for _, p := range b.peers {
					if p.network == in {
						peers, strangers = peers+1, strangers+p.strangers.Len()
					}
				}
				if peers != in.peers || strangers != in.strangers || peers == 0 {
					t.Fatalf("%s has %d addresses and %d strangers, counted %+v", prefix, peers, strangers, in)
				}
			}
		}
		for _, s := range seats {
			b.leave(s)
			b.leave(s)
		}
		if b.seats != 0 || len(b.peers) != 0 || len(b.networks) != 0 {
			t.Fatalf("%d seats, %d addresses and %d networks are left", b.seats, len(b.peers), len(b.networks))
		}
	})
}
