// Package licenses applies a marketplace's responses about a license code to its sale. It is pure: a subscription and the response
// in, a new subscription out.
//
//	Activated → the order is applied as any other → DueAt → the caller asks → Queried → the caller stores the subscription
//
// A marketplace mints the codes and makes no call when one is sold. What was bought is told by the activation, which works
// once; from then on the marketplace's calls and a daily query tell what became of it. The query is there for calls that never
// came. It never takes a release back, releases at nothing but the word for it, leaves alone what a call has said shortly
// before, because its answer may be older, and does not take back what a person has corrected.
package licenses
