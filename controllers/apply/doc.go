// Package apply reads, judges and deletes a tenant's objects for controllers/tenant: [Observe] lists them from the cache, [Judge] reports
// an object's readiness, [PodProblems] explains why a workload makes no progress, [Applier.Prune] deletes objects that are no longer
// desired, and [Applier.TakeOver] records a new owner on an orphaned namespace.
//
// Promises:
//
//   - A namespace that is not the instance's own is never written to.
//   - A claim is never deleted, neither directly nor through the retention policy of a StatefulSet.
//   - Texts in errors, blockers and problems don't tick (no counters, no random names) and hold no values of Secrets.
//
// The package knows nothing of lifecycle, products or marketplaces. Secrets are written and never read.
package apply
