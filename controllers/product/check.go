package product

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/render"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/revision"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/template"
	"github.com/stallkeeper/stallkeeper/controllers/workload"
)

// check says whether every plan of a product may run.
type check struct {
	permissions workload.Permissions
	features    []sale.Feature
	renderer    render.Renderer
	// namespace is where the samples are; a tenant's when empty.
	namespace string
	// budget bounds what all of it takes; nil for no bound.
	budget *render.Budget
	// trial has the API server try the objects; nil for none.
	trial *trial
}

// maxNotes bounds what a check has to say without a problem. A condition holds far less.
const maxNotes = 1000

// findings are what the check of a product has to say without a problem, each once and in the order in which it was found.
type findings struct {
	notes, idle []string
	noted       map[string]bool
	unknown     map[workload.ServicePort]bool
	// plans are those that were looked at.
	plans []planned
}

func (f *findings) add(format string, args ...any) {
	if note := fmt.Sprintf(format, args...); len(f.notes) < maxNotes && !f.noted[note] {
		f.noted[note] = true
		f.notes = append(f.notes, note)
	}
}

func (f *findings) String() string {
	notes := f.notes
	if len(f.idle) > 0 {
		slices.Sort(f.idle)
		notes = append(notes, "Ignored, because a tenant is deleted as a whole and never rolled back: "+
			strings.Join(slices.Compact(f.idle), ", "))
	}
	return strings.Join(notes, ". ")
}

// run renders every plan for a sample instance, running and suspended, and checks the result as an instance's would
// be. Problems are *report.Verdict; another error passes by itself. The note is worth knowing and no problem.
func (c check) run(ctx context.Context, product *v1alpha1.MarketplaceProduct, name string, data revision.Data, secrets revision.SecretValues,
) (note string, err error) {
	rev, err := revision.Parse(ctx, c.renderer, name, data)
	if err != nil {
		return "", templateProblem(err)
	}
	found := findings{noted: map[string]bool{}, unknown: map[workload.ServicePort]bool{}}
	for _, plan := range data.Plans {
		of := planCheck{check: c, product: product, rev: rev, plan: plan, secrets: secrets, found: &found, kept: &template.Kept{}}
		for _, suspended := range []bool{false, true} {
			if err := of.run(ctx, suspended); err != nil {
				return "", inPlan(err, plan.Name)
			}
		}
		if err := of.texts(ctx); err != nil {
			return "", inPlan(err, plan.Name)
		}
		if err := of.withoutAttributes(ctx); err != nil {
			return "", err
		}
		if err := of.hostile(ctx); err != nil {
			return "", inPlan(err, plan.Name)
		}
		// What fails for a text of a buyer's, or without one, is no problem; that it was not tried is one.
		if err := c.budget.Err(); err != nil {
			return "", renderProblem(err)
		}
	}
	for _, note := range betweenPlans(found.plans) {
		found.add("%s", note)
	}
	return found.String(), nil
}

// planCheck is the check of one plan.
type planCheck struct {
	check
	product *v1alpha1.MarketplaceProduct
	rev     *revision.Revision
	plan    v1alpha1.Plan
	secrets revision.SecretValues
	found   *findings
	// kept are the random values of the sample. A key takes a second to make, and each sample would make its own.
	kept *template.Kept
}

func (c planCheck) inputs(suspended bool) revision.Inputs {
	in := revision.SampleInputs(c.product, c.rev, c.plan, suspended)
	in.SecretValues, in.ReportMissing, in.Secrets.Kept = c.secrets, true, *c.kept
	in.Namespace = cmp.Or(c.namespace, in.Namespace)
	return in
}

// texts evaluates what the features evaluate for the plan's sales, each time anew and long after the sale.
func (c planCheck) texts(ctx context.Context) error {
	for _, text := range sale.PlanTexts(c.features, c.product, c.plan.Name) {
		if _, err := c.renderer.EvaluateString(ctx, text.Name, text.Template, text.Scope); err != nil {
			return renderProblem(fmt.Errorf("%s: %w", text.Field, err))
		}
	}
	return nil
}

// withoutAttributes renders a plan for a buyer who has entered nothing. Whether that can happen is for the marketplace to say.
func (c planCheck) withoutAttributes(ctx context.Context) error {
	in := c.inputs(false)
	in.Attributes = nil
	_, err := revision.Render(ctx, c.rev, in)
	if err != nil && revision.Passes(err) {
		return err
	}
	if err != nil {
		c.found.add("Plan %q fails for a buyer who omits an attribute, unless the attribute has a default in spec.attributes or is read with"+
			" get, such as {{ get .attributes \"name\" | default \"x\" }}: %s", c.plan.Name, withoutPlan(err.Error(), c.plan.Name))
	}
	return nil
}

