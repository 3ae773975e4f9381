package usage

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/lifecycle"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/usage/metering"
)

// ledger is what the meters of an instance have counted.
type ledger struct {
	// metered is true for a sale that is billed by usage.
	metered bool
	// meters are those of the plan, and after them those that it had, each with its account.
	meters []meterAccount
	// planKnown is true if it is known which meters the plan has.
	planKnown bool
	// records are all records that name the instance; strays those of them whose meter the plan never had.
	records, strays []v1alpha1.UsageRecord
	// packages are those that this instance uses, where they are instances of their own, by name.
	packages map[string]*v1alpha1.MarketplaceInstance
	// user is, for a package that another instance uses, that instance.
	user *v1alpha1.MarketplaceInstance
	// twins are the other instances with the same id.
	twins []v1alpha1.MarketplaceInstance
	// unclear is why nothing can be pushed without a guess; nil when it is clear.
	unclear *report.Verdict
}

// meterAccount is a meter and what it has counted.
type meterAccount struct {
	spec    planMeter
	account metering.Account
	// pack is what a package holds; its Size is 0 where the plan does not say.
	pack metering.Package
}

// metered says whether a sale is billed by usage.
func metered(mpi *v1alpha1.MarketplaceInstance) bool {
	sub := mpi.Spec.Subscription
	return sub != nil && (sub.ChargingMode == v1alpha1.ChargingMetered || isPackage(mpi))
}

func isPackage(mpi *v1alpha1.MarketplaceInstance) bool {
	return mpi.Spec.Subscription.ChargingMode == v1alpha1.ChargingMeteredPackage
}

// readLedger reads an instance's records from the cache and judges them. An instance that is not billed by usage costs nothing. Who
// changes no record may add client.UnsafeDisableDeepCopy: there can be a thousand of them.
func readLedger(ctx context.Context, reader client.Reader, mpi *v1alpha1.MarketplaceInstance, product *v1alpha1.MarketplaceProduct,
	maxAge time.Duration, now time.Time, options ...client.ListOption,
) (ledger, error) {
	if !metered(mpi) {
		return ledger{}, nil
	}
	if linked(mpi) {
		return readLinkedLedger(ctx, reader, mpi, product, maxAge, now, options...)
	}
	packages, err := packagesOf(ctx, reader, mpi)
	if err != nil {
		return ledger{}, err
	}
	list := &v1alpha1.UsageRecordList{}
	options = append(options, client.InNamespace(mpi.Namespace), client.MatchingFields{recordInstanceField: mpi.Name})
	if err := reader.List(ctx, list, options...); err != nil {
		return ledger{}, fmt.Errorf("listing the usage records: %w", err)
	}
	twins, err := twinsOf(ctx, reader, mpi)
	if err != nil {
		return ledger{}, err
	}
	l := ledgerOf(mpi, product, list.Items, maxAge, now, packages...)
	l.twins = twins
	// Of a released one nothing more is to come: what it has to say is whether all of its usage was pushed.
	if twin := duplicate(mpi, twins); twin != nil && (!released(mpi) || l.open() > 0) {
		l.unclear = twin
	}
	return l, nil
}

// ledgerOf judges an instance's records. It is pure.
func ledgerOf(mpi *v1alpha1.MarketplaceInstance, product *v1alpha1.MarketplaceProduct, records []v1alpha1.UsageRecord,
	maxAge time.Duration, now time.Time, packages ...linkedPackage,
) ledger {
	runs := sale.EffectiveOf(mpi)
	meters := metersOf(product, runs.Plan)
	l := ledger{
		metered: true, planKnown: planOf(product, runs.Plan) != nil, records: records, unclear: unclearUsage(mpi, meters),
		packages: map[string]*v1alpha1.MarketplaceInstance{},
	}
	for _, p := range packages {
		l.packages[p.instance.Name] = p.instance
	}
	sale := metering.Sale{
		Instance: mpi.Name, InstanceID: mpi.Spec.Subscription.InstanceID, Begins: saleBegins(mpi.Spec.Subscription),
		PackageBegins: packageBegins(mpi.Spec.Subscription), MaxAge: maxAge,
	}
	all := slices.Concat(meters, formerMeters(product, runs.Plan, meters, records))
	for _, meter := range all {
		facts := meterFacts(meter, sale, records)
		facts.Packages = deductions(packages, meter.Name)
		l.meters = append(l.meters, meterAccount{
			spec: meter, pack: packOf(meter, runs), account: metering.Read(facts, sale, recordFacts(records, meter), now),
		})
	}
	for i := range records {
		if !slices.ContainsFunc(all, func(m planMeter) bool { return m.counts(&records[i]) }) {
			l.strays = append(l.strays, records[i])
		}
	}
	return l
}

