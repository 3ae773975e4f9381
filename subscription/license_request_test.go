package subscription_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/subscription"
)

// wish is a request for a license from day 1 to day 20.
func wish(id, fingerprint string) marketplace.LicenseRequest {
	return marketplace.LicenseRequest{ID: id, DeviceFingerprint: fingerprint, EffectiveAt: day(1), ExpiresAt: day(20)}
}

// asked is a wish that was stored on day 1.
func asked(key, fingerprint string, changes ...func(*v1alpha1.LicenseRequest)) func(*v1alpha1.Subscription) {
	request := v1alpha1.LicenseRequest{
		Key: key, ID: key, DeviceFingerprint: fingerprint, EffectiveTime: at(1), ExpiryTime: at(20), RequestTime: at(1),
	}
	for _, change := range changes {
		change(&request)
	}
	return func(sub *v1alpha1.Subscription) { sub.LicenseRequests = append(sub.LicenseRequests, request) }
}

func delivered(r *v1alpha1.LicenseRequest) { r.DeliveryTime = at(2) }

func endsOn(n int) func(*v1alpha1.LicenseRequest) {
	return func(r *v1alpha1.LicenseRequest) { r.ExpiryTime = at(n) }
}

func units(n int32) func(*v1alpha1.Subscription) {
	return func(sub *v1alpha1.Subscription) { sub.Quantity = ptr.To(n) }
}

func full(open bool) func(*v1alpha1.Subscription) {
	return func(sub *v1alpha1.Subscription) {
		for i := range 64 {
			asked(fmt.Sprintf("E%d", i), fmt.Sprint(i), delivered, endsOn(2))(sub)
			if open {
				sub.LicenseRequests[i].DeliveryTime = at(-1000)
				sub.LicenseRequests[i].ExpiryTime = at(20)
			}
		}
	}
}

func TestMergeLicenseRequest(t *testing.T) {
	once := v1alpha1.ProductLicense{PerUnit: 1}
	tests := map[string]struct {
		sub     *v1alpha1.Subscription
		request marketplace.LicenseRequest
		policy  v1alpha1.ProductLicense
		want    []string // the keys afterwards
		wantErr error
	}{
		"a first request is stored under its id": {sub: sale(), request: wish("E1", "d1"), want: []string{"E1"}},
		"a repeat is not stored again":           {sub: sale(asked("E1", "d1")), request: wish("E1", "d1"), want: []string{"E1"}},
		"the same id with another device is another request": {
			sub: sale(asked("E1", "d1")), request: wish("E1", "d2"), want: []string{"E1", "r-"},
		},
		"an id that can't be a key gets one that can": {
			sub: sale(), request: wish("a.b/c", ""), want: []string{"r-"},
		},
		"an unknown sale": {request: wish("E1", ""), wantErr: marketplace.ErrUnknownInstance},
		"a released sale": {sub: sale(entitled(v1alpha1.EntitlementReleased, "", 1)), request: wish("E1", ""), wantErr: marketplace.ErrUnknownInstance},
		"a frozen sale":   {sub: sale(frozen(v1alpha1.EntitlementExpired, 1)), request: wish("E1", ""), wantErr: marketplace.ErrLicensePeriod},
		"a repeat is answered also when the sale was frozen since": {
			sub: sale(frozen(v1alpha1.EntitlementExpired, 1), asked("E1", "")), request: wish("E1", ""), want: []string{"E1"},
		},
		"no device where the product needs one": {
			sub: sale(), request: wish("E1", ""), policy: v1alpha1.ProductLicense{DeviceFingerprint: v1alpha1.LicenseFingerprintRequired},
			wantErr: marketplace.ErrLicenseUnbound,
		},
		"no end where the product sells periods": {
			sub: sale(), request: marketplace.LicenseRequest{ID: "E1", EffectiveAt: day(1)},
			policy: v1alpha1.ProductLicense{Term: v1alpha1.LicensePeriodic}, wantErr: marketplace.ErrLicenseEnd,
		},
		"no end where the sale is charged by the period and the product says nothing": {
			sub:     sale(func(sub *v1alpha1.Subscription) { sub.ChargingMode = v1alpha1.ChargingPrepaid }),
			request: marketplace.LicenseRequest{ID: "E1", EffectiveAt: day(1)}, wantErr: marketplace.ErrLicenseEnd,
		},
		"no end where the product says perpetual": {
			sub:     sale(func(sub *v1alpha1.Subscription) { sub.ChargingMode = v1alpha1.ChargingPrepaid }),
			request: marketplace.LicenseRequest{ID: "E1", EffectiveAt: day(1)},
			policy:  v1alpha1.ProductLicense{Term: v1alpha1.LicensePerpetual}, want: []string{"E1"},
		},
		"an end a day after the order's, which is an estimate": {
			sub: sale(), request: marketplace.LicenseRequest{ID: "E1", EffectiveAt: day(1), ExpiresAt: day(31)}, want: []string{"E1"},
		},
		"an end later than that": {
			sub: sale(), request: marketplace.LicenseRequest{ID: "E1", EffectiveAt: day(1), ExpiresAt: day(31).Add(time.Second)},
			wantErr: marketplace.ErrLicensePeriod,
		},
		"a begin after the order's end": {
			sub: sale(), request: marketplace.LicenseRequest{ID: "E1", EffectiveAt: day(32)}, wantErr: marketplace.ErrLicensePeriod,
		},
		"an end before its begin": {
			sub: sale(), request: marketplace.LicenseRequest{ID: "E1", EffectiveAt: day(3), ExpiresAt: day(2)}, wantErr: marketplace.ErrLicensePeriod,
		},
		"one more than was bought": {
			sub: sale(units(2), asked("E1", "d1"), asked("E2", "d2")), request: wish("E3", "d3"), policy: once,
			wantErr: marketplace.ErrLicenseQuota,
		},
		"another license for a device that has one": {
			sub: sale(units(2), asked("E1", "d1"), asked("E2", "d2")), request: wish("E3", "d2"), policy: once, want: []string{"E1", "E2", "E3"},
		},
		"a license that has ended gives its place": {
			sub: sale(units(2), asked("E1", "d1", endsOn(2)), asked("E2", "d2")), request: wish("E3", "d3"), policy: once,
			want: []string{"E1", "E2", "E3"},
		},
		"nothing was bought": {sub: sale(units(0)), request: wish("E1", ""), policy: once, wantErr: marketplace.ErrLicenseQuota},
		"more than can be kept": {
			sub: sale(full(true)), request: wish("E64", ""), wantErr: marketplace.ErrLicenseQuota,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			before := tc.sub.DeepCopy()
			merged, err := subscription.MergeLicenseRequest(tc.sub, tc.request, subscription.LicensePolicy{ProductLicense: tc.policy}, day(5))
			if !errors.Is(err, tc.wantErr) || (err == nil) != (tc.wantErr == nil) {
				t.Fatalf("error %v, want %v", err, tc.wantErr)
			}
			if diff := cmp.Diff(before, tc.sub); diff != "" {
				t.Fatalf("the argument was changed:\n%s", diff)
			}
			if err != nil {
				return
			}
			if len(merged.LicenseRequests) != len(tc.want) {
				t.Fatalf("%d requests, want %d", len(merged.LicenseRequests), len(tc.want))
			}
			for i, want := range tc.want {
				if got := merged.LicenseRequests[i].Key; got[:2] != want[:2] {
					t.Errorf("request %d has the key %s, want %s", i, got, want)
				}
			}
		})
	}
}

