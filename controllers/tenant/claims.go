package tenant

import (
	"context"
	"fmt"
	"regexp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

var claimGVK = schema.GroupVersionKind{Version: "v1", Kind: "PersistentVolumeClaim"}

// claimOf is the form of a claim's name that a StatefulSet gives: template, StatefulSet, ordinal.
func claimOf(template, set string) *regexp.Regexp {
	return regexp.MustCompile("^" + regexp.QuoteMeta(template) + "-" + regexp.QuoteMeta(set) + `-\d+$`)
}

// growClaims grows the claims of a StatefulSet, or with client.DryRunAll only asks whether that is possible.
func (p *pass) growClaims(ctx context.Context, set *unstructured.Unstructured, s *step, options ...client.PatchOption) error {
	claims := &unstructured.UnstructuredList{}
	claims.SetGroupVersionKind(claimGVK.GroupVersion().WithKind(claimGVK.Kind + "List"))
	if err := p.Live.List(ctx, claims, client.InNamespace(set.GetNamespace())); err != nil {
		return fmt.Errorf("listing the claims of %s: %w", keyOf(set), err)
	}
	for template, size := range s.grow {
		name := claimOf(template, set.GetName())
		for i := range claims.Items {
			claim := &claims.Items[i]
			if now := claimSize(claim.Object); !name.MatchString(claim.GetName()) || now.Cmp(size) >= 0 {
				continue
			}
			patch, err := mergePatch(map[string]any{"spec": map[string]any{
				"resources": map[string]any{"requests": map[string]any{"storage": size.String()}},
			}})
			if err != nil {
				return err
			}
			options := append([]client.PatchOption{client.FieldOwner(RecordOwner)}, options...)
			if err := p.Client.Patch(ctx, like(claim), patch, options...); err != nil {
				return fmt.Errorf("growing the claim %s to %s: %w", claim.GetName(), size.String(), err)
			}
		}
	}
	return nil
}

// recreate grows a StatefulSet's claims and deletes it without its pods, which go on running and are taken up by the new one. It says
// whether it is gone already.
func (p *pass) recreate(ctx context.Context, live *unstructured.Unstructured, s *step) (bool, error) {
	if err := p.growClaims(ctx, live, s, client.DryRunAll); err != nil {
		return false, err
	}
	if err := p.growClaims(ctx, live, s); err != nil {
		return false, err
	}
	if err := p.keepNumber(ctx, live); err != nil {
		return false, err
	}
	if live.GetDeletionTimestamp() == nil {
		if err := p.remove(ctx, live, metav1.DeletePropagationOrphan); err != nil {
			return false, err
		}
	}
	still, err := readLive(ctx, p.Live, like(live))
	if err != nil || still == nil {
		return err == nil, err
	}
	p.refuse(leaving(keyOf(live)))
	return false, nil
}

// keepNumber records the replicas before the object that has them goes: an autoscaler's number stands nowhere else.
func (p *pass) keepNumber(ctx context.Context, live *unstructured.Unstructured) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	recreated := recreatedOf(p.result.Standing.Namespace)
	recreated[keyOf(live).String()] = keptOf(live)
	return p.patchNamespace(ctx, &p.result.Standing, wantedNamespace{annotations: map[string]any{RecreatedAnnotation: recreated.annotation()}})
}
