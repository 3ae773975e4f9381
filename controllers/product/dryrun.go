package product

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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

// maxSecrets bounds the texts that are looked for in an answer of the API server. Of a sample with more, no answer is repeated.
const maxSecrets = 10_000

// secrets are texts that must be in no message, although the API server quotes the values that it refuses. The zero value is usable.
type secrets struct {
	texts map[string]bool
	// many says that there are more than maxSecrets.
	many bool
}

// add takes a text, unless it is so short that it stands in messages by chance.
func (s *secrets) add(text string) {
	const shortest = 6
	switch {
	case len(text) < shortest || s.texts[text]:
		return
	case len(s.texts) >= maxSecrets:
		s.many = true
		return
	case s.texts == nil:
		s.texts = map[string]bool{}
	}
	s.texts[text] = true
}

// addFrom takes what stands in a Secret.
func (s *secrets) addFrom(object *unstructured.Unstructured) {
	if object.GetAPIVersion() != "v1" || object.GetKind() != "Secret" {
		return
	}
	for _, field := range []string{"stringData", "data"} {
		held, _, _ := unstructured.NestedFieldNoCopy(object.Object, field)
		values, _ := held.(map[string]any)
		for _, value := range values {
			text, _ := value.(string)
			if s.many {
				return
			}
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
	longest := slices.SortedFunc(maps.Keys(s.texts), func(a, b string) int { return len(b) - len(a) })
	cut := func(text string) string {
		if s.many {
			return fmt.Sprintf("(the answer is not repeated, because the objects have more than %d secret values)", maxSecrets)
		}
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

// answers are what it says about all samples, each text once.
type answers struct {
	reason                string
	problems, notes, away []string
}

// enough says that no more is asked.
func (a *answers) enough() bool { return len(a.away) > 0 || len(a.problems) >= maxSchemaProblems }

// result is a *report.Verdict when an object is refused, and an *awayError when one could not be asked about.
func (a *answers) result() (notes []string, err error) {
	switch {
	case len(a.problems) > 0:
		return nil, report.Problem(a.reason, "The API server rejects the rendered objects in a dry run: "+strings.Join(a.problems, "; "))
	case len(a.away) > 0:
		return nil, &awayError{strings.Join(a.away, "; ")}
	}
	return a.notes, nil
}

// all asks about some samples.
func (d dryRun) all(ctx context.Context, list []sample, into *answers) {
	for chunk := range slices.Chunk(list, dryRunsAtOnce) {
		if into.enough() {
			return
		}
		said := make([]answer, len(chunk))
		var asked sync.WaitGroup
		for i := range chunk {
			asked.Go(func() { said[i] = d.one(ctx, chunk[i]) })
		}
		asked.Wait()
		for _, a := range said {
			if into.reason == "" {
				into.reason = a.reason
			}
			into.problems, into.notes, into.away = once(into.problems, a.problem), once(into.notes, a.note), once(into.away, a.away)
		}
	}
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

// maxTried bounds the objects that the API server is asked about in one check.
const maxTried = 5000

// trial has the API server try the samples of a product while they are made: the objects of one may be as large as a template can make
// them, and those of all plans would be more than there is memory. nil tries nothing.
type trial struct {
	r       *Reconciler
	product *v1alpha1.MarketplaceProduct
	// values are secret in all samples.
	values revision.SecretValues
	// seen are the digests of the objects that were asked about; the same is in most plans.
	seen map[[sha256.Size]byte]bool
	// began says that there was something to ask, and without that the namespace keeps it from being asked.
	began, without bool
	said           answers
}

// try asks about the objects of a sample that no other has had.
func (t *trial) try(ctx context.Context, plan string, rendered revision.Rendered, namespace *unstructured.Unstructured, objects []*unstructured.Unstructured) {
	if t == nil || t.without || t.said.enough() {
		return
	}
	of := dryRun{client: t.r.Client}
	for _, value := range t.values {
		of.secrets.add(string(value))
	}
	for _, value := range rendered.Made {
		of.secrets.add(value.Value)
	}
	files := filesOf(rendered)
	var list []sample
	for _, object := range objects {
		of.secrets.addFrom(object)
		raw, err := json.Marshal(object.Object)
		if sum := sha256.Sum256(raw); err == nil && !t.seen[sum] {
			if len(t.seen) >= maxTried {
				t.said.notes = once(t.said.notes, fmt.Sprintf("The API server was asked about the first %d objects of all plans only", maxTried))
				break
			}
			t.seen[sum] = true
			list = append(list, sample{plan, files[keyOf(object)], object})
		}
	}
	if len(list) == 0 {
		return
	}
	if !t.began {
		t.began = true
		t.begin(ctx, namespace)
	}
	if !t.without {
		of.all(ctx, list, &t.said)
	}
}

// begin makes the namespace of the check, or says why there is none.
func (t *trial) begin(ctx context.Context, namespace *unstructured.Unstructured) {
	name := t.r.checkNamespace(t.product)
	err := t.r.ensureNamespace(ctx, t.product, name, namespace)
	if err == nil {
		return
	}
	t.without = true
	failure := apply.Explain(apply.Key{Kind: "Namespace", Name: name}, err)
	switch {
	case errors.Is(err, errStranger):
		t.said.notes = append(t.said.notes, fmt.Sprintf("The API server was not asked about the objects, because of the namespace %s: %s", name, err))
	case failure.Retryable():
		t.said.away = append(t.said.away, "namespace "+name+": "+failure.Message)
	default:
		t.said.notes = append(t.said.notes,
			fmt.Sprintf("The API server was not asked about the objects, because the namespace %s can't be created: %s", name, failure.Message))
	}
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