// run checks what is made of a sample.
func (c planCheck) run(ctx context.Context, suspended bool) error {
	in := c.inputs(suspended)
	if _, err := revision.RenderUserName(ctx, c.rev, in); err != nil {
		return renderProblem(err)
	}
	rendered, err := revision.Render(ctx, c.rev, in)
	if err != nil {
		return renderProblem(err)
	}
	if c.rev.Template == nil {
		return nil
	}
	*c.kept = c.kept.With(rendered.Made)
	if len(c.found.idle) < maxNotes {
		c.found.idle = append(c.found.idle, rendered.Idle...)
	}
	for _, missing := range rendered.Missing {
		c.found.add("The template uses an undefined value and renders nothing in its place: %s", missing)
	}
	for _, note := range rendered.Notes {
		c.found.add("%s", note)
	}
	return c.objects(ctx, in, rendered, suspended)
}

// objects checks the objects of a sample.
func (c planCheck) objects(ctx context.Context, in revision.Inputs, rendered revision.Rendered, suspended bool) error {
	policy := c.rev.Policy(c.plan, sale.LifecycleOf(c.product, c.plan.Name, v1alpha1.InstanceLifecycle{}))
	policy.Asked, policy.Reserved = sale.PlanServices(c.features, c.product, c.plan.Name), sale.Reserved(c.features)
	set, err := workload.Desired(workload.Tenant{
		Namespace: in.Namespace, Instance: revision.SampleName, InstanceNamespace: c.product.Namespace, InstanceUID: revision.SampleUID,
		Product: c.product.Name, Revision: c.rev.Name,
		Credentials: workload.Credentials{UserName: in.Secrets.UserName, Password: in.Secrets.Password},
	}, policy, c.permissions, rendered.Objects, suspended)
	if err != nil {
		// An object that does not have the form of its kind is told by its field, which is more than that it can't be read.
		if problems := schemaProblems(plainObjects(rendered), filesOf(rendered)); len(problems) > 0 {
			return refusedObjects(problems)
		}
		return report.Problem(v1alpha1.ReasonNotPermitted, err.Error())
	}
	objects := slices.Concat(slices.Concat(set.Prepare...), slices.Concat(set.Groups...))
	if problems := c.permissions.Limits.BorderProblems(objects); len(problems) > 0 {
		return report.Problem(v1alpha1.ReasonNotPermitted, strings.Join(problems, "; "))
	}
	if problems := schemaProblems(objects, filesOf(rendered)); len(problems) > 0 {
		return refusedObjects(problems)
	}
	var problems []string
	for _, problem := range workload.PodSecurityProblems(c.rev.Data.Isolation.PodSecurityLevel, objects) {
		problems = append(problems, problem.String())
	}
	if len(problems) > 0 {
		return report.Problem(v1alpha1.ReasonPodSecurity, strings.Join(problems, "; "))
	}
	c.trial.try(ctx, c.plan.Name, rendered, set.Namespace, objects)
	for _, asked := range set.Unknown {
		if !c.found.unknown[asked] {
			c.found.unknown[asked] = true
			c.found.add("Plan %q has no Service %q with the TCP port %d, to which the product makes the controller connect: the connection will fail",
				c.plan.Name, asked.Service, asked.Port)
		}
	}
	for _, blocker := range set.Blockers {
		c.found.add("%s of plan %q keeps running while a tenant is suspended: %s", blocker.Object, c.plan.Name, blocker.Remedy)
	}
	if !suspended {
		// The revision's plans have no rank.
		plan := c.plan
		if i := slices.IndexFunc(c.product.Spec.Plans, func(of v1alpha1.Plan) bool { return of.Name == plan.Name }); i >= 0 {
			plan = c.product.Spec.Plans[i]
		}
		c.found.plans = append(c.found.plans, plannedOf(plan, objects))
	}
	for _, note := range slices.Concat(nodePortNotes(objects), probeNotes(objects)) {
		c.found.add("%s", note)
	}
	for _, twice := range workload.ScaledTwice(objects) {
		c.found.add("%s of plan %q sets its replicas and is also scaled by an autoscaler, so the two would conflict:"+
			" remove spec.replicas from the template", twice, c.plan.Name)
	}
	return nil
}

// plainObjects are the rendered objects without what is known of them.
func plainObjects(rendered revision.Rendered) []*unstructured.Unstructured {
	objects := make([]*unstructured.Unstructured, 0, len(rendered.Objects))
	for i := range rendered.Objects {
		objects = append(objects, rendered.Objects[i].Object)
	}
	return objects
}

func refusedObjects(problems []string) error {
	return report.Problem(v1alpha1.ReasonInvalidTemplate, "The API server would reject the rendered objects: "+strings.Join(problems, "; "))
}

// harmless is a text that stands for what a buyer enters. It is letters alone, so that a name may be made of it.
const harmless = "stallkeepersample"

