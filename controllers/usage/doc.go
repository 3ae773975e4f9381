// Package usage meters sales that are billed by usage and reports their usage to the marketplaces.
//
//   - [Reconciler], of one instance: gather reads the sale and its records, count asks the sources of the meters about each interval that
//     is over and writes a UsageRecord for it, keepRecords settles old ones, reportUsage says how it stands. Conditions UsageReported
//     and PackageAvailable.
//   - [PushReconciler], of one Marketplace: collect finds the records that are due, push sends them in as few calls as possible and stores
//     what became of each.
//   - [Feature]: a tenant stops when its package is used up, is read once more before it stops, and is kept for a while for what is not pushed.
//   - [Metrics]: what the marketplaces have not accepted, and for how long.
//
// What counts and what does not is decided in package metering, which is pure; package sources asks.
//
// Promises:
//
//   - An interval is counted once: the record is written before the next is asked about, and its name follows from what it counts.
//   - A record is pushed under one id, or, by the old interface, attempted once.
//   - Only what the marketplace has accepted stops a tenant.
//   - What can't be counted or pushed is told, until a person has settled it or the retention is over.
package usage
