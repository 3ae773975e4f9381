package apply

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func TestErrorsOfTheAPIServerAreClassified(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	job := schema.GroupKind{Group: "batch", Kind: "Job"}
	terminating := apierrors.NewForbidden(pods, "p", errors.New("unable to create new content in namespace t because it is being terminated"))
	terminating.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	template := map[string]any{"spec": map[string]any{"env": `s3cret: "}`}}

	for name, tc := range map[string]struct {
		kind string
		err  error
		want ObjectError
	}{
		"the namespace is going away": {
			err:  terminating,
			want: ObjectError{Reason: ReasonNamespaceTerminating, Message: "the tenant's namespace is being deleted"},
		},
		"a webhook says no, whatever its code": {
			err:  apierrors.NewBadRequest(`admission webhook "v.example.com" denied the request: images must be signed`),
			want: ObjectError{Reason: ReasonAdmissionDenied, Message: "admission webhook v.example.com denied it: images must be signed"},
		},
		"a webhook is away": {
			err:  apierrors.NewInternalError(errors.New(`failed calling webhook "v.example.com": dial tcp 10.0.0.7:443`)),
			want: ObjectError{Reason: ReasonTransient, Message: "the API server can't reach the admission webhook v.example.com"},
		},
		"the request is larger than the API server reads": {
			err:  apierrors.NewRequestEntityTooLargeError("limit is 3145728"),
			want: ObjectError{Reason: ReasonInvalid, Message: "it is larger than the API server takes"},
		},
		"the object is larger than the storage takes": {
			err:  apierrors.NewInternalError(errors.New("etcdserver: request is too large")),
			want: ObjectError{Reason: ReasonInvalid, Message: "it is larger than the API server takes"},
		},
		"a LimitRange": {
			err: apierrors.NewForbidden(pods, "p", errors.New("maximum cpu usage per Container is 2, but limit is 4")),
			want: ObjectError{
				Reason: ReasonQuotaExceeded, Message: "the tenant's LimitRange rejects it: maximum cpu usage per Container is 2",
			},
		},
		"a quota that wants limits": {
			err: apierrors.NewForbidden(pods, "p", errors.New("failed quota: tenant: must specify limits.cpu for: web")),
			want: ObjectError{
				Reason: ReasonQuotaExceeded, Message: "quota tenant requires each container to specify limits.cpu for: web",
			},
		},
		"a quota that was not counted yet": {
			err: apierrors.NewForbidden(pods, "p", errors.New("status unknown for quota: tenant, resources: count/services")),
			want: ObjectError{
				Reason: ReasonTransient, Message: "the cluster has not counted yet what quota tenant limits",
			},
		},
		"a claim whose class can't grow": {
			err: apierrors.NewForbidden(pods, "p", errors.New("only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize")),
			want: ObjectError{
				Reason:  ReasonAdmissionDenied,
				Message: "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize",
			},
		},
		"an admission plugin": {
			err: apierrors.NewForbidden(pods, "p", errors.New("pod tolerations (possibly merged with namespace default tolerations) conflict with its namespace whitelist")),
			want: ObjectError{
				Reason: ReasonAdmissionDenied, Message: "pod tolerations (possibly merged with namespace default tolerations) conflict with its namespace whitelist",
			},
		},
		"a Role with more than the controller has": {
			err: apierrors.NewForbidden(pods, "p", errors.New(`user "s" (groups=["g"]) is attempting to grant RBAC permissions not currently held`)),
			want: ObjectError{
				Reason: ReasonForbidden, Message: `user "s" (groups=["g"]) is attempting to grant RBAC permissions not currently held`,
			},
		},
		"no right": {
			err: apierrors.NewForbidden(pods, "p", errors.New(`User "s" cannot patch resource "pods"`)),
			want: ObjectError{
				Reason: ReasonForbidden, Message: `User "s" cannot patch resource "pods"`,
			},
		},
		"a field that can't be changed, without the template that would have": {
			err: apierrors.NewInvalid(job, "m", field.ErrorList{
				field.Required(field.NewPath("spec", "x"), ""),
				field.Invalid(field.NewPath("spec", "template"), template, "field is immutable"),
			}),
			want: ObjectError{
				Reason: ReasonImmutable, Field: "spec.template", Message: "spec.template: field is immutable",
			},
		},
		"a field with a bad value, without the value": {
			err: apierrors.NewInvalid(job, "m", field.ErrorList{
				field.Invalid(field.NewPath("spec", "env"), `s3cret "quoted": really`, "must be a name"),
			}),
			want: ObjectError{Reason: ReasonInvalid, Field: "spec.env", Message: "spec.env: must be a name"},
		},
		"a field with a bad value out of a list": {
			err: apierrors.NewInvalid(job, "m", field.ErrorList{
				field.NotSupported(field.NewPath("spec", "type"), "s3cret", []string{"A", "B"}),
			}),
			want: ObjectError{Reason: ReasonInvalid, Field: "spec.type", Message: `spec.type: supported values: "A", "B"`},
		},
		"a Secret's field, without even the text": {
			kind: "Secret",
			err: apierrors.NewInvalid(schema.GroupKind{Kind: "Secret"}, "m", field.ErrorList{
				field.Invalid(field.NewPath("data"), "x", "s3cret is bad"),
			}),
			want: ObjectError{Reason: ReasonInvalid, Field: "data", Message: "the API server rejects the field data"},
		},
		"a Secret that a webhook does not like": {
			kind: "Secret",
			err:  apierrors.NewBadRequest(`admission webhook "v" denied the request: s3cret`),
			want: ObjectError{Reason: ReasonAdmissionDenied, Message: "the API server rejects the object"},
		},
		"a conflict": {
			err:  apierrors.NewConflict(pods, "p", errors.New("uid mismatch: abc")),
			want: ObjectError{Reason: ReasonConflict, Message: "it was changed or replaced concurrently"},
		},
		"an answer of 4xx that nobody knows": {
			err: apierrors.NewGenericServerResponse(418, "patch", pods, "p", "no coffee", 0, true),
			want: ObjectError{Reason: ReasonInvalid, Message: "the API server answered 418: the server responded with the status code 418 but did not return more information (patch pods p)",
				Remedy: "correct the object in the product's template or values"},
		},
		"too busy": {
			err:  apierrors.NewTooManyRequests("later", 3),
			want: ObjectError{Reason: ReasonTransient, Message: "the API server is busy"},
		},
		"too slow": {
			err:  fmt.Errorf("x: %w", context.DeadlineExceeded),
			want: ObjectError{Reason: ReasonTransient, Message: "the API server timed out"},
		},
		"not there": {
			err:  &url.Error{Op: "Patch", URL: "https://10.0.0.1:6443/?token=s3cret", Err: errors.New("connection refused")},
			want: ObjectError{Reason: ReasonTransient, Message: "the API server was unreachable"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			kind := tc.kind
			if kind == "" {
				kind = "Job"
			}
			key := Key{Kind: kind, Name: "m"}
			got := objectError(key, fmt.Errorf("applying %s: %w", key, tc.err))

			tc.want.Kind, tc.want.Name = kind, "m"
			if diff := cmp.Diff(&tc.want, got, cmpopts.IgnoreFields(ObjectError{}, "Err", "Remedy")); diff != "" {
				t.Errorf("unexpected classification (-want +got):\n%s", diff)
			}
			if strings.Contains(got.Error()+got.Remedy, "s3cret") {
				t.Errorf("a value leaks: %s", got.Error())
			}
			if !got.Retryable() && got.Remedy == "" {
				t.Error("nobody is told what to do")
			}
			if !errors.Is(got, tc.err) {
				t.Error("the cause is lost")
			}
		})
	}
}

// Whatever the API server writes, a text for people is one short line of valid UTF-8 without the value.
func FuzzCauseDetail(f *testing.F) {
	f.Add(`Invalid value: "a": must be b`)
	f.Add(`Invalid value: {"a":"b: c"}: field is immutable`)
	f.Add("Forbidden: spec is immutable\n core.Spec{\n}")
	f.Fuzz(func(t *testing.T, message string) {
		if detail := causeDetail(message); len(detail) > maxMessage+3 || strings.ContainsAny(detail, "\n\r") {
			t.Errorf("not one short line: %q", detail)
		}
	})
}