// meterFacts is what a meter's account has to know of it. Of a meter that the product does not have any more the records tell whether people
// wrote them.
func meterFacts(meter planMeter, sale metering.Sale, records []v1alpha1.UsageRecord) metering.Meter {
	written := meter.Records != nil
	if meter.gone {
		written = slices.ContainsFunc(recordFacts(records, meter), func(r metering.Record) bool {
			return r.Checkpoint == nil && r.Name != metering.RecordName(sale.Instance, sale.InstanceID, meter.Name, r.Begins)
		})
	}
	return metering.Meter{
		Name: meter.Name, Written: written, Daily: meter.Interval == v1alpha1.MeterDaily, Former: meter.former,
		Kept: meter.push == v1alpha1.MeterPushNone, InTenant: meter.asksTenant() || meter.gone,
	}
}

// recordFacts are the records of one meter. Nothing of them comes from a status.
func recordFacts(records []v1alpha1.UsageRecord, meter planMeter) []metering.Record {
	var facts []metering.Record
	for i := range records {
		if meter.counts(&records[i]) {
			facts = append(facts, recordFact(&records[i]))
		}
	}
	return facts
}

func recordFact(record *v1alpha1.UsageRecord) metering.Record {
	spec := record.Spec
	fact := metering.Record{
		Name: record.Name, Begins: spec.StartTime.Time, Ends: spec.EndTime.Time, Value: amountOf(spec.Value, 0),
		Stopped: spec.TenantActivity == v1alpha1.TenantStopped, Lost: spec.Unmeasured == v1alpha1.UnmeasuredLost,
		Unasked: spec.Unmeasured != "", Attempted: !spec.Delivery.AttemptTime.IsZero(), Pushed: !spec.Delivery.PushTime.IsZero(),
		Told: !spec.Delivery.ToldTime.IsZero(), Withdrawn: !spec.Delivery.WithdrawnTime.IsZero(),
		Created: record.CreationTimestamp.Time, Package: spec.Delivery.PackageRef.Name, Kept: spec.Push == v1alpha1.MeterPushNone,
	}
	if checkpoint := spec.Checkpoint; checkpoint.Total != "" {
		fact.Checkpoint = &metering.Checkpoint{
			Total: amountOf(checkpoint.Total, 0), PackageBegins: checkpoint.PackageStartTime.Time,
			PackageUsed: amountOf(checkpoint.PackageUsed, 0),
		}
		for _, p := range checkpoint.Packages {
			fact.Checkpoint.Packages = append(fact.Checkpoint.Packages,
				metering.Deduction{Name: p.Name, Begins: p.StartTime.Time, Used: amountOf(p.Used, 0)})
		}
	}
	return fact
}

// amountOf reads an amount that the API has checked.
func amountOf(text string, otherwise metering.Amount) metering.Amount {
	if amount, err := metering.ParseAmount(text); err == nil {
		return amount
	}
	return otherwise
}

// saleBegins is when the marketplace's resource started, as far as it is known: nothing was used before.
func saleBegins(sub *v1alpha1.Subscription) time.Time {
	if !sub.StartTime.IsZero() {
		return sub.StartTime.Time
	}
	return sub.PurchaseTime.Time
}

