package apply

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
)

// Reason says why an object could not be applied, scaled or deleted.
type Reason string

// Reasons of an [ObjectError].
const (
	// ReasonQuotaExceeded: the tenant's ResourceQuota or LimitRange does not allow it.
	ReasonQuotaExceeded Reason = "QuotaExceeded"
	// ReasonPodSecurity: the namespace's Pod Security level does not allow it.
	ReasonPodSecurity Reason = "PodSecurity"
	// ReasonAdmissionDenied: an admission webhook or an admission policy refused it.
	ReasonAdmissionDenied Reason = "AdmissionDenied"
	// ReasonForbidden: the controller has no right to it.
	ReasonForbidden Reason = "Forbidden"
	// ReasonInvalid: the API server does not accept a field; Field names it.
	ReasonInvalid Reason = "Invalid"
	// ReasonImmutable: a field that can't be changed would have to; Field names it.
	ReasonImmutable Reason = "Immutable"
	// ReasonKindNotServed: the cluster does not know the kind.
	ReasonKindNotServed Reason = "KindNotServed"
	// ReasonNamespaceTerminating: the tenant's namespace is being deleted.
	ReasonNamespaceTerminating Reason = "NamespaceTerminating"
	// ReasonConflict: the object was changed or replaced in the same moment; the next pass decides anew.
	ReasonConflict Reason = "Conflict"
	// ReasonTransient: the API server was away, busy, or not ready for it; trying again may help.
	ReasonTransient Reason = "Transient"
)

// ObjectError is the failure of one object. Its texts may stand in a condition: they hold no counters and no values of
// the object beyond what the API server says about a single field, and for Secrets nothing but the field.
type ObjectError struct {
	// Kind and Name of the object.
	Kind, Name string
	Reason     Reason
	// Field is the path of the field at fault, where one is known.
	Field string
	// Message says what is wrong, in one line.
	Message string
	// Remedy says what a person can do; empty where waiting is enough.
	Remedy string
	// Err is what the client returned. It is for errors.Is and errors.As only; its text may hold values of the object.
	Err error
}

// Error gives kind, name, reason and message; never the text of Err.
func (e *ObjectError) Error() string {
	return fmt.Sprintf("%s/%s: %s: %s", e.Kind, e.Name, e.Reason, e.Message)
}

// Unwrap gives Err.
func (e *ObjectError) Unwrap() error { return e.Err }

// Retryable says whether the same request may succeed later without anybody's doing.
func (e *ObjectError) Retryable() bool {
	switch e.Reason {
	case ReasonConflict, ReasonTransient, ReasonNamespaceTerminating:
		return true
	default:
		return false
	}
}

// SetError holds the failures of a set, ordered by kind and name. errors.As finds it in what [Applier.Prune]
// returns.
type SetError struct {
	Objects []*ObjectError
}

// Error joins the failures.
func (e *SetError) Error() string {
	texts := make([]string, 0, len(e.Objects))
	for _, o := range e.Objects {
		texts = append(texts, o.Error())
	}
	return strings.Join(texts, "; ")
}

// Unwrap gives the failures one by one.
func (e *SetError) Unwrap() []error {
	errs := make([]error, 0, len(e.Objects))
	for _, o := range e.Objects {
		errs = append(errs, o)
	}
	return errs
}

// Retryable says whether any of the failures may pass by itself.
func (e *SetError) Retryable() bool { return slices.ContainsFunc(e.Objects, (*ObjectError).Retryable) }

// ObjectErrors gives the failures of single objects within err, or nil.
func ObjectErrors(err error) []*ObjectError {
	var set *SetError
	if errors.As(err, &set) {
		return set.Objects
	}
	var one *ObjectError
	if errors.As(err, &one) {
		return []*ObjectError{one}
	}
	return nil
}

// setError gives nil for no failures.
func setError(failures []*ObjectError) error {
	if len(failures) == 0 {
		return nil
	}
	slices.SortFunc(failures, func(a, b *ObjectError) int {
		return strings.Compare(a.Kind+"/"+a.Name, b.Kind+"/"+b.Name)
	})
	return &SetError{Objects: failures}
}

// NamespaceConflictError says that the tenant's namespace is not the instance's to write to. It stays so until a person
// acts.
type NamespaceConflictError struct {
	// Namespace is its name.
	Namespace string
	// Message says whose it is; Remedy what to do.
	Message, Remedy string
}

// Error gives name, message and remedy.
func (e *NamespaceConflictError) Error() string {
	return fmt.Sprintf("namespace %s: %s; %s", e.Namespace, e.Message, e.Remedy)
}

// objectError classifies what the client returned for an object. It keeps an ObjectError as it is.
func objectError(key Key, err error) *ObjectError {
	var already *ObjectError
	if errors.As(err, &already) {
		return already
	}
	failure := &ObjectError{Kind: key.Kind, Name: key.Name, Err: err}
	if meta.IsNoMatchError(err) {
		failure.Reason = ReasonKindNotServed
		failure.Message = "the cluster does not serve this kind"
		failure.Remedy = "install the CustomResourceDefinition of " + key.GroupKind().String() + ", or switch the object off in the product's template or values"
		return failure
	}
	for _, rule := range classification {
		if rule(failure, err) {
			break
		}
	}
	if key.Group == "" && key.Kind == "Secret" {
		failure.Message = secretMessage(failure)
	}
	return failure
}

// secretMessage replaces the API server's text, which may quote a value.
func secretMessage(failure *ObjectError) string {
	if failure.Field != "" {
		return "the API server rejects the field " + failure.Field
	}
	switch failure.Reason {
	case ReasonQuotaExceeded, ReasonAdmissionDenied, ReasonInvalid, ReasonImmutable:
		return "the API server rejects the object"
	case ReasonTransient:
		return "the API server failed or was unreachable"
	default:
		return failure.Message
	}
}
