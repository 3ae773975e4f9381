package product

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apply"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/revision"
)

const (
	// dryRunsAtOnce bounds what the API server is asked at the same time.
	dryRunsAtOnce = 4
	// dryRunTimeout bounds one request: an admission webhook may take its time, and half a minute is its own limit.
	dryRunTimeout = 30 * time.Second
)

// sample is one object of a plan's sample.
type sample struct {
	plan, file string
	object     *unstructured.Unstructured
}

// name is the place in the template, and the object.
func (s sample) name() string { return inFile(s.file, s.object) }

// inFile names an object with the file that it comes from, if it comes from one.
func inFile(file string, object *unstructured.Unstructured) string {
	name := object.GetKind() + "/" + object.GetName()
	if file != "" {
		name = file + ": " + name
	}
	return name
}

// samples are the objects of all plans' samples, each content once, what of them is secret, and the namespace that a tenant would have.
type samples struct {
	list      []sample
	namespace *unstructured.Unstructured
	seen      map[[sha256.Size]byte]bool
	secrets   secrets
}

func (s *samples) add(plan string, rendered revision.Rendered, namespace *unstructured.Unstructured, objects []*unstructured.Unstructured) {
	if s == nil {
		return
	}
	s.namespace = namespace
	files := filesOf(rendered)
	for _, value := range rendered.Made {
		s.secrets.add(value.Value)
	}
	for _, object := range objects {
		s.secrets.addFrom(object)
		raw, err := json.Marshal(object.Object)
		if sum := sha256.Sum256(raw); err == nil && !s.seen[sum] {
			if s.seen == nil {
				s.seen = map[[sha256.Size]byte]bool{}
			}
			s.seen[sum] = true
			s.list = append(s.list, sample{plan, files[keyOf(object)], object})
		}
	}
}

// filesOf are the files of the rendered objects by kind and name. Objects that Stallkeeper itself adds come from none.
func filesOf(rendered revision.Rendered) map[string]string {
	files := map[string]string{}
	for _, object := range rendered.Objects {
		files[keyOf(object.Object)] = object.File
	}
	return files
}

func keyOf(object *unstructured.Unstructured) string {
	return object.GroupVersionKind().GroupKind().String() + "/" + object.GetName()
}

// secrets are texts that must be in no message, although the API server quotes the values that it refuses.
type secrets []string

// add takes a text, unless it is so short that it stands in messages by chance.
func (s *secrets) add(text string) {
	const shortest = 6
	if len(text) >= shortest && !slices.Contains(*s, text) {
		*s = append(*s, text)
	}
}

// addFrom takes what stands in a Secret.
func (s *secrets) addFrom(object *unstructured.Unstructured) {
	if object.GetAPIVersion() != "v1" || object.GetKind() != "Secret" {
		return
	}
	for _, field := range []string{"stringData", "data"} {
		values, _, _ := unstructured.NestedMap(object.Object, field)
		for _, value := range values {
			text, _ := value.(string)
			s.add(text)
			var decoded []byte
			if field == "data" && json.Unmarshal([]byte(`"`+text+`"`), &decoded) == nil {
				s.add(string(decoded))
			}
		}
	}
}

// without is the API server's answer without them. Longer ones go first, because a short one may be a part of it.
func (s secrets) without(err error) error {
	status := apierrors.APIStatus(nil)
	if !errors.As(err, &status) {
		return err
	}
	longest := slices.SortedFunc(slices.Values(s), func(a, b string) int { return len(b) - len(a) })
	cut := func(text string) string {
		for _, secret := range longest {
			for _, form := range []string{secret, strings.Trim(fmt.Sprintf("%q", secret), `"`)} {
				text = strings.ReplaceAll(text, form, "(secret)")
			}
		}
		return text
	}
	answer := status.Status()
	answer.Message = cut(answer.Message)
	if answer.Details != nil {
		answer.Details = answer.Details.DeepCopy()
		for i := range answer.Details.Causes {
			answer.Details.Causes[i].Message = cut(answer.Details.Causes[i].Message)
		}
	}
	return &apierrors.StatusError{ErrStatus: answer}
}

// awayError says that the API server, or what it asks, did not answer about a sample. That is no verdict.
type awayError struct{ text string }

func (e *awayError) Error() string { return e.text }

// dryRun asks the API server whether it would take the samples.
type dryRun struct {
	client  client.Client
	secrets secrets
}

// answer is what the API server says about one sample; the zero value says that it takes it.
type answer struct {
	reason        string
	problem, note string
	away          string
}

// all asks about all samples. The error is a *report.Verdict when an object is refused, and an *awayError when one could not be asked about.
func (d dryRun) all(ctx context.Context, list []sample) (notes []string, err error) {
	var problems, away []string
	reason := ""
	for chunk := range slices.Chunk(list, dryRunsAtOnce) {
		answers := make([]answer, len(chunk))
		var asked sync.WaitGroup
		for i := range chunk {
			asked.Go(func() { answers[i] = d.one(ctx, chunk[i]) })
		}
		asked.Wait()
		for _, a := range answers {
			if reason == "" {
				reason = a.reason
			}
			problems, notes, away = once(problems, a.problem), once(notes, a.note), once(away, a.away)
		}
		if len(away) > 0 || len(problems) >= maxSchemaProblems {
			break
		}
	}
	switch {
	case len(problems) > 0:
		return nil, report.Problem(reason, "The API server rejects the rendered objects in a dry run: "+strings.Join(problems, "; "))
	case len(away) > 0:
		return nil, &awayError{strings.Join(away, "; ")}
	}
	return notes, nil
}

