// Package instance reconciles each MarketplaceInstance with its tenant. One reconciliation:
//
//	gather     reads the sale, what the features want of it, and what stands in the tenant's namespace; decides
//	power      stops or resumes what stands; needs no product, revision or rendering
//	shape      renders, and keeps the objects on the tenant's revision or moves them to the target, all or nothing
//	remove     deletes the namespace, on what is read live in that moment and by the API server's clock
//	look       judges the objects, says whether anything still runs, asks pods for the reason
//	report     one status, written once, also after a failure; events after it was written
//
// Promises:
//
//   - Stopping never waits for rendering, for a revision, or for another object's refusal. Resuming waits for one attempt to render, which
//     says how many replicas are wanted, and never for its success.
//   - A tenant whose target can't be rendered or is refused stays wholly on its revision, Ready as it was.
//   - Where the product or plan is gone, the periods recorded with the tenant hold; where none are recorded, its data are never due.
//   - A tenant is deleted only if the live instance, the live namespace and the API server's clock all say so.
//   - The status is written when something begins and when it has ended, not for each object on its way; a pass that comes before the cache
//     shows the instance as it was written last goes by what was written.
//   - A pass with nothing to do asks the API server nothing; after a restart, a tenant is rendered once.
//   - The package knows no feature. What usage, licenses and directories want is a sale.Extension.
package instance
