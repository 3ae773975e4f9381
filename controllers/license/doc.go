// Package license activates license codes, asks marketplaces about them, and delivers the licenses that buyers want.
//
//   - [Reconciler], of one instance: activate brings a code to life and stores what the marketplace tells; deliver uploads the licenses
//     that a person or the workload has put into a Secret. Condition Licensed.
//   - [QueryReconciler], of one Marketplace: asks every day about its codes, many at once, so that calls which never came are noticed.
//   - [Feature]: a sale waits for its activation, and the workload is told which licenses are wanted.
//   - [Metrics]: whether marketplaces answer, and how many buyers wait.
//
// Promises:
//
//   - A code is one sale: of two instances with the same code one is activated.
//   - Bad news from a question about many codes is asked about once more, alone, before it takes something from a buyer.
//   - A code that can't be asked about does not keep the others waiting.
//   - A license that was delivered is noted by its digest; delivered twice, it does no harm.
package license
