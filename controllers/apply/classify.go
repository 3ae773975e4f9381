package apply

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// classification is asked in order; the first rule that knows the error fills in reason, field, message and remedy. The
// texts of admission come before the codes, because admission plugins choose their codes freely.
var classification = []func(*ObjectError, error) bool{
	terminating, admission, webhookAway, quota, podSecurity, tooLarge, misshapen, invalid, forbidden, conflicting, refused, transient,
}

func terminating(failure *ObjectError, err error) bool {
	if !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return false
	}
	failure.Reason = ReasonNamespaceTerminating
	failure.Message = "the tenant's namespace is being deleted"
	return true
}

var (
	deniedByWebhook = regexp.MustCompile(`admission webhook "([^"]+)" denied the request(?::\s*|\s+)?(.*)`)
	deniedByPolicy  = regexp.MustCompile(`ValidatingAdmissionPolicy '([^']+)'.* denied request: (.*)`)
)

func admission(failure *ObjectError, err error) bool {
	text := oneLine(statusText(err))
	if found := deniedByWebhook.FindStringSubmatch(text); found != nil {
		failure.Message = "admission webhook " + found[1] + " denied it: " + shorten(found[2])
		failure.Remedy = "change the product's template or values so that the webhook admits the object, or exempt the tenants' namespaces"
	} else if found := deniedByPolicy.FindStringSubmatch(text); found != nil {
		failure.Message = "ValidatingAdmissionPolicy " + found[1] + " denied it: " + shorten(found[2])
		failure.Remedy = "change the product's template or values so that the policy admits the object, or change the policy"
	} else {
		return false
	}
	failure.Reason = ReasonAdmissionDenied
	return true
}

var failedWebhook = regexp.MustCompile(`failed calling webhook "([^"]+)"`)

func webhookAway(failure *ObjectError, err error) bool {
	found := failedWebhook.FindStringSubmatch(statusText(err))
	if found == nil {
		return false
	}
	failure.Reason = ReasonTransient
	failure.Message = "the API server can't reach the admission webhook " + found[1]
	failure.Remedy = "check the Service behind that webhook"
	return true
}

var uncounted = regexp.MustCompile(`status unknown for quota: ([^,]+),`)

func quota(failure *ObjectError, err error) bool {
	if !apierrors.IsForbidden(err) {
		return false
	}
	if found := uncounted.FindStringSubmatch(statusText(err)); found != nil {
		// The quota of a new tenant has no status before the quota controller has looked at it.
		failure.Reason = ReasonTransient
		failure.Message = "the cluster has not counted yet what quota " + found[1] + " limits"
		return true
	}
	message, ok := quotaMessage(statusText(err))
	if !ok {
		return false
	}
	failure.Reason = ReasonQuotaExceeded
	failure.Message = message
	failure.Remedy = quotaRemedy
	return true
}

func podSecurity(failure *ObjectError, err error) bool {
	message, ok := podSecurityMessage(statusText(err))
	if !ok {
		return false
	}
	failure.Reason = ReasonPodSecurity
	failure.Message = message
	failure.Remedy = podSecurityRemedy
	return true
}

// tooLarge finds what the API server or its storage says about the size of a request, with codes of several kinds. Taken for a passing
// failure, the object would be sent again for ever.
func tooLarge(failure *ObjectError, err error) bool {
	text := statusText(err)
	if !apierrors.IsRequestEntityTooLargeError(err) && !strings.Contains(text, "request is too large") && !strings.Contains(text, "larger than max") {
		return false
	}
	failure.Reason = ReasonInvalid
	failure.Message = "it is larger than the API server takes"
	failure.Remedy = "split the object in the product's template, or keep large files in an image or a volume"
	return true
}

var (
	misfit        = regexp.MustCompile(`failed to create typed patch object \([^)]*\): (?:errors:\s*)?\.(\S+): (.*)`)
	inconvertible = regexp.MustCompile(`failed to convert new object \([^)]*\) to proper version: (?:unable to convert unstructured object to [^:]+: )?(.*)`)
)

// misshapen finds what server-side apply says about an object that does not have the form of its kind. It answers that
// with an internal error, which must not be taken for a passing one.
func misshapen(failure *ObjectError, err error) bool {
	text := oneLine(statusText(err))
	failure.Remedy = "correct the object in the product's template or values"
	if found := misfit.FindStringSubmatch(text); found != nil {
		failure.Field = found[1]
		failure.Message = found[1] + " " + misfitDetail(found[2])
	} else if found := inconvertible.FindStringSubmatch(text); found != nil {
		failure.Message = "it does not match the schema of its kind: " + shorten(found[1])
	} else {
		failure.Remedy = ""
		return false
	}
	failure.Reason = ReasonInvalid
	return true
}

// misfitDetail never repeats the value.
func misfitDetail(text string) string {
	if strings.HasPrefix(text, "field not declared in schema") {
		return "is not a field of the kind"
	}
	if strings.HasPrefix(text, "duplicate entries for key") {
		return "has " + shorten(text)
	}
	if expected, _, ok := strings.Cut(text, ", got "); ok && strings.HasPrefix(expected, "expected ") {
		return "does not match the kind's schema: " + expected
	}
	return "does not match the kind's schema"
}

