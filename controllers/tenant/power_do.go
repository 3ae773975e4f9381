package tenant

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/controllers/apply"
)

// parallel is how many objects of one tenant are written at a time.
const parallel = 8

// Powered is what stopping or resuming has done.
type Powered struct {
	// Standing is what stands now.
	Standing Standing
	// Wrote is how many objects were written.
	Wrote int
	// Refusals are the objects that could not be stopped or resumed. Each holds back itself alone.
	Refusals []Refusal
}

// Power makes what stands run, or stop. It needs no revision and no rendering, writes each workload at most once (twice where claims have
// to be retained first), and writes nothing where all is as it should be. One object's refusal holds no other.
func (t *Tenants) Power(ctx context.Context, st Standing, wish Wish) Powered {
	if !wish.Stop {
		t.stops.note(st.Name, "")
	}
	p := &powering{Tenants: t, wish: wish, result: Powered{Standing: st.clone()}}
	if st.Namespace == nil {
		return p.result
	}
	if !st.Owned(wish.Owner) {
		p.result.Refusals = []Refusal{notOwned(st)}
		return p.result
	}
	p.wish.scaled = scaledOf(st.Namespace)
	overlays, refusals := planPower(st, p.wish, t.expectedPower)
	p.result.Refusals = refusals
	first, rest := byScaler(overlays, wish.Stop)
	p.all(ctx, first)
	p.all(ctx, rest)
	p.dropScaled(ctx)
	sortRefusals(p.result.Refusals)
	return p.result
}

func notOwned(st Standing) Refusal {
	return Refusal{
		Key: keyOf(st.Namespace), Reason: ReasonNotOwned, Message: "the namespace does not record this instance, so its contents are left unchanged",
		Remedy: "check the instance that its labels and annotations name",
	}
}

// byScaler orders autoscalers before what they scale when stopping, or they would scale it up again, and after it when resuming.
func byScaler(overlays []overlay, stop bool) (first, rest []overlay) {
	for _, o := range overlays {
		if scaler := scales(o.key.GroupKind()); scaler == stop {
			first = append(first, o)
		} else {
			rest = append(rest, o)
		}
	}
	return first, rest
}

func scales(kind schema.GroupKind) bool {
	return kind == kindHPA || kind == kindScaledObject || kind == kindScaledJob
}

// powering is one call of Power.
type powering struct {
	*Tenants
	wish Wish

	mu     sync.Mutex
	result Powered
}

func (p *powering) all(ctx context.Context, overlays []overlay) {
	workers := errgroup.Group{}
	workers.SetLimit(parallel)
	for _, o := range overlays {
		workers.Go(func() error {
			p.one(ctx, o)
			return nil
		})
	}
	_ = workers.Wait() // each keeps its own error
}

// one writes an overlay, or where that is refused for good, the number alone. What was planned on an old cache is planned again on what stands, once.
func (p *powering) one(ctx context.Context, o overlay) {
	answer, err := p.write(ctx, o)
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		answer, err = p.again(ctx, o)
	}
	if err != nil && o.patched && p.wish.Stop && !apply.Explain(o.key, err).Retryable() {
		p.refuse(patchRefused(o.key, p.wish, err))
		answer, err = p.withoutPatch(ctx, o)
	}
	if err != nil {
		scaled, done := p.byScale(ctx, o, err)
		if !done || p.wish.Stop {
			p.refuse(notPowered(o.key, p.wish.Stop, err))
		}
		answer = scaled
	}
	if answer == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wrote(&p.result.Standing, answer)
	p.result.Wrote++
}

// notPowered says why an object could not be stopped or resumed. The template has no part in that.
func notPowered(key Key, stop bool, err error) Refusal {
	what, to := "resuming", "run"
	if stop {
		what, to = "stopping", "stop"
	}
	r := refused(key, fmt.Errorf("%s %s: %w", what, key, err))
	if r.Reason == string(apply.ReasonAdmissionDenied) {
		r.Message = "it can't be told to " + to + ": " + r.Message
		r.Remedy = "exempt the tenants' namespaces, or the operator's ServiceAccount, from that policy or webhook"
	}
	return r
}

func patchRefused(key Key, wish Wish, err error) Refusal {
	r := refused(key, err)
	r.Reason = patchReason(key.GroupKind(), wish)
	r.Message = "the API server rejects the product's spec.lifecycle.suspensionPatches for it: " + r.Message
	r.Remedy = "correct the patch in the product"
	return r
}

func (p *powering) refuse(r Refusal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.result.Refusals = append(p.result.Refusals, r)
}

// again reads the object live and plans it anew; nil if it is gone or as it should be by now.
func (p *powering) again(ctx context.Context, o overlay) (*unstructured.Unstructured, error) {
	live, err := readLive(ctx, p.Live, like(o.content))
	if err != nil || live == nil || !powered(live, p.wish.Owner) {
		return nil, err
	}
	fresh, _ := planOne(seen(live), p.wish, p.expectedPower)
	if fresh == nil {
		return live, nil
	}
	return p.write(ctx, *fresh)
}

// withoutPatch stops an object of a known kind although the product's patch for it is refused.
func (p *powering) withoutPatch(ctx context.Context, o overlay) (*unstructured.Unstructured, error) {
	if !stoppable(o.key.GroupKind()) {
		return nil, nil //nolint:nilnil // the refusal is reported already
	}
	live, err := readLive(ctx, p.Live, like(o.content))
	if err != nil || live == nil {
		return nil, err
	}
	own := planStop(seen(live), p.wish)
	if own == nil {
		return nil, nil //nolint:nilnil // it stands still
	}
	return p.write(ctx, *own)
}

