package webhook_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

func TestAnswers(t *testing.T) {
	gone := marketplace.InstanceName("KooGallery", "International", "gone", "gone-1")
	tests := map[string]struct {
		objects []client.Object
		at      time.Duration // after the purchase
		call    a
		want    string
		wantID  string
	}{
		"a purchase that is new is in progress under its id": {
			call: newInstance, want: "000004", wantID: soldName,
		},
		"a purchase that is not ready yet is in progress": {
			objects: []client.Object{instance(soldName)}, call: newInstance, want: "000004", wantID: soldName,
		},
		"a purchase that is ready is a success": {
			objects: []client.Object{instance(soldName, provisioned)}, call: newInstance, want: "000000", wantID: soldName,
		},
		"a purchase of an unknown SKU is in progress for ever, so that the order is not canceled": {
			objects: []client.Object{instance(soldName, unknownSKU)}, at: 3 * time.Hour,
			call: newInstance, want: "000004", wantID: soldName,
		},
		"a purchase that was released is a success, and starts nothing": {
			objects: []client.Object{instance(soldName, releasedSale)}, call: newInstance, want: "000000", wantID: soldName,
		},
		"a purchase that was live before Stallkeeper has its old id": {
			objects: []client.Object{instance("adopted", provisioned, subscribed(func(sub *v1alpha1.Subscription) {
				sub.InstanceID = "old-id"
			}))},
			call: newInstance, want: "000000", wantID: "old-id",
		},
		"a query while it is on its way": {
			objects: []client.Object{instance("i1")}, call: query("i1"), want: "000004",
		},
		"a query of an unknown SKU just before the marketplace loses patience": {
			objects: []client.Object{instance("i1", unknownSKU)}, at: 150*time.Minute - time.Second,
			call: query("i1"), want: "000004",
		},
		"a query of an unknown SKU two and a half hours after the purchase": {
			objects: []client.Object{instance("i1", unknownSKU)}, at: 150 * time.Minute, call: query("i1"), want: "000005",
		},
		"a query of a suspended tenant whose next revision is refused": {
			objects: []client.Object{instance("i1", withFrontEnd, condition(v1alpha1.ConditionProvisioned, metav1.ConditionFalse, v1alpha1.ReasonApplyFailed),
				condition(v1alpha1.ConditionSuspended, metav1.ConditionTrue, v1alpha1.ReasonFrozen), func(mpi *v1alpha1.MarketplaceInstance) {
					mpi.Status.Revision, mpi.Status.TargetRevision = "r1", "r2"
				})},
			call: query("i1"), want: "000000",
		},
		"a query of a ready one": {
			objects: []client.Object{instance("i1", provisioned, withFrontEnd)}, call: query("i1"), want: "000000",
		},
		"a query of a running one whose upgrade has an unknown SKU": {
			objects: []client.Object{instance("i1", provisioned, withFrontEnd, unknownSKU)}, at: 3 * time.Hour,
			call: query("i1"), want: "000000",
		},
		"a query of a suspended one": {
			objects: []client.Object{instance("i1", provisioned, withFrontEnd,
				condition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonExpired),
				subscribed(frozen(v1alpha1.EntitlementExpired, 0)))},
			call: query("i1"), want: "000000",
		},
		"a query of a released one": {
			objects: []client.Object{instance("i1", provisioned, withFrontEnd, releasedSale)}, call: query("i1"), want: "000003",
		},
		"a query of an unknown one": {call: query("i1"), want: "000003"},
		"a query of another connection's": {
			objects: []client.Object{instance("i1", provisioned, subscribed(func(sub *v1alpha1.Subscription) { sub.Marketplace = "other" }))},
			call:    query("i1"), want: "000003",
		},
		"a query by the name of an object that the marketplace calls otherwise": {
			objects: []client.Object{instance("i1", provisioned, subscribed(func(sub *v1alpha1.Subscription) { sub.InstanceID = "old" }))},
			call:    query("i1"), want: "000003",
		},
		"a query of one that somebody is deleting": {
			objects: []client.Object{instance("i1", provisioned, withFrontEnd, func(mpi *v1alpha1.MarketplaceInstance) {
				now := at(0)
				mpi.DeletionTimestamp = &now
			})},
			call: query("i1"), want: "000004",
		},
		"a query of a ready one whose credentials are gone is to be repeated": {
			objects: []client.Object{instance("i1", provisioned, withCredentials)}, call: query("i1"), want: "000005",
		},
		"a renewal": {objects: []client.Object{instance("i1")}, call: renewUntil("i1", "R1", day(60)), want: "000000"},
		"a renewal of one whose SKU is unknown": {
			objects: []client.Object{instance("i1", unknownSKU)}, call: renewUntil("i1", "R1", day(60)), want: "000000",
		},
		"a freeze":   {objects: []client.Object{instance("i1")}, call: status("i1", koogallery.StatusFreeze), want: "000000"},
		"an upgrade": {objects: []client.Object{instance("i1", provisioned)}, call: upgradeOf("i1"), want: "000000"},
		"a check":    {objects: []client.Object{instance("i1")}, call: checkOf("i1"), want: "000000"},
		"a release":  {objects: []client.Object{instance("i1")}, call: releaseOf("i1"), want: "000000"},
		"a renewal of a released one": {
			objects: []client.Object{instance("i1", releasedSale)}, call: renewUntil("i1", "R1", day(60)), want: "000003",
		},
		"an unfreeze of a released one": {
			objects: []client.Object{instance("i1", releasedSale)}, call: status("i1", koogallery.StatusUnfreeze), want: "000003",
		},
		"an upgrade of a released one":     {objects: []client.Object{instance("i1", releasedSale)}, call: upgradeOf("i1"), want: "000003"},
		"a check of a released one":        {objects: []client.Object{instance("i1", releasedSale)}, call: checkOf("i1"), want: "000003"},
		"a release of a released one":      {objects: []client.Object{instance("i1", releasedSale)}, call: releaseOf("i1"), want: "000000"},
		"a renewal of an unknown one":      {call: renewUntil(gone, "R1", day(60)), want: "000003"},
		"a freeze of an unknown one":       {call: status(gone, koogallery.StatusFreeze), want: "000003"},
		"an upgrade of an unknown one":     {call: upgradeOf(gone), want: "000003"},
		"a check of an unknown one":        {call: checkOf(gone), want: "000003"},
		"a release of one of ours gone":    {call: releaseOf(gone), want: "000000"},
		"a release of an id never ours":    {call: releaseOf("i-0815"), want: "000003"},
		"a freeze of an adopted one":       {objects: []client.Object{adopted()}, call: status("old-id", koogallery.StatusFreeze), want: "000000"},
		"a freeze of two that share an id": {objects: []client.Object{adopted(), twin()}, call: status("old-id", koogallery.StatusFreeze), want: "000005"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, tc.objects)
			s.clock.SetTime(day(0).Add(tc.at))
			exchange := s.do(tc.call, tc.want)
			if exchange.InstanceID != tc.wantID {
				t.Errorf("instanceId %q, want %q", exchange.InstanceID, tc.wantID)
			}
		})
	}
}