// once adds a text that is not empty and not there.
func once(texts []string, text string) []string {
	if text == "" || slices.Contains(texts, text) {
		return texts
	}
	return append(texts, text)
}

var (
	// noDryRun is what the API server says of a webhook that does more than to answer.
	noDryRun = regexp.MustCompile(`admission webhook "([^"]+)" does not support dry run`)
	// heldByOther is a refusal that says what stands today, and nothing about the template: a tenant that runs may be what holds it.
	heldByOther = regexp.MustCompile(`already (allocated|defined|in use|taken|exists)`)
)

func (d dryRun) one(ctx context.Context, s sample) answer {
	ctx, cancel := context.WithTimeout(ctx, dryRunTimeout)
	defer cancel()
	err := d.apply(ctx, s.object)
	if err == nil {
		return answer{}
	}
	if found := noDryRun.FindStringSubmatch(err.Error()); found != nil {
		return answer{note: fmt.Sprintf("%s of plan %q was not tried, because the admission webhook %s does not support dry runs", s.name(), s.plan, found[1])}
	}
	failure := apply.Explain(apply.KeyOf(s.object), d.secrets.without(err))
	if meta.IsNoMatchError(err) {
		d.explainVersion(failure, s.object)
	}
	if failure.Retryable() {
		return answer{away: fmt.Sprintf("%s of plan %q: %s", s.name(), s.plan, failure.Message)}
	}
	if heldByOther.MatchString(failure.Message) {
		return answer{note: fmt.Sprintf("%s of plan %q fits one tenant at a time: %s", s.name(), s.plan, failure.Message)}
	}
	return answer{reason: refusalReason(failure.Reason), problem: fmt.Sprintf("plan %q: %s: %s: %s", s.plan, s.name(), failure.Message, failure.Remedy)}
}

// apply is the request that a tenant's object is made with, but that nothing is stored.
func (d dryRun) apply(ctx context.Context, object *unstructured.Unstructured) error {
	raw, err := json.Marshal(object.Object)
	if err != nil {
		return err
	}
	into := &unstructured.Unstructured{}
	into.SetGroupVersionKind(object.GroupVersionKind())
	into.SetNamespace(object.GetNamespace())
	into.SetName(object.GetName())
	return d.client.Patch(ctx, into, client.RawPatch(types.ApplyPatchType, raw),
		client.FieldOwner(v1alpha1.FieldOwner), client.ForceOwnership, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
}

// explainVersion tells a kind that is not there from one that has another version.
func (d dryRun) explainVersion(failure *apply.ObjectError, object *unstructured.Unstructured) {
	served, err := d.client.RESTMapper().RESTMappings(object.GroupVersionKind().GroupKind())
	if err != nil || len(served) == 0 {
		return
	}
	var versions []string
	for _, mapping := range served {
		versions = once(versions, mapping.GroupVersionKind.GroupVersion().String())
	}
	failure.Message = fmt.Sprintf("apiVersion %s of this kind is not served by the cluster", object.GetAPIVersion())
	failure.Remedy = "write it for " + strings.Join(versions, " or ")
}

// refusalReason is the reason of the product for one of an object.
func refusalReason(reason apply.Reason) string {
	switch reason {
	case apply.ReasonForbidden, apply.ReasonAdmissionDenied:
		return v1alpha1.ReasonNotPermitted
	case apply.ReasonPodSecurity:
		return v1alpha1.ReasonPodSecurity
	default:
		return v1alpha1.ReasonInvalidTemplate
	}
}

// askedAnnotation stands on a ControllerRevision and says what the API server took last: a process that has just started does not ask
// again.
const askedAnnotation = "stallkeeper.io/dry-run"

// ask has the API server try the samples. Notes say what it was not asked about, or what fits one tenant only.
func (r *Reconciler) ask(ctx context.Context, product *v1alpha1.MarketplaceProduct, tried *samples) (notes []string, err error) {
	name := r.checkNamespace(product)
	if err := r.ensureNamespace(ctx, product, name, tried.namespace); err != nil {
		failure := apply.Explain(apply.Key{Kind: "Namespace", Name: name}, err)
		switch {
		case errors.Is(err, errStranger):
			return []string{fmt.Sprintf("The API server was not asked about the objects, because of the namespace %s: %s", name, err)}, nil
		case failure.Retryable():
			return nil, &awayError{"namespace " + name + ": " + failure.Message}
		}
		return []string{fmt.Sprintf("The API server was not asked about the objects, because the namespace %s can't be created: %s", name, failure.Message)}, nil
	}
	return dryRun{client: r.Client, secrets: tried.secrets}.all(ctx, tried.list)
}

func (r *Reconciler) checkNamespace(product *v1alpha1.MarketplaceProduct) string {
	return v1alpha1.CheckNamespace(r.TenantPrefix, product.Namespace, product.Name, string(product.UID))
}

// askedBefore reads what the API server took last of a revision.
func (r *Reconciler) askedBefore(ctx context.Context, key types.NamespacedName) (string, error) {
	held := contentMetadata()
	err := r.APIReader.Get(ctx, key, held)
	if client.IgnoreNotFound(err) != nil {
		return "", fmt.Errorf("reading ControllerRevision %s: %w", key.Name, err)
	}
	return held.Annotations[askedAnnotation], nil
}
