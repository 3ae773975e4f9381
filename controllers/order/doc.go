// Package order determines which product, plan and quantity a sale is for. One reconciliation of a MarketplaceInstance:
//
//  1. resolve: of the calls about orders that are recorded in spec.subscription, which are still to be read? What is due by time is
//     applied first.
//  2. lookUp: the order is read from the Secret of the call that brought it, or from the marketplace's order API. Its raw answer is kept
//     in a Secret beside the instance.
//  3. orders.Apply, which is pure, says what the order makes of the sale, and that is stored in the spec.
//  4. What could not be applied is noted in Findings, and said in OrderResolved by the instance's reconciler.
//
// Promises:
//
//   - An order is applied once: what was applied is stored in the same write.
//   - Without its purchase nothing is applied; any other call that is only partially stored holds none up that came after it.
//   - The buyer's personal data stand in Secrets only.
//   - A look-up that is repeated waits behind what has just been sold.
package order