func adopted() *v1alpha1.MarketplaceInstance {
	return instance("adopted", subscribed(func(sub *v1alpha1.Subscription) { sub.InstanceID = "old-id" }))
}

func twin() *v1alpha1.MarketplaceInstance {
	return instance("twin", subscribed(func(sub *v1alpha1.Subscription) { sub.InstanceID = "old-id" }))
}

func TestAPurchaseIsStoredWithNothingButTheSale(t *testing.T) {
	s := newStand(t, nil)
	s.do(newInstance, "000004")
	want := &v1alpha1.MarketplaceInstance{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "sales", Name: soldName, Finalizers: []string{v1alpha1.TenantFinalizer}, ResourceVersion: "1",
		},
		Spec: v1alpha1.MarketplaceInstanceSpec{Subscription: &v1alpha1.Subscription{
			Marketplace: "koogallery", InstanceID: soldName, OrderID: orderID, OrderLineID: lineID, PurchaseTime: at(0),
			Entitlement:     v1alpha1.Entitlement{State: v1alpha1.EntitlementActive, Time: at(0)},
			Acknowledgement: v1alpha1.Acknowledgement{State: v1alpha1.AcknowledgementAwaited},
			Calls: []v1alpha1.Call{{
				Operation: "newInstance", OrderID: orderID, OrderLineID: lineID, Time: at(0), Pending: v1alpha1.CallPendingPurchase,
			}},
		}},
	}
	if diff := cmp.Diff(want, s.stored(soldName)); diff != "" {
		t.Errorf("-want +stored:\n%s", diff)
	}
}

