// Package product validates MarketplaceProducts and creates their revisions. One reconciliation of a MarketplaceProduct:
//
//  1. cutRevision fetches the chart, renders every plan for a sample instance, running and suspended, and checks the result within the
//     operator's permissions and the Pod Security level. What passes becomes a ControllerRevision, which never changes.
//  2. The condition Ready, the current revision, and how many instances are in which state.
//  3. collectRevisions deletes revisions that no tenant runs.
//
// Promises:
//
//   - A product that does not pass leaves the last good revision in force.
//   - A revision that a tenant is pinned to is not deleted, also when its product is gone; the API server is asked, not the cache.
//   - A check has bounds: of processor time for all plans together, of what is in memory, of the objects that the API server is asked about.
//     Several products are checked at once, and a registry that takes long is asked less often.
//   - A chart of a registry is fetched once for each generation of the product. Sizes are checked before anything is downloaded, and
//     nothing that a registry says reaches a condition.
package product