func TestAPersonsQuantityCountsForLicenses(t *testing.T) {
	sub := sale(units(1), asked("E1", "d1"))
	policy := subscription.LicensePolicy{ProductLicense: v1alpha1.ProductLicense{PerUnit: 1}, Quantity: ptr.To(int32(2))}
	if _, err := subscription.MergeLicenseRequest(sub, wish("E2", "d2"), policy, day(5)); err != nil {
		t.Errorf("with two by a person's word: %v", err)
	}
	policy.Quantity = nil
	if _, err := subscription.MergeLicenseRequest(sub, wish("E2", "d2"), policy, day(5)); !errors.Is(err, marketplace.ErrLicenseQuota) {
		t.Errorf("with one as sold: %v", err)
	}
}

func TestAFullListForgetsTheOldestLicenseThatHasEnded(t *testing.T) {
	merged, err := subscription.MergeLicenseRequest(sale(full(false)), wish("E64", "new"), subscription.LicensePolicy{}, day(5))
	if err != nil {
		t.Fatal(err)
	}
	if got := merged.LicenseRequests; len(got) != 64 || got[0].Key != "E1" || got[63].Key != "E64" {
		t.Errorf("%d requests, from %s to %s", len(got), got[0].Key, got[len(got)-1].Key)
	}
}

// Whatever is asked in whatever order: the list stays within its bounds, keys are different, a repeat changes nothing and is
// never refused, and an order gives no more licenses at a time than were bought.
func TestLicenseRequestsStayWithinWhatWasBought(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		quantity := rapid.Int32Range(0, 5).Draw(t, "quantity")
		policy := subscription.LicensePolicy{ProductLicense: v1alpha1.ProductLicense{PerUnit: rapid.Int32Range(0, 3).Draw(t, "perUnit")}}
		sub := sale(units(quantity))
		passed := 0
		for range rapid.IntRange(1, 200).Draw(t, "requests") {
			request := marketplace.LicenseRequest{
				ID:                rapid.StringMatching(`[a-c./]{1,3}`).Draw(t, "id"),
				DeviceFingerprint: rapid.StringMatching(`[x-z]{0,2}`).Draw(t, "device"),
				EffectiveAt:       day(1), ExpiresAt: day(rapid.IntRange(1, 30).Draw(t, "end")),
			}
			passed += rapid.IntRange(0, 2).Draw(t, "days")
			now := day(passed)
			merged, err := subscription.MergeLicenseRequest(sub, request, policy, now)
			if err != nil {
				continue
			}
			again, err := subscription.MergeLicenseRequest(merged, request, policy, now)
			if err != nil || cmp.Diff(merged, again) != "" {
				t.Fatalf("a repeat of %+v: %v\n%s", request, err, cmp.Diff(merged, again))
			}
			sub = merged
			keys, places := map[string]bool{}, map[string]bool{}
			for _, r := range sub.LicenseRequests {
				keys[r.Key] = true
				if now.Before(r.ExpiryTime.Time) {
					place := "device " + r.DeviceFingerprint
					if r.DeviceFingerprint == "" {
						place = "key " + r.Key
					}
					places[place] = true
				}
			}
			if len(keys) != len(sub.LicenseRequests) || len(keys) > 64 {
				t.Fatalf("%d requests with %d keys", len(sub.LicenseRequests), len(keys))
			}
			if most := int(policy.PerUnit * quantity); policy.PerUnit > 0 && len(places) > most {
				t.Fatalf("%d licenses at a time, and %d were bought", len(places), most)
			}
		}
	})
}