func TestARepeatedPurchaseMakesOneInstance(t *testing.T) {
	s := newStand(t, nil)
	first := s.do(newInstance, "000004")
	s.clock.SetTime(day(0).Add(time.Hour))
	second := s.do(newInstance, "000004")
	if first.InstanceID != second.InstanceID {
		t.Errorf("first %s, then %s", first.InstanceID, second.InstanceID)
	}
	list := &v1alpha1.MarketplaceInstanceList{}
	if err := s.world.List(context.Background(), list); err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != 1 || !list.Items[0].Spec.Subscription.PurchaseTime.Equal(new(at(0))) {
		t.Errorf("%d instances, bought at %s", len(list.Items), list.Items[0].Spec.Subscription.PurchaseTime)
	}
}

func TestAPurchaseIsNotAcknowledgedWhileItsInstanceIsBeingDeleted(t *testing.T) {
	now := at(0)
	s := newStand(t, []client.Object{instance(soldName, func(mpi *v1alpha1.MarketplaceInstance) { mpi.DeletionTimestamp = &now })})
	s.do(newInstance, "000005")
	mpi := s.stored(soldName)
	mpi.Finalizers = nil
	if err := s.world.Update(context.Background(), mpi); err != nil {
		t.Fatal(err)
	}
	s.do(newInstance, "000004")
	if mpi := s.stored(soldName); mpi == nil || mpi.DeletionTimestamp != nil {
		t.Error("the repeated purchase made no new instance")
	}
}

func TestASaleOfTheSameNameUnderAnotherConnectionIsAConflict(t *testing.T) {
	s := newStand(t, []client.Object{
		instance(soldName, subscribed(func(sub *v1alpha1.Subscription) { sub.Marketplace = "other" })),
	})
	s.do(newInstance, "000002")
}