// hostile renders with texts of a buyer that mean more than themselves. In a template of the seller's own a text that adds or changes
// other fields is a problem; in a chart it is a note, because charts have other ways to be told what to quote.
func (c planCheck) hostile(ctx context.Context) error {
	if c.rev.Template == nil {
		return nil
	}
	places := c.buyersTexts()
	changes, err := c.hostileTo(ctx, func(in *revision.Inputs, text string) {
		for _, place := range places {
			place.put(in, text)
		}
	})
	if errors.Is(err, render.ErrRenderLimit) {
		return renderProblem(err)
	}
	if err != nil {
		// One of them has to be a number, or a name: each is tried by itself.
		changes, err = "", nil
		const most = 18
		for i, place := range places {
			one, oneErr := c.hostileTo(ctx, place.put)
			if i >= most || revision.Passes(oneErr) {
				err = oneErr
				break
			}
			if oneErr == nil && one != "" {
				changes = place.name + ", " + one
				break
			}
		}
	}
	switch {
	case err != nil && revision.Passes(err):
		return err
	case changes == "":
		return nil
	}
	text := fmt.Sprintf("a buyer's input can change more than its own value (%s): quote it where it is printed, such as"+
		" {{ .Values.x | quote }}, or pass it through toJson", changes)
	if len(c.rev.Data.Chart) == 0 {
		return report.Problem(v1alpha1.ReasonInvalidTemplate, text)
	}
	c.found.add("Plan %q: %s", c.plan.Name, text)
	return nil
}

// buyersText is a place of the inputs that a buyer's text reaches.
type buyersText struct {
	name string
	put  func(in *revision.Inputs, text string)
}

// buyersTexts are those places: the customer's name, an attribute that the product does not know, which a template meets where it goes
// through all of them, and the attributes that it does.
func (c planCheck) buyersTexts() []buyersText {
	places := []buyersText{
		{"the customer's name", func(in *revision.Inputs, text string) { in.CustomerName = text }},
		{"an attribute that is not in spec.attributes", func(in *revision.Inputs, text string) { in.Attributes[harmless] = text }},
	}
	for _, name := range slices.Sorted(maps.Keys(c.inputs(false).Attributes)) {
		places = append(places, buyersText{fmt.Sprintf("attribute %q", name), func(in *revision.Inputs, text string) { in.Attributes[name] = text }})
	}
	return places
}

// hostileTo says what hostile texts in one place change; empty when nothing. The error is that of a harmless text.
func (c planCheck) hostileTo(ctx context.Context, put func(in *revision.Inputs, text string)) (string, error) {
	found, err := template.CheckHostile(harmless, func(text string) (template.Output, error) {
		in := c.inputs(false)
		if in.Attributes = maps.Clone(in.Attributes); in.Attributes == nil {
			in.Attributes = map[string]string{}
		}
		put(&in, text)
		in.AsTyped = true
		rendered, err := revision.Render(ctx, c.rev, in)
		var out template.Output
		for _, object := range rendered.Objects {
			out.Objects = append(out.Objects, template.Object{Unstructured: object.Object, File: object.File, Events: object.Events})
		}
		return out, err
	})
	for _, one := range found {
		// A text that makes the rendering fail gets that one buyer nothing.
		if !one.Fails {
			return fmt.Sprintf("%s: %s", one.Text, one.Change), err
		}
	}
	return "", err
}

// inPlan says in which plan a problem is.
func inPlan(err error, plan string) error {
	var problem *report.Verdict
	if !errors.As(err, &problem) {
		return err
	}
	named := *problem
	named.Message = fmt.Sprintf("Plan %q: %s", plan, withoutPlan(problem.Message, plan))
	return &named
}

// withoutPlan is a message that does not begin with the plan's name.
func withoutPlan(message, plan string) string {
	return strings.TrimPrefix(message, fmt.Sprintf("plan %q: ", plan))
}

// renderProblem words an error of rendering a sample. One that passes stays what it is.
func renderProblem(err error) error {
	if revision.Passes(err) {
		return err
	}
	var missing *revision.MissingError
	if errors.As(err, &missing) {
		return report.Problem(v1alpha1.ReasonMissingValue, err.Error())
	}
	var problem *report.Verdict
	if errors.As(templateProblem(err), &problem) && problem.Reason == v1alpha1.ReasonInvalidTemplate {
		return report.Problem(v1alpha1.ReasonRenderFailed, err.Error())
	}
	return templateProblem(err)
}

// templateProblem words what is wrong with a template.
func templateProblem(err error) error {
	if revision.Passes(err) {
		return err
	}
	var unsupported *template.UnsupportedError
	reason := v1alpha1.ReasonInvalidTemplate
	switch {
	case errors.Is(err, render.ErrRenderLimit):
		reason = v1alpha1.ReasonRenderLimit
	case errors.Is(err, template.ErrChartTooLarge):
		reason = v1alpha1.ReasonChartTooLarge
	case errors.As(err, &unsupported):
		reason = v1alpha1.ReasonUnsupported
	}
	return report.Problem(reason, err.Error())
}
