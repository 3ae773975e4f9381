package sale

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/workload"
)

// Extension is what a feature wants of one tenant. The zero value wants nothing.
type Extension struct {
	// Orders is what the condition OrderResolved says; nil and the zero Verdict leave it as it is.
	Orders *report.Verdict
	// Unresolved says why nothing may run yet; nil when nothing stands in the way.
	Unresolved *report.Verdict
	// Stops are why the tenant has to be suspended. The first one is reported.
	Stops []Stop
	// Unfinished says what still needs a tenant running that has to stop, in words that follow "Waiting up to 15m for"; empty for
	// nothing.
	Unfinished string
	// KeepUntil is until when an instance that is being deleted is kept, with its reasons; zero for no longer.
	KeepUntil time.Time
	Keeping   []v1alpha1.Blocker
	// Losses are what goes with an instance that is removed now.
	Losses []Loss
	// Hosted is set for a sale that another instance runs.
	Hosted *Hosted
	// MayStaySilent is true for a sale about which the marketplace may not call for days.
	MayStaySilent bool
	// Services are the ports of the tenant's Services that the controller connects to.
	Services []workload.ServicePort
	// Objects are added to the tenant's own. Their names have to be those of Feature.Reserved.
	Objects []*unstructured.Unstructured
	// Inputs are what Objects depend on beside the instance's generation. A change brings the tenant up to date.
	Inputs map[string]string
}

// Stop is a reason to suspend a tenant.
type Stop struct {
	// Reason is the reason of the condition Suspended, Message what ends it, in words that follow a colon.
	Reason, Message string
}

// Loss is what is lost with an instance; an event tells it, because there is no condition left to do so.
type Loss struct{ Reason, Message string }

// Hosted says that another instance runs what was sold.
type Hosted struct {
	// By is that instance; nil when Problem says why there is none.
	By      *v1alpha1.MarketplaceInstance
	Problem *report.Verdict
	// OwnTenant is what is wrong if the sale has a tenant of its own all the same.
	OwnTenant report.Verdict
}

// add joins what another feature wants.
func (e *Extension) add(o Extension) {
	e.Orders = cmp.Or(e.Orders, o.Orders)
	e.Unresolved = cmp.Or(e.Unresolved, o.Unresolved)
	e.Hosted = cmp.Or(e.Hosted, o.Hosted)
	e.Unfinished = cmp.Or(e.Unfinished, o.Unfinished)
	if o.KeepUntil.After(e.KeepUntil) {
		e.KeepUntil = o.KeepUntil
	}
	e.MayStaySilent = e.MayStaySilent || o.MayStaySilent
	e.Stops = slices.Concat(e.Stops, o.Stops)
	e.Keeping = slices.Concat(e.Keeping, o.Keeping)
	e.Losses = slices.Concat(e.Losses, o.Losses)
	e.Objects = slices.Concat(e.Objects, o.Objects)
	for _, port := range o.Services {
		if !slices.Contains(e.Services, port) {
			e.Services = append(slices.Clip(e.Services), port)
		}
	}
	if len(o.Inputs) > 0 {
		inputs := maps.Clone(e.Inputs)
		if inputs == nil {
			inputs = map[string]string{}
		}
		maps.Copy(inputs, o.Inputs)
		e.Inputs = inputs
	}
}

// Feature plugs into the reconcilers of instances and products, which do not know what it is about.
type Feature struct {
	// Extend says what the feature wants of a tenant. It reads caches only, and is called in every pass.
	Extend func(ctx context.Context, s Sale, now time.Time) (Extension, error)
	// PlanServices are the Services that the controller connects to in the tenants of a plan, for the check of the product; may be
	// nil.
	PlanServices func(product *v1alpha1.MarketplaceProduct, plan string) []workload.ServicePort
	// PlanTexts are the texts of a plan that the feature evaluates for its sales, for the check of the product; may be nil.
	PlanTexts func(product *v1alpha1.MarketplaceProduct, plan string) []Text
	// Reserved are the names in a tenant's namespace that templates may not use.
	Reserved []workload.Reserved
	// Watches are what changes the feature's answer, beside the instance and its product.
	Watches []Watch
	// Wakes is given the queue of the instances, for what changes the feature's answer and is no object; may be nil.
	Wakes func(instances queue.Queue)
}

// Watch wakes instances when objects change.
type Watch struct {
	Object  client.Object
	Handler handler.EventHandler
	Options []builder.WatchesOption
}

// Reserved are the names that the features keep for themselves in tenants' namespaces.
func Reserved(features []Feature) []workload.Reserved {
	var all []workload.Reserved
	for _, feature := range features {
		all = append(all, feature.Reserved...)
	}
	return all
}

// PlanServices are the Services that the features connect to in the tenants of a plan.
func PlanServices(features []Feature, product *v1alpha1.MarketplaceProduct, plan string) []workload.ServicePort {
	var all Extension
	for _, feature := range features {
		if feature.PlanServices != nil {
			all.add(Extension{Services: feature.PlanServices(product, plan)})
		}
	}
	return all.Services
}

// Text is a template that a seller has written, with a sample of what it may speak of.
type Text struct {
	// Field is where it stands in the product, Name what it is called where it is evaluated.
	Field, Name, Template string
	Scope                 map[string]any
}

// PlanTexts are the texts that the features evaluate for the sales of a plan.
func PlanTexts(features []Feature, product *v1alpha1.MarketplaceProduct, plan string) []Text {
	var all []Text
	for _, feature := range features {
		if feature.PlanTexts != nil {
			all = append(all, feature.PlanTexts(product, plan)...)
		}
	}
	return all
}