func TestQueryTellsTheBuyer(t *testing.T) {
	url := koogallery.AppInfo{FrontEndURL: "https://buyer.example.com/", Memo: "Welcome"}
	named := url
	named.UserName = "admin"
	full := named
	full.Password = "initial-password"
	hide := func(s *stand) {
		mp := connection("koogallery")
		mp.Spec.Disclosure.InitialPassword = v1alpha1.DisclosureHide
		mp.ResourceVersion = "999"
		if err := s.world.Update(context.Background(), mp); err != nil {
			s.Fatal(err)
		}
	}
	tests := map[string]struct {
		instance *v1alpha1.MarketplaceInstance
		change   func(*stand)
		want     *koogallery.AppInfo
	}{
		"everything":                         {instance("i1", provisioned, withCredentials), nil, &full},
		"but a password that is kept back":   {instance("i1", provisioned, withCredentials), hide, &named},
		"without credentials if it has none": {instance("i1", provisioned, withFrontEnd), nil, &url},
		"nothing where there is no address":  {instance("i1", provisioned), nil, nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, []client.Object{tc.instance, accessSecret("i1")})
			if tc.change != nil {
				tc.change(s)
			}
			got := s.do(query("i1"), "000000")
			want := []koogallery.InstanceInfo{{InstanceID: "i1", AppInfo: tc.want}}
			if diff := cmp.Diff(want, got.Info); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// A package that another instance uses has no credentials of its own.
func TestAQueryOfAPackageTellsTheTenantThatUsesIt(t *testing.T) {
	usedBy := subscribed(func(sub *v1alpha1.Subscription) {
		sub.ChargingMode, sub.PackageConsumerRef.Name = v1alpha1.ChargingMeteredPackage, "user"
	})
	s := newStand(t, []client.Object{instance("i1", provisioned, withCredentials, usedBy), accessSecret("user")})
	if got := s.do(query("i1"), "000000").Info[0].AppInfo; got == nil || got.Password != "initial-password" {
		t.Errorf("the buyer is told %v", got)
	}
}

func TestAQueryOfManyAnswersTheKnownOnesInTheirOrder(t *testing.T) {
	s := newStand(t, []client.Object{
		instance("c", provisioned, withFrontEnd), instance("a", provisioned, withFrontEnd), instance("b"),
		instance("gone", provisioned, withFrontEnd, releasedSale), instance("broken", provisioned, withCredentials),
	})
	got := s.do(query("c", "unknown", "b", "broken", "gone", "a"), "000000")
	var ids []string
	for _, info := range got.Info {
		ids = append(ids, info.InstanceID)
	}
	if diff := cmp.Diff([]string{"c", "a"}, ids); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// The marketplace is told what was used: of a package what was used of it.
func TestAQueryTellsWhatWasUsed(t *testing.T) {
	used := func(usage ...v1alpha1.MeterUsage) func(*v1alpha1.MarketplaceInstance) {
		return func(mpi *v1alpha1.MarketplaceInstance) { mpi.Status.Usage = usage }
	}
	at := metav1.NewTime(day(1))
	tests := map[string]struct {
		status func(*v1alpha1.MarketplaceInstance)
		want   []koogallery.UsageInfo
	}{
		"all of it": {
			used(v1alpha1.MeterUsage{Meter: "requests", Total: "12.5", CountedUntilTime: at}),
			[]koogallery.UsageInfo{{UsageValue: "12.5", StatisticalTime: day(1).UTC().Format("20060102150405") + "000"}},
		},
		"of a package what was used of it": {
			used(v1alpha1.MeterUsage{Meter: "requests", Total: "112.5", PackageUsed: "12.5", PackageSize: "100", CountedUntilTime: at}),
			[]koogallery.UsageInfo{{UsageValue: "12.5", StatisticalTime: day(1).UTC().Format("20060102150405") + "000"}},
		},
		"of a package that another instance uses, which one that is": {
			used(v1alpha1.MeterUsage{Meter: "requests", Total: "12.5", PackageUsed: "12.5", RelatedInstanceID: "i9", CountedUntilTime: at}),
			[]koogallery.UsageInfo{{
				RelatedInstanceID: "i9", UsageValue: "12.5", StatisticalTime: day(1).UTC().Format("20060102150405") + "000",
			}},
		},
		"nothing used": {
			used(v1alpha1.MeterUsage{Meter: "requests", Total: "0", CountedUntilTime: at}),
			[]koogallery.UsageInfo{{UsageValue: "0", StatisticalTime: day(1).UTC().Format("20060102150405") + "000"}},
		},
		"nothing counted yet is not the same": {used(v1alpha1.MeterUsage{Meter: "requests", Total: "0"}), nil},
		"a sale that is not billed by usage":  {used(), nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := newStand(t, []client.Object{instance("i1", provisioned, withFrontEnd, tc.status)}).do(query("i1"), "000000")
			if diff := cmp.Diff(tc.want, got.Info[0].UsageInfo); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// untouchable fails the test when anything but Marketplaces and the callback keys is read or written.
func untouchable(t *testing.T) interceptor.Funcs {
	touched := func(what string, object any) error {
		t.Errorf("a debug call did %s %T", what, object)
		return away
	}
	return interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			if _, ok := object.(*v1alpha1.Marketplace); ok || key.Name == "callback-keys" {
				return c.Get(ctx, key, object, options...)
			}
			return touched("get", object)
		},
		List: func(_ context.Context, _ client.WithWatch, list client.ObjectList, _ ...client.ListOption) error {
			return touched("list", list)
		},
		Create: func(_ context.Context, _ client.WithWatch, object client.Object, _ ...client.CreateOption) error {
			return touched("create", object)
		},
		Patch: func(_ context.Context, _ client.WithWatch, object client.Object, _ client.Patch, _ ...client.PatchOption) error {
			return touched("patch", object)
		},
	}
}

func TestDebugCallsAreAnsweredAndTouchNothing(t *testing.T) {
	for name, call := range every("i-that-never-was") {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, nil, between(untouchable(t)))
			caller := s.caller
			caller.Options.Debug = true
			exchange := s.doWith(caller, call, "000000")
			if name == "newInstance" && exchange.InstanceID != soldName {
				t.Errorf("instanceId %q, want the one of a real purchase, %q", exchange.InstanceID, soldName)
			}
			if name == "queryInstance" && (len(exchange.Info) != 1 || exchange.Info[0].AppInfo == nil) {
				t.Errorf("no sample data: %+v", exchange.Info)
			}
		})
	}
}
