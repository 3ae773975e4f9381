// Package render renders templates in worker processes, so that a runaway template can only crash its worker.
//
//	Pool.Load(ctx, Source) → *Template        parses in a worker, once per revision
//	(*Template).Render(ctx, Inputs) → Output  renders in a worker, once per instance and pass
//	Serve(ctx, in, out, Limits)               is the worker's side: `stallkeeper render-worker`
//
// What a template may do is bounded in package template, by counting. Some of it can't be counted: Go can't recover from a full stack,
// a library may take more memory than its input lets one guess, a schema may double with each level. A worker has limits of memory, stack
// and time that the system and the runtime hold.
//
//   - A worker that dies, or is over its time and is killed, makes a *LimitError of the one rendering that it was at; the next one gets
//     a new worker. The same template with the same inputs is left alone for a while, and one that overran for many tenants for all of them.
//   - No product has all workers while another waits, and what takes long never has the last one. Few callers wait for it: the others get
//     ErrBusy, and come again. For says which product and tenant a caller renders for.
//   - What a worker keeps is bounded by its size, and what it keeps of others is not charged to whoever comes next.
//   - Workers speak length-prefixed JSON over their standard input and output, keep the templates that they parsed, and end with
//     their input. They have no access to the cluster.
//   - What a worker writes to its standard error is read for the cause of its end and thrown away, since it may hold a tenant's values.
package render
