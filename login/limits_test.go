package login

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/stallkeeper/stallkeeper/listener"
)

// Each of the addresses stays within its own bound, and together they ask for more than an instance has.
func TestAFewAddressesDoNotTakeTheTurnOfUsers(t *testing.T) {
	for sentence, tc := range map[string]struct {
		hosts   int
		address string
	}{
		"16 of IPv4":              {16, "192.0.2.%d:1"},
		"200 networks of one /48": {200, "[2001:db8:0:%x::1]:1"},
	} {
		t.Run(sentence, func(t *testing.T) {
			fewTakeNoTurn(t, tc.hosts, func(host int) netip.Prefix { return listener.AddressOf(fmt.Sprintf(tc.address, host)) })
		})
	}
}

func fewTakeNoTurn(t *testing.T, hosts int, address func(host int) netip.Prefix) {
	t.Helper()
	l := newLimits(DefaultMaxConcurrent, testingclock.NewFakePassiveClock(time.Unix(0, 0)))
	shop := types.NamespacedName{Namespace: "sales", Name: "shop"}
	states := 0
	ask := func(address netip.Prefix) (func(bool), error) {
		states++
		return l.enter(t.Context(), caller{shop, address}, fmt.Sprint(states))
	}
	refused := 0
	for range failureBurst {
		for host := range hosts {
			switch leave, err := ask(address(host)); {
			case err == nil:
				leave(false)
			case errors.Is(err, errBusy):
				refused++
			default:
				t.Fatal(err)
			}
		}
	}
	if refused == 0 {
		t.Error("nothing is refused, so that nothing is proved")
	}
	// They hold all the places that they get.
	var held []func(bool)
	for host := range hosts {
		if leave, err := ask(address(host)); err == nil {
			held = append(held, leave)
		}
	}
	if len(held) > maxSuspects {
		t.Errorf("%d places are held", len(held))
	}
	for user := range 20 {
		leave, err := ask(listener.AddressOf(fmt.Sprintf("198.51.100.%d:1", user)))
		if err != nil {
			t.Fatalf("user %d: %v", user, err)
		}
		leave(true)
	}
	for _, leave := range held {
		leave(false)
	}
	if len(l.suspects) != 0 || len(l.of) != 0 || len(l.ofCaller) != 0 {
		t.Errorf("left are %v, %v and %v", l.suspects, l.of, l.ofCaller)
	}
}
