package product

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
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
}

// run renders every plan for a sample instance, running and suspended, and checks the result as an instance's would
// be. It is pure. Problems are *report.Verdict; the note is worth knowing and no problem.
func (c check) run(product *v1alpha1.MarketplaceProduct, name string, data revision.Data) (note string, err error) {
	rev, err := revision.Parse(name, data)
	if err != nil {
		return "", templateProblem(err)
	}
	var notes, idle []string
	unknown := map[workload.ServicePort]bool{}
	for _, plan := range data.Plans {
		for _, suspended := range []bool{false, true} {
			checked, err := c.plan(product, rev, plan, suspended)
			if err != nil {
				return "", inPlan(err, plan.Name)
			}
			idle = append(idle, checked.idle...)
			for _, asked := range checked.unknown {
				if !unknown[asked] {
					unknown[asked] = true
					notes = append(notes, fmt.Sprintf("Plan %q has no Service %q with the TCP port %d, which the product"+
						" wants the controller to connect to: it can't reach it", plan.Name, asked.Service, asked.Port))
				}
			}
			for _, blocker := range checked.blockers {
				notes = append(notes, fmt.Sprintf("%s of plan %q runs on while a tenant is suspended: %s",
					blocker.Object, plan.Name, blocker.Remedy))
			}
		}
		if err := withoutAttributes(product, rev, plan); err != nil {
			notes = append(notes, fmt.Sprintf("Plan %q can't run for a buyer who leaves an attribute out, unless it is read with"+
				" get, such as {{ get .attributes \"name\" | default \"x\" }}: %s", plan.Name, err.Error()))
		}
	}
	if len(idle) > 0 {
		slices.Sort(idle)
		notes = append(notes, "Left out, because a tenant is deleted as a whole and never rolled back: "+
			strings.Join(slices.Compact(idle), ", "))
	}
	return strings.Join(notes, ". "), nil
}

// withoutAttributes renders a plan for a buyer who has entered nothing. Whether that can happen is for the marketplace to say.
func withoutAttributes(product *v1alpha1.MarketplaceProduct, rev *revision.Revision, plan v1alpha1.Plan) error {
	in := revision.SampleInputs(product, rev, plan, false)
	in.Attributes = nil
	_, err := revision.Render(rev, in)
	return err
}

// checkedPlan is what is worth knowing of a plan that may run.
type checkedPlan struct {
	// blockers are what runs on while a tenant is suspended, idle the hooks that never run, unknown the Services that the controller
	// asks and the template does not have.
	blockers []v1alpha1.Blocker
	idle     []string
	unknown  []workload.ServicePort
}

func (c check) plan(product *v1alpha1.MarketplaceProduct, rev *revision.Revision, plan v1alpha1.Plan, suspended bool) (checkedPlan, error) {
	in := revision.SampleInputs(product, rev, plan, suspended)
	if _, err := revision.RenderUserName(rev, in); err != nil {
		return checkedPlan{}, report.Problem(v1alpha1.ReasonRenderFailed, err.Error())
	}
	rendered, err := revision.Render(rev, in)
	if err != nil {
		var problem *report.Verdict
		if errors.As(templateProblem(err), &problem) && problem.Reason == v1alpha1.ReasonInvalidTemplate {
			return checkedPlan{}, report.Problem(v1alpha1.ReasonRenderFailed, err.Error())
		}
		return checkedPlan{}, templateProblem(err)
	}
	if rev.Template == nil {
		return checkedPlan{}, nil
	}
	policy := rev.Policy(plan, sale.LifecycleOf(product, plan.Name))
	policy.Asked, policy.Reserved = sale.PlanServices(c.features, product, plan.Name), sale.Reserved(c.features)
	set, err := workload.Desired(workload.Tenant{
		Namespace: in.Namespace, Instance: revision.SampleName, InstanceNamespace: product.Namespace, InstanceUID: revision.SampleUID,
		Product: product.Name, Revision: rev.Name,
		Credentials: workload.Credentials{UserName: in.Secrets.UserName, Password: in.Secrets.Password},
	}, policy, c.permissions, rendered.Objects, suspended)
	if err != nil {
		return checkedPlan{}, report.Problem(v1alpha1.ReasonNotPermitted, err.Error())
	}
	var objects []*unstructured.Unstructured
	for _, group := range set.Groups {
		objects = append(objects, group...)
	}
	var problems []string
	for _, problem := range workload.PodSecurityProblems(rev.Data.Isolation.PodSecurityLevel, objects) {
		problems = append(problems, problem.String())
	}
	if len(problems) > 0 {
		return checkedPlan{}, report.Problem(v1alpha1.ReasonPodSecurity, strings.Join(problems, "; "))
	}
	return checkedPlan{blockers: set.Blockers, idle: rendered.Idle, unknown: set.Unknown}, nil
}

// inPlan says in which plan a problem is.
func inPlan(err error, plan string) error {
	var problem *report.Verdict
	if !errors.As(err, &problem) {
		return err
	}
	named := *problem
	named.Message = fmt.Sprintf("Plan %q: %s", plan, problem.Message)
	return &named
}

// templateProblem words what is wrong with a template.
func templateProblem(err error) error {
	var unsupported *template.UnsupportedError
	reason := v1alpha1.ReasonInvalidTemplate
	switch {
	case errors.Is(err, template.ErrChartTooLarge):
		reason = v1alpha1.ReasonChartTooLarge
	case errors.As(err, &unsupported):
		reason = v1alpha1.ReasonUnsupported
	}
	return report.Problem(reason, err.Error())
}
