package login

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"
)

// Each of the addresses stays within its own bound, and together they ask for more than an instance has.
func TestAFewAddressesDoNotTakeTheTurnOfUsers(t *testing.T) {
	l := newLimits(DefaultMaxConcurrent, testingclock.NewFakePassiveClock(time.Unix(0, 0)))
	shop := types.NamespacedName{Namespace: "sales", Name: "shop"}
	states := 0
	ask := func(host byte) (func(bool), error) {
		states++
		return l.enter(t.Context(), caller{shop, netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, host}), 32)}, fmt.Sprint(states))
	}
	refused := 0
	for range failureBurst {
		for host := range byte(16) {
			switch leave, err := ask(host); {
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
	for host := range byte(16) {
		if leave, err := ask(host); err == nil {
			held = append(held, leave)
		}
	}
	if len(held) > maxSuspects {
		t.Errorf("%d places are held", len(held))
	}
	for user := range 20 {
		leave, err := ask(byte(100 + user))
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
