// Package apply brings a tenant's namespace to a desired set of objects and reads back what stands there.
//
// The workflow of one pass:
//
//  1. [Observe] reads the tenant's objects from the cache. Its digest is over the UID of each object and the hash of our
//     own entry in managedFields. Equal to the recorded one: nothing was changed by anyone, and the pass ends here.
//  2. [Applier.EnsureRetain] and [Applier.Suspend] or [Applier.Resume] do what a plain apply can't do without loss.
//  3. [Applier.Apply] applies the namespace and then the groups, with server-side apply under one field owner. It stops at a
//     hook whose Job has not succeeded, and goes on from there in the pass that the Job's end brings. The hooks before another
//     revision are applied beside the one that stands.
//  4. [Applier.Prune] deletes what an earlier revision had and this one has not; only after an apply without error.
//  5. [Observed.Readiness] says how far the tenant is, and [PodProblems] why it does not get further.
//
// Promises:
//
//   - A namespace that is not the instance's own is never written to.
//   - A claim is never deleted, neither directly nor through the retention policy of a StatefulSet.
//   - A Job runs once per revision, a hook's once for each of its events; one that failed again after somebody has deleted it.
//   - A hook's end is recorded on the namespace before anything that follows from it is done.
//   - What Apply returns is what the API server answered.
//   - Texts in errors, blockers and problems don't tick (no counters, no random names) and hold no values of Secrets.
//
// The package knows nothing of lifecycle, products or marketplaces. Of the cluster's rights it needs, for the tenant
// kinds, list, watch, create, patch and delete; get and patch on their /scale; get on namespaces; list on pods. Secrets
// are written and never read.
package apply
