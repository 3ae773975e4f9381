// Package template turns a product revision and a tenant's inputs into Kubernetes objects.
//
//	Parse(Source) → *Template                     once per revision
//	EvaluateValues(plan values, scope) → values   once per instance and pass
//	(*Template).Render(Inputs) → Output           once per instance and pass
//
// Both sources, a Helm chart and inline YAML, run through Helm's own engine, so that what `helm template` shows is what a
// tenant gets. The package promises:
//
//   - A result depends on the inputs alone, where nothing has to be made. There is no cluster, network, file, environment or
//     clock behind it: lookup knows no more than the template's own Secrets, now is Inputs.Now, times are in UTC, and .Release is
//     constant (Name "app", Service "Helm", Revision 1, IsInstall true). Two calls with equal inputs give equal objects in the same
//     order. Every error is final until an input changes.
//   - Helm's hooks are objects with the events at which they run, in the order in which Helm runs them. What runs at no event of a
//     tenant is left out and named: tests, and hooks of deletion and rollback. An event that Helm does not know is refused.
//   - A chart is what Helm makes of it. Numbers of values are floats, as `helm -f` gives them; of keys and objects that stand twice the
//     last one counts, with a note; lists are taken apart; fields without a value are left out, as the API server reads them; the key
//     stallkeeper is not in what a chart prints of its values as a whole.
//   - A function that gives another result at every call (randAlphaNum, uuidv4, genCA, bcrypt and others) is followed to the fields in
//     which its result ends. What ends in no object does no harm. The others get a value that is kept for the tenant by the
//     field's name (Inputs.Kept), and is made if there is none (Output.Made). Without Inputs.Kept they are refused. lookup of a
//     Secret of the template's own that holds such a value finds it. tenantSecret is there besides: a text that is stable for one
//     instance.
//   - A plan value's text is never parsed again. A buyer's text can't add keys, whatever it holds. A chart that passes
//     values to tpl opts out of that by itself. Values with the few characters that Helm or YAML would take for something else
//     (<no value>, U+2028, control characters) are refused with their path.
//   - A template that loops or grows without end is stopped by a budget of work that is counted, not timed. The limits
//     protect the process against mistakes and against text that reaches tpl; they are no sandbox for a hostile author: package render is.
//   - Errors are one line, name the file and the line as the chart's author knows them, and hold none of the inputs' text.
package template
