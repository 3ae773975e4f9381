// Package apply is what controllers/tenant reads a tenant's objects with, and what it deletes and explains with: [Observe] gives what
// the cache shows, [Judge] says how far one object is, [PodProblems] why a workload does not get further, [Applier.Prune] deletes what
// no revision wants any more, and [Applier.TakeOver] records a new owner on a namespace that is left over.
//
// Promises:
//
//   - A namespace that is not the instance's own is never written to.
//   - A claim is never deleted, neither directly nor through the retention policy of a StatefulSet.
//   - Texts in errors, blockers and problems don't tick (no counters, no random names) and hold no values of Secrets.
//
// The package knows nothing of lifecycle, products or marketplaces. Secrets are written and never read.
package apply