// packageBegins is when the present package was bought: with the latest renewal that was not taken back. It is zero for the first
// package.
func packageBegins(sub *v1alpha1.Subscription) time.Time {
	renewals := slices.DeleteFunc(slices.Clone(sub.Calls), func(call v1alpha1.Call) bool {
		return call.PreviousExpiryTime.IsZero()
	})
	slices.SortStableFunc(renewals, func(a, b v1alpha1.Call) int { return a.Time.Compare(b.Time.Time) })
	var standing []time.Time
	for i, call := range renewals {
		after := sub.ExpiryTime
		if i+1 < len(renewals) {
			after = renewals[i+1].PreviousExpiryTime
		}
		switch {
		case call.PreviousExpiryTime.Before(&after):
			standing = append(standing, call.Time.Time)
		case after.Before(&call.PreviousExpiryTime) && len(standing) > 0:
			standing = standing[:len(standing)-1]
		}
	}
	switch {
	case len(standing) > 0:
		return standing[len(standing)-1]
	case sub.ExpirySource == v1alpha1.ExpiryFromRenewal && len(renewals) == 0 && len(sub.Calls) > 1:
		// The end of the time before was not known, so that the renewal can't be told from other calls. The buyer has paid.
		return sub.Calls[len(sub.Calls)-1].Time.Time
	}
	return time.Time{}
}

// unclearUsage says why it is not known under which id the marketplace wants to be told.
func unclearUsage(mpi *v1alpha1.MarketplaceInstance, meters []planMeter) *report.Verdict {
	items := mpi.Spec.Subscription.Items
	pushed, old := 0, false
	for _, meter := range meters {
		if meter.push != v1alpha1.MeterPushNone {
			pushed++
		}
		old = old || meter.push == v1alpha1.MeterPushSingle
	}
	switch {
	case pushed == 0:
		return nil
	case len(items) > 1:
		return report.Problem(v1alpha1.ReasonSeveralMeteredItems, fmt.Sprintf("The order line contains %d items, and the marketplace does not document"+
			" the id to use for each: usage is not pushed. Ask the marketplace's support; sell the items on"+
			" separate order lines, or set spec.correction.items of this instance to the one that is metered", len(items)))
	case pushed > 1:
		return report.Problem(v1alpha1.ReasonSeveralMeteredItems, fmt.Sprintf("The plan has %d pushed meters, and the marketplace"+
			" accepts one amount per instance: usage is not pushed. Set push: None for all meters except the billed one", pushed))
	case old && (len(items) == 0 || items[0].ProductID == ""):
		return report.Problem(v1alpha1.ReasonProductIDUnknown, "Pushing single records requires the product's id, and the"+
			" order does not contain it: set it with spec.correction.items of this instance, as shown in the marketplace's console")
	}
	return nil
}

// usedUp says whether the tenant is to be stopped because nothing is left of its package, or of the packages that it uses. Only what
// the marketplace has accepted counts, so that no error of ours stops a tenant that has paid.
func (l ledger) usedUp(mpi *v1alpha1.MarketplaceInstance) bool {
	return l.metered && slices.ContainsFunc(l.present(), func(m meterAccount) bool {
		if !isPackage(mpi) {
			return m.account.Exhausted
		}
		return m.spec.pack.WhenUsedUp == v1alpha1.UsedUpSuspend && m.pack.UsedUp(m.account.PackageAccepted)
	})
}

// present are the meters that the plan has.
func (l ledger) present() []meterAccount {
	return slices.DeleteFunc(slices.Clone(l.meters), func(m meterAccount) bool { return m.spec.former })
}

// unread says whether the running tenant still has something to tell that is lost when it stops.
func (l ledger) unread() bool {
	return slices.ContainsFunc(l.meters, func(m meterAccount) bool { return !m.spec.gone && m.account.Unread() })
}

// open is the number of records of which something is still to become.
func (l ledger) open() int {
	count := 0
	for _, m := range l.meters {
		count += len(m.account.Open())
	}
	return count
}

// stoppedSince is since when the tenant has to be stopped; zero where nothing tells.
func stoppedSince(mpi *v1alpha1.MarketplaceInstance, d lifecycle.Decision, p lifecycle.Policy) time.Time {
	switch d.Rule {
	case lifecycle.RuleRemoving:
		return mpi.DeletionTimestamp.Time
	case lifecycle.RuleReleased, lifecycle.RuleFrozen:
		return mpi.Spec.Subscription.Entitlement.Time.Time
	case lifecycle.RuleOverdue:
		return mpi.Spec.Subscription.ExpiryTime.Add(p.Grace)
	}
	return time.Time{}
}

// resumedAt is when the marketplace or a person last lifted a freeze, if it tells.
func resumedAt(sub *v1alpha1.Subscription) time.Time {
	if sub.Entitlement.State != v1alpha1.EntitlementActive {
		return time.Time{}
	}
	return sub.Entitlement.Time.Time
}
