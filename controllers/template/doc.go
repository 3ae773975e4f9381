// Package template turns a product revision and a tenant's inputs into Kubernetes objects.
//
//	Parse(Source) → *Template                     once per revision
//	EvaluateValues(plan values, scope) → values   once per instance and pass
//	(*Template).Render(Inputs) → Output           once per instance and pass
//
// Both sources, a Helm chart and inline YAML, run through Helm's own engine, so that what `helm template` shows is what a
// tenant gets. The package promises:
//
//   - A result depends on the inputs alone. There is no cluster, network, file, environment or clock behind it: lookup is
//     empty, now is Inputs.Now, times are in UTC, and .Release is constant (Name "app", Service "Helm", Revision 1,
//     IsInstall true). Two calls with equal inputs give equal objects in the same order. Every error is final until an
//     input changes.
//   - Helm's hooks are objects with the events at which they run, in the order in which Helm runs them. What runs at no event of a
//     tenant is left out and named: tests, and hooks of deletion and rollback. An event that Helm does not know is refused.
//   - A function that gives another result at every pass (randAlphaNum, uuidv4, genCA, bcrypt and others) makes rendering
//     fail where its result is used. Calling it without using the result is allowed: charts write
//     `default (randAlphaNum 16) .Values.password`, which calls it even when the password is set. tenantSecret is there
//     instead: a text that is stable for one instance.
//   - A plan value's text is never parsed again. A buyer's text can't add keys, whatever it holds. A chart that passes
//     values to tpl opts out of that by itself. Values with the few characters that Helm or YAML would take for something else
//     (<no value>, U+2028, control characters) are refused with their path.
//   - A template that loops or grows without end is stopped by a budget of work that is counted, not timed. The limits
//     protect the process against mistakes and against text that reaches tpl; they are no sandbox for a hostile author.
//   - Errors are one line, name the file and the line as the chart's author knows them, and hold none of the inputs' text.
package template