func invalid(failure *ObjectError, err error) bool {
	if !apierrors.IsInvalid(err) && !apierrors.IsBadRequest(err) {
		return false
	}
	failure.Reason = ReasonInvalid
	failure.Remedy = "correct the field in the product's template or values"
	causes := statusCauses(err)
	if len(causes) == 0 {
		failure.Message = shorten(oneLine(statusText(err)))
		return true
	}
	// A field that can't be changed comes first: correcting the others would not help.
	cause := causes[0]
	if i := slices.IndexFunc(causes, immutable); i >= 0 {
		cause = causes[i]
		failure.Reason = ReasonImmutable
		failure.Remedy = immutableRemedy(failure.Kind)
	}
	failure.Field = cause.Field
	failure.Message = causeText(cause)
	if failure.Reason == ReasonInvalid {
		failure.Message = joinCauses(causes)
	}
	return true
}

func causeText(cause metav1.StatusCause) string {
	return strings.TrimPrefix(cause.Field+": ", ": ") + causeDetail(cause.Message)
}

// joinCauses names the first causes, so that a template with several mistakes is not corrected one by one.
func joinCauses(causes []metav1.StatusCause) string {
	const most = 5
	var texts []string
	for _, cause := range causes {
		if text := causeText(cause); !slices.Contains(texts, text) && len(texts) < most {
			texts = append(texts, text)
		}
	}
	return strings.Join(texts, ", ")
}

func immutable(cause metav1.StatusCause) bool {
	for _, words := range []string{"immutable", "may not change once set", "cannot change roleRef", "updates to "} {
		if strings.Contains(cause.Message, words) {
			return true
		}
	}
	return false
}

func immutableRemedy(kind string) string {
	switch kind {
	case "StatefulSet":
		return "restore the field's value in the product's template or values; to change it, delete the StatefulSet with " +
			"kubectl delete --cascade=orphan, which keeps its pods and claims; it is then recreated"
	case "PersistentVolumeClaim":
		return "restore the field's value in the product's template or values; a claim can only grow, if its storage class allows expansion"
	default:
		return "restore the field's value in the product's template or values, or delete the object manually; it is then recreated"
	}
}

func forbidden(failure *ObjectError, err error) bool {
	if !apierrors.IsForbidden(err) && !apierrors.IsUnauthorized(err) {
		return false
	}
	failure.Reason = ReasonForbidden
	failure.Message = shorten(afterForbidden(oneLine(statusText(err))))
	switch {
	case strings.Contains(failure.Message, "must support resize"):
		failure.Reason = ReasonAdmissionDenied
		failure.Remedy = "restore the size in the product's template or values, or set allowVolumeExpansion: true" +
			" in the claim's StorageClass if its driver can grow volumes"
		return true
	case apierrors.IsForbidden(err) && !strings.Contains(failure.Message, " cannot ") && !strings.Contains(failure.Message, "attempting to grant"):
		// Not the API server's authorizer but one of its admission plugins: no right would help.
		failure.Reason = ReasonAdmissionDenied
		failure.Remedy = "change the product's template or values so that the cluster admits the object"
		return true
	}
	failure.Remedy = "add the kind to the tenant kinds in the values of Stallkeeper's chart, or switch the object off in the product's template or values"
	return true
}

func conflicting(failure *ObjectError, err error) bool {
	if !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) {
		return false
	}
	failure.Reason = ReasonConflict
	failure.Message = "it was changed or replaced concurrently"
	return true
}

// refused takes every other answer that says that the request is wrong: the same request is not tried again at once. What may pass by
// itself is left to transient.
func refused(failure *ObjectError, err error) bool {
	status := apierrors.APIStatus(nil)
	if !errors.As(err, &status) || apierrors.IsNotFound(err) || apierrors.IsTimeout(err) || apierrors.IsTooManyRequests(err) {
		return false
	}
	code := status.Status().Code
	if code < http.StatusBadRequest || code >= http.StatusInternalServerError || code == http.StatusRequestTimeout || code == http.StatusTooEarly {
		return false
	}
	failure.Reason = ReasonInvalid
	failure.Message = fmt.Sprintf("the API server answered %d: %s", code, shorten(oneLine(status.Status().Message)))
	failure.Remedy = "correct the object in the product's template or values"
	return true
}

// transient takes all that is left: what nobody knows is tried again.
func transient(failure *ObjectError, err error) bool {
	failure.Reason = ReasonTransient
	status := apierrors.APIStatus(nil)
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), apierrors.IsTimeout(err),
		apierrors.IsServerTimeout(err):
		failure.Message = "the API server timed out"
	case apierrors.IsTooManyRequests(err), apierrors.IsServiceUnavailable(err):
		failure.Message = "the API server is busy"
	case apierrors.IsNotFound(err):
		failure.Message = "the namespace, or a part of the API that the object needs, was not found"
	case errors.As(err, &status) && status.Status().Code == http.StatusInternalServerError:
		failure.Message = "the API server failed: " + shorten(oneLine(status.Status().Message))
	case errors.As(err, &status):
		failure.Message = shorten(oneLine(status.Status().Message))
	default:
		// Errors of the network hold addresses and ports that differ from call to call.
		failure.Message = "the API server was unreachable"
	}
	return true
}

// statusText is the API server's message, or empty for other errors.
func statusText(err error) string {
	status := apierrors.APIStatus(nil)
	if errors.As(err, &status) {
		return status.Status().Message
	}
	return ""
}

func statusCauses(err error) []metav1.StatusCause {
	status := apierrors.APIStatus(nil)
	if errors.As(err, &status) && status.Status().Details != nil {
		return status.Status().Details.Causes
	}
	return nil
}
