// Package workload turns a tenant's rendered objects into the complete set of objects that its namespace must contain. It is
// pure: no client, no clock, no cluster.
//
// [Desired] works in four steps.
//
//  1. While the tenant is suspended, the product's own patches are merged into the rendered objects. They come first, so
//     that whatever a patch brings in is checked like anything else.
//  2. Every object is checked. What a tenant may not have is refused with a [RefusedError] that names all refused objects,
//     why, and the chart value or the product's field to change.
//  3. Every object is completed: the tenant's namespace and labels, stringData as data, no token mounted, and while the
//     tenant is suspended, stopped.
//  4. The operator's own objects are added: the namespace with its Pod Security level, the quota with its defaults, the
//     network policy, the default ServiceAccount and the initial credentials. Each has a file of its own.
//
// Hooks of Helm are objects like the others, with a place: those of pre-install and pre-upgrade come after the operator's own
// objects and before the template's, those of post-install and post-upgrade after them. While the tenant is suspended they have
// none, because suspending waits for nothing.
//
// Promises:
//
//   - The result is a function of the arguments, which are never changed. Resuming is calling Desired without suspended.
//   - Suspending drops no object. Claims, Secrets, ConfigMaps and Services are the same in both sets, unless the product
//     itself has a patch for them.
//   - No object lies outside the tenant's namespace, and every object carries the tenant's two labels.
//   - A StatefulSet never gives up its claims, neither at zero replicas nor when it is pruned.
//   - A kind that the package can't stop without loss is left running and reported as a blocker.
//
// Two things are left to the template. A NetworkPolicy of its own adds to the operator's, so it can only open further
// paths. And a Job that a CronJob has already started runs to its end when the tenant is suspended.
package workload
