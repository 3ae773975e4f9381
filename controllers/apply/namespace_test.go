package apply

import (
	"context"
	"errors"
	"testing"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

func isGone(context.Context, types.UID) (bool, error)     { return true, nil }
func stillLives(context.Context, types.UID) (bool, error) { return false, nil }

func TestANamespaceThatIsNotTheInstancesOwnIsLeftAlone(t *testing.T) {
	for name, tc := range map[string]struct {
		labels, annotations map[string]string
		gone                OwnerGone
		wantMessage         string
	}{
		"somebody's": {
			labels:      map[string]string{"team": "blue"},
			gone:        isGone,
			wantMessage: "it exists and was not made by Stallkeeper",
		},
		"somebody's who agrees to nothing that matters": {
			annotations: map[string]string{v1alpha1.AdoptAnnotation: "Allow"},
			gone:        isGone,
			wantMessage: "it exists and was not made by Stallkeeper",
		},
		"another instance's": {
			labels:      map[string]string{v1alpha1.InstanceLabel: "other", v1alpha1.InstanceNamespaceLabel: "sales"},
			gone:        isGone,
			wantMessage: "it belongs to the instance sales/other",
		},
		"an instance's of the same name in other sales namespaces": {
			labels:      map[string]string{v1alpha1.InstanceLabel: "mine", v1alpha1.InstanceNamespaceLabel: "resale"},
			gone:        isGone,
			wantMessage: "it belongs to the instance resale/mine",
		},
		"an earlier instance's that still lives, with consent": {
			labels: map[string]string{v1alpha1.InstanceLabel: "mine", v1alpha1.InstanceNamespaceLabel: "sales"},
			annotations: map[string]string{
				v1alpha1.InstanceUIDAnnotation: "earlier", v1alpha1.AdoptAnnotation: "Allow",
			},
			gone:        stillLives,
			wantMessage: "it belongs to an instance of the same name that still exists",
		},
		"an earlier instance's that is gone, without consent": {
			labels:      map[string]string{v1alpha1.InstanceLabel: "mine", v1alpha1.InstanceNamespaceLabel: "sales"},
			annotations: map[string]string{v1alpha1.InstanceUIDAnnotation: "earlier"},
			gone:        isGone,
			wantMessage: "it belongs to an earlier instance of the same name, which is gone; it may hold that customer's data",
		},
		"one of unknown origin, without consent": {
			labels:      map[string]string{v1alpha1.InstanceLabel: "mine", v1alpha1.InstanceNamespaceLabel: "sales"},
			gone:        isGone,
			wantMessage: "it belongs to an earlier instance of the same name, which is gone; it may hold that customer's data",
		},
	} {
		t.Run(name, func(t *testing.T) {
			x := newTenant(t, "mine")
			ns := newObject(NamespaceKind, "", "")
			ns.SetGenerateName("foreign-")
			ns.SetLabels(tc.labels)
			ns.SetAnnotations(tc.annotations)
			x.Expect(x.client.Create(t.Context(), ns)).To(Succeed())
			x.name = ns.GetName()
			set := x.set("rev-1", configuration)
			set.OwnerGone = tc.gone

			_, err := x.applier().Apply(t.Context(), set)

			var conflict *NamespaceConflictError
			x.Expect(errors.As(err, &conflict)).To(BeTrue(), "%v", err)
			x.Expect(conflict.Message).To(Equal(tc.wantMessage))
			x.Expect(conflict.Remedy).NotTo(BeEmpty())
			after := newObject(NamespaceKind, "", x.name)
			x.Expect(x.client.Get(t.Context(), client.ObjectKeyFromObject(after), after)).To(Succeed())
			x.Expect(after.GetResourceVersion()).To(Equal(ns.GetResourceVersion()))
			x.Expect(x.live("ConfigMap", "settings")).To(BeNil())
		})
	}
}

func TestANamespaceIsTakenOverOnceWithConsent(t *testing.T) {
	x := newTenant(t, "heir")
	former := x.owner
	former.UID = "earlier"
	set := x.set("rev-1", configuration)
	set.Owner = former
	x.apply(set)
	ns := newObject(NamespaceKind, "", x.name)
	x.Expect(x.client.Patch(t.Context(), ns,
		mergePatch([]byte(`{"metadata":{"annotations":{"`+v1alpha1.AdoptAnnotation+`":"Allow"}}}`)))).To(Succeed())
	var asked []types.UID
	set = x.set("rev-1", configuration)
	set.OwnerGone = func(_ context.Context, uid types.UID) (bool, error) {
		asked = append(asked, uid)
		return true, nil
	}

	x.settle(x.apply(set), Pruned{})
	x.apply(set)

	x.Expect(asked).To(Equal([]types.UID{"earlier"}))
	taken := x.observe().Namespace
	x.Expect(taken.GetAnnotations()).To(HaveKeyWithValue(v1alpha1.InstanceUIDAnnotation, "uid-heir"))
	x.Expect(taken.GetAnnotations()).NotTo(HaveKey(v1alpha1.AdoptAnnotation))
	set.Owner = former
	set.OwnerGone = isGone
	_, err := x.applier().Apply(t.Context(), set)
	x.Expect(err).To(BeAssignableToTypeOf(&NamespaceConflictError{}), "consent holds for one takeover")
}

func TestANamespaceThatAppearsInTheSameMomentIsNotTaken(t *testing.T) {
	x := newTenant(t, "race")
	a := x.applier()
	a.Client = interceptor.NewClient(x.client, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			x.Expect(c.Create(ctx, newObject(NamespaceKind, "", x.name))).To(Succeed())
			return c.Create(ctx, obj, opts...)
		},
	})

	_, err := a.Apply(t.Context(), x.set("rev-1", configuration))

	x.Expect(apierrors.IsAlreadyExists(err)).To(BeTrue(), "%v", err)
	x.Expect(ObjectErrors(err)[0].Retryable()).To(BeTrue())
	_, err = x.applier().Apply(t.Context(), x.set("rev-1", configuration))
	x.Expect(err).To(BeAssignableToTypeOf(&NamespaceConflictError{}))
}

func TestNothingIsAppliedToANamespaceThatIsBeingDeleted(t *testing.T) {
	x := newTenant(t, "ending")
	x.settle(x.apply(x.set("rev-1", configuration)), Pruned{})
	x.Expect(x.client.Delete(t.Context(), newObject(NamespaceKind, "", x.name))).To(Succeed())

	_, err := x.applier().Apply(t.Context(), x.set("rev-1", configuration, workloads))

	// Whether the cache knows it already or not, the reason is the same.
	for _, failure := range ObjectErrors(err) {
		x.Expect(failure.Reason).To(Equal(ReasonNamespaceTerminating))
	}
	x.Expect(ObjectErrors(err)).NotTo(BeEmpty())
}
