package usage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/lifecycle"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/render"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/usage/metering"
	"github.com/stallkeeper/stallkeeper/controllers/usage/sources"
)

// maxSteps is how many intervals of a meter one pass counts. What is left after a long outage comes with the next pass, so that
// other sales are not kept waiting.
const maxSteps = 24

// counted is what a pass has done.
type counted struct {
	// err is what went wrong with the API server and is tried again.
	err error
	// silent are the meters whose source has not answered, with why.
	silent map[string]report.Verdict
	// again is when to count again without an event; zero for never.
	again time.Time
}

// count records every interval that is due. Each record is written before the next interval is asked about: what was written once
// is never asked for again, and what was not written was never counted.
func (r *Reconciler) count(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, k *known, memory *memory,
) counted {
	done := counted{silent: map[string]report.Verdict{}}
	if k.decision.Phase == lifecycle.Nothing || linked(mpi) {
		// Nobody knows what was sold: neither that the tenant uses something, nor that it does not. Or there is no tenant, because
		// another instance uses the package and counts.
		return done
	}
	for i := range k.meters {
		m := &k.meters[i]
		if m.spec.former && !k.planKnown {
			// The product or the plan can't be found, which says nothing about the plan's meters.
			continue
		}
		again, err := r.countMeter(ctx, mpi, k, m, memory)
		done.again = queue.Earliest(done.again, again)
		done.err = errors.Join(done.err, err)
		if last, ok := memory.silent[m.spec.Name]; ok {
			done.silent[m.spec.Name] = last.problem
		}
		done.again = queue.Earliest(done.again, m.account.NextDue())
	}
	return done
}

// countMeter records the intervals of one meter that are due, and says when the next one is.
func (r *Reconciler) countMeter(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, k *known, m *meterAccount,
	memory *memory,
) (again time.Time, err error) {
	moment := momentOfMeter(m, k.moment, memory)
	for range maxSteps {
		step, at, ok := m.account.Next(moment)
		if !ok {
			memory.answered(m.spec.Name)
			return at, nil
		}
		amount := metering.Amount(0)
		if step.Measure {
			if last := memory.silent[m.spec.Name]; k.moment.Now.Before(last.next) {
				return last.next, nil
			}
			amount, err = r.ask(ctx, mpi, k, m.spec, step)
			if err != nil {
				return memory.failed(m.spec.Name, sourceProblem(m.spec, err), k.moment.Now), nil
			}
		}
		record, err := r.write(ctx, mpi, m, step, amount)
		if apierrors.IsAlreadyExists(err) {
			// The cache does not show it yet.
			return k.moment.Now.Add(queue.NotDoneRetry), nil
		}
		if err != nil {
			return time.Time{}, err
		}
		memory.answered(m.spec.Name)
		k.records = append(k.records, *record)
		m.account = metering.Read(m.account.Meter, m.account.Sale, append(factsOf(m.account), recordFact(record)), k.moment.Now)
	}
	return k.moment.Now.Add(queue.NotDoneRetry), nil
}

// factsOf are the records of an account as they were read.
func factsOf(a metering.Account) []metering.Record {
	facts := make([]metering.Record, 0, len(a.Records)+1)
	for _, judged := range a.Records {
		facts = append(facts, judged.Record)
	}
	return facts
}

// momentOfMeter is the moment as one meter sees it. One that the plan does not have any more stopped counting when that was first seen, as
// if the tenant had stopped; one that the product has no more is given as long to come back as a stopping tenant is to answer.
func momentOfMeter(m *meterAccount, moment metering.Moment, memory *memory) metering.Moment {
	if !m.spec.former {
		delete(memory.leftSeen, m.spec.Name)
		return moment
	}
	left := memory.left(m.spec.Name, moment.Now)
	if moment.Running || left.Before(moment.StopAt) {
		moment.StopAt = left
	}
	moment.Running = false
	if m.spec.gone {
		moment.GoneSilent = m.account.Meter.Kept || !moment.Now.Before(left.Add(lifecycle.FinishTime+time.Minute))
	}
	return moment
}

// sourceProblem words what is the matter with a meter's source.
func sourceProblem(meter planMeter, err error) report.Verdict {
	reason := v1alpha1.ReasonMeterInvalid
	var failed *sources.Error
	if errors.As(err, &failed) && !failed.Invalid {
		reason = v1alpha1.ReasonSourceUnavailable
	}
	return report.False(reason, report.Shorten(fmt.Sprintf("Meter %q: %s", meter.Name, err)))
}

// ask asks a meter's source about an interval.
func (r *Reconciler) ask(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, k *known, meter planMeter,
	step metering.Step,
) (metering.Amount, error) {
	if meter.gone {
		return 0, &sources.Error{Invalid: true, Text: "The product does not have it any more, and what was used since the last record can't be read:" +
			" put it back into spec.meters of the product until that was counted, or the interval is recorded as lost"}
	}
	if meter.asksTenant() {
		return sources.AskTenant(ctx, r.Tenants, k.Namespace, meter.Meter, step.Begins, step.Ends)
	}
	address := meter.Prometheus.Address
	if address == "" {
		address = r.PrometheusURL
	}
	if address == "" {
		return 0, &sources.Error{Invalid: true, Text: "The meter names no Prometheus: set prometheus.address in it, or" +
			" the chart's value usage.prometheusURL"}
	}
	asks := render.For(ctx, render.Caller{Product: mpi.Namespace + "/" + mpi.Spec.ProductRef.Name, Tenant: mpi.Namespace + "/" + mpi.Name})
	query, err := r.Renderer.EvaluateString(asks, queryName, meter.Prometheus.Query, queryScope(k.Namespace, mpi, k.Effective))
	if errors.Is(err, render.ErrUnavailable) {
		return 0, &sources.Error{Text: "The query can't be evaluated at the moment: " + err.Error()}
	}
	if err != nil {
		return 0, err
	}
	return sources.AskPrometheus(ctx, r.Prometheus, address, query, step.Begins, step.Ends)
}

