package operator_test

import (
	"encoding/json"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

// salesByUse are charged by what they use. An hour is longer than a spec, so that what is used is written by hand here.
func salesByUse() {
	var (
		s      *sale
		starts time.Time
	)
	record := func(name, value string, begins, ends time.Time) *v1alpha1.UsageRecord {
		return &v1alpha1.UsageRecord{
			ObjectMeta: metav1.ObjectMeta{Namespace: salesNamespace, Name: s.id + "-" + name},
			Spec: v1alpha1.UsageRecordSpec{
				InstanceRef: v1alpha1.InstanceReference{Name: s.id}, Meter: "gigabytes", Value: value,
				StartTime: metav1.NewTime(begins), EndTime: metav1.NewTime(ends),
			},
		}
	}
	// charged are the amounts that KooGallery has accepted for the sale.
	charged := func() []string {
		var values []string
		for _, used := range s.api.Usage() {
			if used.InstanceID == s.id {
				values = append(values, strings.Trim(string(used.UsageValue), `"`))
			}
		}
		return values
	}
	says := func(ctx SpecContext, kind, want string) {
		GinkgoHelper()
		Eventually(ctx, func(g Gomega) {
			mpi, err := s.instance(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(conditionMissing(mpi.Status.Conditions, kind, want, mpi.Generation)).To(BeEmpty())
		}).Should(Succeed())
	}
	stateOf := func(ctx SpecContext, name string) func() string {
		return func() string { return row(ctx, "urec", s.id+"-"+name)["STATE"] }
	}

	It("begins like any other, and is counted from then on", func(ctx SpecContext) {
		offer(ctx, product("byuse", web, func(p *v1alpha1.MarketplaceProduct) {
			p.Spec.Meters = []v1alpha1.Meter{{
				Name: "gigabytes", Unit: "GB", Interval: v1alpha1.MeterHourly, Records: &v1alpha1.MeterRecords{},
			}, {
				Name: "requests", Unit: "requests", Interval: v1alpha1.MeterDaily,
				Prometheus: v1alpha1.MeterPrometheus{Address: "http://127.0.0.1:1", Query: "vector(1)"},
			}}
			p.Spec.Plans[0].Meters = []v1alpha1.PlanMeter{{Name: "gigabytes"}, {Name: "requests", Push: v1alpha1.MeterPushNone}}
		}), ready)
		s = world.main.buys(ctx, "byuse", orderOptions{quantity: 1, charging: "ON_DEMAND"})
		s.becomes(ctx, look{state: v1alpha1.StateRunning, web: pods(1)})
		says(ctx, v1alpha1.ConditionUsageReported, "True UsageReported")
		mpi, err := s.instance(ctx)
		Expect(err).NotTo(HaveOccurred())
		starts = mpi.Spec.Subscription.StartTime.UTC()
		Expect(starts.IsZero()).To(BeFalse())
	})

	It("has its meters begin when the buyer can use it", func(ctx SpecContext) {
		Eventually(ctx, func(g Gomega) {
			mpi, err := s.instance(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			records := &v1alpha1.UsageRecordList{}
			g.Expect(world.cluster.List(ctx, records, client.InNamespace(salesNamespace),
				client.MatchingFields{"spec.instanceRef.name": s.id})).To(Succeed())
			g.Expect(records.Items).To(HaveLen(1))
			begun := records.Items[0]
			g.Expect(begun.Spec.Meter).To(Equal("requests"))
			g.Expect(begun.Spec.Checkpoint.Total).To(Equal("0"))
			g.Expect(begun.Status.State).To(Equal(v1alpha1.UsageBase))
			g.Expect(begun.OwnerReferences).To(ConsistOf(HaveField("UID", mpi.UID)))
			ready := meta.FindStatusCondition(mpi.Status.Conditions, v1alpha1.ConditionReady)
			g.Expect(begun.Spec.EndTime.Before(&ready.LastTransitionTime)).To(BeFalse())
		}).Should(Succeed())
	})

	It("has what it uses pushed, and KooGallery told the total", func(ctx SpecContext) {
		create(ctx, record("first", "12.5", starts, starts.Add(time.Second)))
		Eventually(ctx, stateOf(ctx, "first")).Should(Equal("Pushed"))
		Expect(charged()).To(Equal([]string{"12.5"}))
		Eventually(ctx, func(g Gomega) {
			used := s.query(ctx, koogallery.ResultSuccess).Info[0].UsageInfo
			g.Expect(used).To(ConsistOf(
				HaveField("UsageValue", json.Number("12.5")), HaveField("UsageValue", json.Number("0")),
			))
		}).Should(Succeed())
		seen := row(ctx, "urec", s.id+"-first")
		Expect(seen["INSTANCE"]).To(Equal(s.id))
		Expect(seen["VALUE"]).To(Equal("12.5"))
	})

	It("is charged once, also when the controller is ended and started again", func(ctx SpecContext) {
		Expect(world.controller.stop(ctx)).To(Succeed())
		create(ctx, record("second", "3", starts.Add(time.Second), starts.Add(2*time.Second)))
		Expect(world.controller.start()).To(Succeed())
		Expect(world.controller.untilReady(ctx, healthAddresses["controller"])).To(Succeed())
		Eventually(ctx, stateOf(ctx, "second")).Should(Equal("Pushed"))
		Expect(charged()).To(Equal([]string{"12.5", "3"}))
	})

	It("is not charged twice for the same time, and says so", func(ctx SpecContext) {
		create(ctx, record("twice", "99", starts, starts.Add(2*time.Second)))
		Eventually(ctx, stateOf(ctx, "twice")).Should(Equal("Refused"))
		Expect(row(ctx, "urec", s.id+"-twice")["REASON"]).To(Equal("Overlaps"))
		says(ctx, v1alpha1.ConditionUsageReported, "False UsageRefused: overlaps another record of meter")
		text, err := metrics(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(text).To(ContainSubstring(`stallkeeper_usage_instances{namespace="sales",product="byuse",reason="UsageRefused",status="False"} 1`))
		Expect(world.cluster.Delete(ctx, record("twice", "99", starts, starts.Add(2*time.Second)))).To(Succeed())
		says(ctx, v1alpha1.ConditionUsageReported, "True UsageReported")
	})

	It("keeps what KooGallery refuses until it is put right", func(ctx SpecContext) {
		s.api.RefuseUsage(s.id, "MKT.9002")
		create(ctx, record("refused", "7", starts.Add(2*time.Second), starts.Add(3*time.Second)))
		Eventually(ctx, stateOf(ctx, "refused")).Should(Equal("Refused"))
		says(ctx, v1alpha1.ConditionUsageReported, "False UsageRefused: code MKT.9002")
		s.becomes(ctx, look{state: v1alpha1.StateRunning, web: pods(1)})
		s.api.RefuseUsage(s.id, "")
		Expect(charged()).To(Equal([]string{"12.5", "3"}))
	})

	It("ends with a release, and its records stay", func(ctx SpecContext) {
		s.release(ctx)
		s.becomes(ctx, look{state: v1alpha1.StateSuspended, web: pods(0)})
		Expect(stateOf(ctx, "first")()).To(Equal("Pushed"))
		s.query(ctx, koogallery.ResultUnknownInstance)
	})
}
