// Package tenant converges a tenant's namespace to its desired state. It knows nothing of lifecycles, sales or products.
//
// A tenant has two sides. Power is whether it runs; shape is what its objects look like, by a revision. Each has a field owner of its
// own, and neither waits for the other.
//
//	Observe      what stands: the cache, and what this process has written since
//	Power        makes what stands run or stop; needs no revision and no rendering
//	Prepare      the hooks before another revision, while the tenant stays on its own
//	Move         to another revision: a dry run, then all of it or nothing, then the pin
//	Shape        keeps a tenant on its revision: applies what differs, and prunes
//	Readiness    how far the objects are
//	Reclaim      gives the labels back to a namespace that records the instance
//	LookStopped  whether nothing runs, asked of the API server once the workloads stand at zero
//	StartedAgain in which stopped tenants a pod runs by now, asked once for all of them
//	Remove       deletes the namespace that was read a moment ago, and no other
//
// What decides is pure and apart from what does: planPower, planShape, planJob, planStep and planNamespace take what stands and what is
// wanted, and give what is to be done.
//
// # How what stands is known
//
// Each object carries a hash of the content that was applied to it, as an annotation applied with it ([ContentHashAnnotation]). The
// cache adds, in memory, a hash of the fields that are ours and what others have added ([Transform]). [Ownership] says which fields
// should be ours. An object whose content hash, fields, or visible values differ is applied, and no other; that holds across crashes,
// leaders, and an erased status. Objects of kinds that may not be read (Secrets) are carried: an object of their group that is applied
// after them holds their hashes.
//
// # Power
//
// Power applies an overlay under [PowerOwner]: zero replicas, suspend, KEDA's annotation, or the product's patch, and in the same write
// what stood there before ([KeptAnnotation]). It does so for every workload of the tenant, orphans and leftovers included. Each overlay
// is guarded by the resource version, so that no number of an old cache is kept. Resuming applies the number that was kept, or the one
// that the revision sets where it could be rendered; power goes on owning it until a revision or an autoscaler sets another. While power
// holds an object, the shape leaves its fields out. Where the shape is the only owner of replicas that it is about to leave out, power
// takes them over first: left out, they would fall to 1. Where every change of a workload is refused for
// good, its scale subresource is written, and the namespace keeps the number ([ScaledAnnotation]).
//
// # Promises
//
//   - A namespace that does not record the instance is not written to.
//   - One refused object holds back what needs it, and nothing else; no pod starts before what keeps tenants apart stands.
//   - A revision that the API server refuses changes nothing. The pin is written when the set stands. Workloads that stand are changed last
//     within their group: what only the real write refuses replaces no pods.
//   - What did not change is not written. A new tenant of N objects without Jobs is N + 1 writes, and no read; h Jobs
//     that wait for each other are h + 1 writes of the namespace more.
//   - A claim is never deleted. A StatefulSet is made anew without its pods, and with its number.
//   - How a Job ended is recorded before it can go. Gone and unknown is failed.
//   - What others add where only we may write is taken away; docs/decisions/0020-drift.md says where.
//   - Texts don't tick and hold no values of Secrets; the hashes of Secrets are keyed.
//
// Of the cluster's rights it needs, for the tenant kinds, list, watch, create, patch and delete; get, create, patch and delete on
// namespaces; list on pods.
package tenant
