// Package sale collects the facts about a sale and derives the decision from them, in one place for all reconcilers.
//
//	Reader.Read    reads the product and the marketplace's protocol, and makes the Sale (Of, pure)
//	Reader.Extend  asks the features what they want of the tenant
//	Sale.Decide    the lifecycle's answer for a moment
//
// A Feature plugs into the reconcilers of instances and products: it gives an Extension, a value that says why nothing may run yet, what
// stops the tenant, what has to be finished first, until when an instance is kept, which ports are opened, which objects are added and
// what is lost at the end. Who reads it does not know which feature has said it.
//
// Nothing here reads a status to decide. Store is the one way in which a reconciler writes spec.subscription.
package sale