// queryName is the field that errors speak of.
const queryName = "prometheus.query"

// queryScope is what a query may say of the tenant: names that the API has checked, and numbers. What a buyer may have typed, an
// attribute or the account's name, could end a query's text and begin another query.
func queryScope(tenant string, mpi *v1alpha1.MarketplaceInstance, effective v1alpha1.EffectiveSubscription) map[string]any {
	return map[string]any{
		"instance": map[string]any{"name": mpi.Name, "namespace": mpi.Namespace, "tenantNamespace": tenant},
		"plan":     effective.Plan,
		"quantity": int64(ptr.Deref(effective.Quantity, 1)),
		"trial":    mpi.Spec.Subscription.Type == v1alpha1.SubscriptionTrial,
	}
}

// queries are the queries of a plan's meters, with a sample of what they may say.
func queries(product *v1alpha1.MarketplaceProduct, plan string) []sale.Text {
	const sample = "sample"
	mpi := &v1alpha1.MarketplaceInstance{
		ObjectMeta: metav1.ObjectMeta{Namespace: product.Namespace, Name: sample},
		Spec:       v1alpha1.MarketplaceInstanceSpec{Subscription: &v1alpha1.Subscription{}},
	}
	scope := queryScope(v1alpha1.TenantNamespace(v1alpha1.DefaultTenantPrefix, product.Namespace, sample), mpi,
		v1alpha1.EffectiveSubscription{Plan: plan})
	var texts []sale.Text
	for _, meter := range metersOf(product, plan) {
		if meter.Prometheus.Query != "" {
			texts = append(texts, sale.Text{
				Field: fmt.Sprintf("spec.meters[%s].%s", meter.Name, queryName), Name: queryName, Template: meter.Prometheus.Query, Scope: scope,
			})
		}
	}
	return texts
}

// write records a step. The name follows from what is recorded, so that the API server refuses a second record of the same.
func (r *Reconciler) write(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, m *meterAccount, step metering.Step,
	amount metering.Amount,
) (*v1alpha1.UsageRecord, error) {
	id := mpi.Spec.Subscription.InstanceID
	spec := v1alpha1.UsageRecordSpec{
		StartTime: report.Time(step.Begins), EndTime: report.Time(step.Ends), Value: amount.String(),
	}
	name := metering.RecordName(mpi.Name, id, m.spec.Name, step.Begins)
	if step.Open {
		if err := r.unopened(ctx, mpi, m, step.Ends); err != nil {
			return nil, err
		}
		name = metering.CheckpointName(mpi.Name, id, m.spec.Name, step.Ends)
		spec.Checkpoint = v1alpha1.UsageCheckpoint{Total: metering.Amount(0).String()}
	}
	if step.Stopped {
		spec.TenantActivity = v1alpha1.TenantStopped
	}
	switch {
	case step.Lost:
		spec.Unmeasured = v1alpha1.UnmeasuredLost
	case !step.Measure && !step.Open:
		spec.Unmeasured = v1alpha1.UnmeasuredSuspended
	}
	return r.create(ctx, mpi, m.spec, name, spec)
}

// create writes a record beside its instance, with which it goes.
func (r *Reconciler) create(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, meter planMeter, name string,
	spec v1alpha1.UsageRecordSpec,
) (*v1alpha1.UsageRecord, error) {
	spec.InstanceRef.Name, spec.Meter, spec.Push = mpi.Name, meter.Name, cmp.Or(meter.push, v1alpha1.MeterPushBatch)
	record := &v1alpha1.UsageRecord{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: mpi.Namespace, Name: name, Labels: map[string]string{v1alpha1.InstanceLabel: mpi.Name},
			OwnerReferences: []metav1.OwnerReference{sale.OwnerOf(mpi)},
		},
		Spec: spec,
	}
	err := r.Create(ctx, record)
	if err != nil && !apierrors.IsAlreadyExists(err) {
		err = fmt.Errorf("writing UsageRecord %s: %w", name, err)
	}
	return record, err
}

// unopened asks the API server whether a meter really has not begun: its beginning is the one record whose name does not follow
// from what was there before, so that a cache which is behind would let it begin twice.
func (r *Reconciler) unopened(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, m *meterAccount, now time.Time) error {
	list := &v1alpha1.UsageRecordList{}
	err := r.APIReader.List(ctx, list, client.InNamespace(mpi.Namespace), client.MatchingFields{recordInstanceField: mpi.Name})
	if err != nil {
		return fmt.Errorf("listing the usage records: %w", err)
	}
	if metering.Read(m.account.Meter, m.account.Sale, recordFacts(list.Items, m.spec), now).Opened {
		return apierrors.NewAlreadyExists(v1alpha1.GroupVersion.WithResource("usagerecords").GroupResource(), m.spec.Name)
	}
	return nil
}
