package tenant

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/stallkeeper/stallkeeper/controllers/apply"
)

// Refusal is what could not be done to one object. Its texts may stand in a condition: they don't tick, and of Secrets they hold
// nothing but the field.
type Refusal struct {
	Key
	// Reason is one word in upper camel case; see the Reason constants of this package and of package apply.
	Reason string
	// Field is the path of the field at fault, Old what stands there and New what was wanted; empty where that is not known, or where the
	// value is no single word, number or switch.
	Field, Old, New string
	// Message says what is wrong, and Remedy what a person can do; the remedy is empty where waiting is enough.
	Message, Remedy string
	// Retry says that the same request may succeed later without anybody's doing.
	Retry bool
	// Err is what the client returned, for errors.Is and errors.As only.
	Err error
	// After is the object of the set that gives up by its own change what this one is refused for.
	After Key
}

// Reasons of a [Refusal] that no API server gives.
const (
	// ReasonCannotSuspend: the kind can't be stopped without the product saying how.
	ReasonCannotSuspend = "CannotSuspend"
	// ReasonSuspensionPatch: the product's suspension patch for the kind can't be used or was refused, and the object is stopped without it.
	ReasonSuspensionPatch = "SuspensionPatchRefused"
	// ReasonStillRuns: it runs although the tenant is stopped.
	ReasonStillRuns = "StillRuns"
	// ReasonHeldBack: it needs something that was refused.
	ReasonHeldBack = "HeldBack"
	// ReasonClaimShrinks: a claim would become smaller, which Kubernetes does not support.
	ReasonClaimShrinks = "ClaimShrinks"
	// ReasonDrift: somebody changes it again and again.
	ReasonDrift = "Drift"
	// ReasonReplacing: the object in whose place it comes is deleted, and the cluster does not know that everywhere yet.
	ReasonReplacing = "Replacing"
	// ReasonJobFailed: a Job or a hook has failed.
	ReasonJobFailed = "JobFailed"
	// ReasonHostHeld: another tenant has the host that an Ingress or a route would take.
	ReasonHostHeld = "HostHeld"
	// ReasonNotOwned: the namespace does not record the instance.
	ReasonNotOwned = "NamespaceConflict"
)

// String names the object and says what is wrong.
func (r Refusal) String() string { return r.Key.String() + ": " + r.Reason + ": " + r.Message }

// refused sorts an error about an object.
func refused(key Key, err error) Refusal {
	failure := apply.Explain(key, err)
	return Refusal{
		Key: key, Reason: string(failure.Reason), Field: failure.Field, Message: failure.Message, Remedy: failure.Remedy,
		Retry: failure.Retryable(), Err: err,
	}
}

// Retry is an error if something was refused that may succeed by itself, and nil otherwise: a pass returns it to be tried again.
func Retry(refusals []Refusal) error {
	var errs []error
	for _, r := range refusals {
		if r.Retry {
			errs = append(errs, errors.New(r.String()))
		}
	}
	return errors.Join(errs...)
}

// Blocked are the refusals that stay until somebody acts.
func Blocked(refusals []Refusal) []Refusal {
	return slices.DeleteFunc(slices.Clone(refusals), func(r Refusal) bool { return r.Retry })
}

func sortRefusals(refusals []Refusal) []Refusal {
	slices.SortFunc(refusals, func(a, b Refusal) int {
		return cmp.Or(compareKeys(a.Key, b.Key), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Message, b.Message))
	})
	return refusals
}

// maxValue bounds an old or a new value in bytes.
const maxValue = 64

// withValues adds what stands in a refused field and what was wanted. A Secret's values stay out of it.
func (r Refusal) withValues(standing, wanted *unstructured.Unstructured) Refusal {
	if r.Field == "" || r.Kind == kindSecret.Kind && r.Group == "" {
		return r
	}
	path := fieldPath(r.Field)
	if standing != nil {
		r.Old = brief(at(standing.Object, path))
	}
	if wanted != nil {
		r.New = brief(at(wanted.Object, path))
	}
	return r
}

// fieldPath takes spec.ports[0].nodePort or data[key] apart.
func fieldPath(field string) []string {
	return strings.FieldsFunc(field, func(r rune) bool { return r == '.' || r == '[' || r == ']' })
}

// at gives the value at a path, of which a step may be the place in a list.
func at(value any, path []string) any {
	for _, step := range path {
		switch v := value.(type) {
		case map[string]any:
			value = v[step]
		case []any:
			i, ok := whole(step)
			if !ok || int(i) >= len(v) {
				return nil
			}
			value = v[i]
		default:
			return nil
		}
	}
	return value
}

// brief is a value in few words; empty for one that has more.
func brief(value any) string {
	switch value.(type) {
	case nil, map[string]any, []any:
		return ""
	}
	data, err := json.Marshal(value)
	if err != nil || len(data) > maxValue {
		return ""
	}
	return strings.Trim(string(data), `"`)
}