// write does what an overlay asks for, the retention of claims first.
func (t *Tenants) write(ctx context.Context, o overlay) (*unstructured.Unstructured, error) {
	if o.retain {
		stored, err := t.retain(ctx, o)
		if err != nil {
			return nil, err
		}
		o.content.SetResourceVersion(stored.GetResourceVersion())
	}
	if o.needsLive {
		live, err := readLive(ctx, t.Live, like(o.content))
		if err != nil || live == nil {
			return nil, err
		}
		keepFormer(o.content, withCleared(o), live)
		o.content.SetResourceVersion(live.GetResourceVersion())
	}
	if o.clear != nil {
		patch, err := mergePatch(o.clear)
		if err != nil {
			return nil, err
		}
		target := like(o.content)
		if err := t.Client.Patch(ctx, target, patch, client.FieldOwner(PowerOwner)); err != nil {
			return nil, err
		}
		o.content.SetResourceVersion(target.GetResourceVersion())
	}
	answer, err := t.apply(ctx, o.content, PowerOwner)
	if err != nil {
		return nil, err
	}
	if o.patched {
		t.learnPower(o.content, answer)
	}
	return t.forgetKept(ctx, o, answer)
}

// forgetKept takes away what was kept of an object that runs again, where power was not the only owner of it: the object was made while
// its tenant was stopped, or a person has reset its managedFields. Left behind, it would be taken for the number of the next stop.
func (t *Tenants) forgetKept(ctx context.Context, o overlay, answer *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	left := map[string]any{}
	for _, key := range []string{KeptAnnotation, PatchHashAnnotation} {
		_, wanted := annotation(o.content, key)
		if _, there := annotation(answer, key); there && !wanted {
			left[key] = nil
		}
	}
	if len(left) == 0 {
		return answer, nil
	}
	patch, err := mergePatch(map[string]any{"metadata": map[string]any{"annotations": left}})
	if err != nil {
		return nil, err
	}
	target := like(answer)
	if err := t.Client.Patch(ctx, target, patch, client.FieldOwner(PowerOwner)); err != nil {
		return nil, err
	}
	return target, nil
}

// withCleared is everything that an overlay changes, as the patch said it.
func withCleared(o overlay) map[string]any {
	all := o.content.DeepCopy().Object
	for _, field := range []string{"apiVersion", "kind"} {
		delete(all, field)
	}
	if metadata, ok := all["metadata"].(map[string]any); ok {
		for _, field := range []string{"name", "namespace", "uid", "resourceVersion"} {
			delete(metadata, field)
		}
		if annotations, ok := metadata["annotations"].(map[string]any); ok {
			delete(annotations, PatchHashAnnotation)
			delete(annotations, KeptAnnotation)
		}
	}
	overlayMaps(all, o.clear, false)
	return all
}

// retain makes a StatefulSet keep its claims at zero, and makes sure that this is stored: an admission webhook may change it back.
func (t *Tenants) retain(ctx context.Context, o overlay) (*unstructured.Unstructured, error) {
	patch, err := mergePatch(map[string]any{"spec": map[string]any{"persistentVolumeClaimRetentionPolicy": map[string]any{"whenScaled": "Retain"}}})
	if err != nil {
		return nil, err
	}
	stored := like(o.content)
	if err := t.Client.Patch(ctx, stored, patch, client.FieldOwner(PowerOwner)); err != nil {
		return nil, err
	}
	if loses(stored) {
		return nil, &apply.ObjectError{
			Kind: o.key.Kind, Name: o.key.Name, Reason: apply.ReasonAdmissionDenied, Field: "spec.persistentVolumeClaimRetentionPolicy.whenScaled",
			Message: "the cluster did not store Retain for the claims, so the StatefulSet is not scaled down",
			Remedy:  "find the admission webhook that changes persistentVolumeClaimRetentionPolicy",
		}
	}
	return stored, nil
}

// apply applies a content under an owner, taking over fields that others hold. The content is not changed; the answer is what stands.
func (t *Tenants) apply(
	ctx context.Context, content *unstructured.Unstructured, owner string, options ...client.ApplyOption,
) (*unstructured.Unstructured, error) {
	answer := content.DeepCopy()
	options = slices.Concat([]client.ApplyOption{client.FieldOwner(owner), client.ForceOwnership}, options)
	if err := t.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(answer), options...); err != nil {
		return nil, err
	}
	return answer, nil
}

// expectedPower is what [powerFields] holds once the content was applied by power; empty if that can't be told.
func (t *Tenants) expectedPower(content *unstructured.Unstructured) string {
	plain := content.DeepCopy()
	unstructured.RemoveNestedField(plain.Object, "metadata", "uid")
	unstructured.RemoveNestedField(plain.Object, "metadata", "resourceVersion")
	key := "power " + digest(plain.Object)
	if t.Ownership.learned != nil {
		if fields, ok := t.Ownership.learned.Get(key); ok {
			return fields
		}
	}
	fields, err := fieldsOf(plain)
	if err != nil {
		return ""
	}
	return digest(fields)
}

func (t *Tenants) learnPower(content, answer *unstructured.Unstructured) {
	plain := content.DeepCopy()
	unstructured.RemoveNestedField(plain.Object, "metadata", "uid")
	unstructured.RemoveNestedField(plain.Object, "metadata", "resourceVersion")
	t.Ownership.learn("power "+digest(plain.Object), digest(entryOf(answer, PowerOwner).fields))
}
