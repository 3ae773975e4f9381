// Package lifecycle decides whether a tenant runs, is suspended or is deleted: facts and a time in, a decision and the next deadline
// out.
//
// Decide is pure. It reads no clock and no status, so that the same facts give the same decision after a restart, on a
// restored cluster, and when a person has wiped the status. Rules are asked in order; the first that answers decides:
//
//	removing        the object is being deleted
//	released        the marketplace ended the sale
//	frozen          the marketplace froze the sale
//	overdue         the paid time, its grace and what a person has added are over
//	unresolved      the order has not been read yet
//	unacknowledged  the marketplace does not seem to know of the sale
//	stopWanted      a feature wants the tenant stopped
//	held            a person wants the tenant stopped
//	inGrace         the paid time is over, its grace is not
//	paid            everything else
//
// A decision holds until its Until. Nothing but the marketplace's release, a person, or a product that says so explicitly
// ever leads to Remove. A tenant that has to stop is left as it is for up to FinishTime, while something still
// needs it running.
package lifecycle
