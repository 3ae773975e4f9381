package tenant

import (
	"context"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/controllers/apply"
)

// scaled is what [ScaledAnnotation] holds: the replicas of workloads from before their stop, by Kind/name. It stands on the namespace,
// because the workloads themselves can't be written to.
type scaled map[string]int64

// scaledOf reads the annotation; what can't be read is nothing.
func scaledOf(ns *unstructured.Unstructured) scaled {
	found := scaled{}
	if ns == nil {
		return found
	}
	value, ok := annotation(ns, ScaledAnnotation)
	if !ok || json.Unmarshal([]byte(value), &found) != nil {
		return scaled{}
	}
	return found
}

// annotation is the value to store; nil to take it away.
func (s scaled) annotation() any {
	if len(s) == 0 {
		return nil
	}
	data, err := json.Marshal(s)
	if err != nil {
		return nil
	}
	return string(data)
}

// scaleKind is what the scale subresource of a workload is read as.
var scaleKind = schema.GroupVersionKind{Group: "autoscaling", Version: "v1", Kind: "Scale"}

// hasScale are the kinds whose scale subresource the controller may write.
func hasScale(kind schema.GroupKind) bool {
	return kind == kindDeployment || kind == kindStatefulSet || kind == kindReplicaSet
}

// byScale stops or resumes a workload through its scale subresource, after a change of the object itself was refused for good: policies
// and webhooks that were installed after the tenant was made refuse every change of what does not follow them, and few match
// subresources. It says whether the workload has the number by now.
func (p *powering) byScale(ctx context.Context, o overlay, refusal error) (*unstructured.Unstructured, bool) {
	want, sets := number(o.content, "spec", "replicas")
	if !sets || !hasScale(o.key.GroupKind()) || apply.Explain(o.key, refusal).Retryable() {
		return nil, false
	}
	live, err := readLive(ctx, p.Live, like(o.content))
	if err != nil || live == nil || p.wish.Stop && loses(live) { // at zero its claims would go
		return nil, false
	}
	if now := replicasOf(live); now == want || !p.wish.Stop && now != 0 {
		return seen(live), true
	}
	if err = p.keepScaled(ctx, live); err == nil {
		err = p.scaleTo(ctx, live, want)
	}
	if err != nil {
		p.refuse(notPowered(o.key, p.wish.Stop, err))
		return nil, false
	}
	if live, err = readLive(ctx, p.Live, like(live)); err != nil || live == nil {
		return nil, err == nil
	}
	return seen(live), true
}

// scaleTo writes the number of what was read, and of nothing newer.
func (t *Tenants) scaleTo(ctx context.Context, live *unstructured.Unstructured, replicas int64) error {
	patch, err := mergePatch(map[string]any{
		"metadata": map[string]any{"resourceVersion": live.GetResourceVersion()}, "spec": map[string]any{"replicas": replicas},
	})
	if err != nil {
		return err
	}
	options := &client.SubResourcePatchOptions{SubResourceBody: newObject(scaleKind, live.GetNamespace(), live.GetName())}
	options.FieldManager = PowerOwner
	if err := t.Client.SubResource("scale").Patch(ctx, like(live), patch, options); err != nil {
		return fmt.Errorf("scaling %s: %w", keyOf(live), err)
	}
	return nil
}

// keepScaled records the number of a workload that is to be scaled to zero and keeps none itself. The number from before the stop
// counts, not what a person has scaled to since.
func (p *powering) keepScaled(ctx context.Context, live *unstructured.Unstructured) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	numbers, name := scaledOf(p.result.Standing.Namespace), keyOf(live).String()
	_, known := numbers[name]
	if _, itself := annotation(live, KeptAnnotation); !p.wish.Stop || known || itself {
		return nil
	}
	numbers[name] = replicasOf(live)
	return p.patchNamespace(ctx, &p.result.Standing, wantedNamespace{annotations: map[string]any{ScaledAnnotation: numbers.annotation()}})
}

// dropScaled forgets the numbers of workloads that keep one themselves by now, or that run. One that is not seen may stand all the same.
func (p *powering) dropScaled(ctx context.Context) {
	numbers := scaledOf(p.result.Standing.Namespace)
	for key, obj := range p.result.Standing.Objects {
		if _, itself := annotation(obj, KeptAnnotation); hasScale(key.GroupKind()) && (itself || !p.wish.Stop && replicasOf(obj) != 0) {
			delete(numbers, key.String())
		}
	}
	err := p.patchNamespace(ctx, &p.result.Standing, wantedNamespace{annotations: map[string]any{ScaledAnnotation: numbers.annotation()}})
	if err != nil {
		p.refuse(refused(keyOf(p.result.Standing.Namespace), err))
	}
}
