// Package directory delivers a buyer's users and departments to the tenant.
//
//   - [Reconciler]: folds the calls that wait into the instance's directory, stores it in Secrets beside the instance, and delivers what
//     the tenant does not have yet into its namespace. Condition DirectorySynced.
//   - [Forwarder]: tells the workload's endpoint of each change, signed with the tenant's own key. What it finds, the Reconciler
//     puts into the condition too.
//   - [Feature]: opens that endpoint, and keeps the names of the delivered Secrets.
//   - [Metrics]: calls that wait, and what became of requests.
//
// How calls change a directory is decided in the pure package directory at the top of the tree; directory/store reads Secrets.
//
// Promises:
//
//   - A call is deleted after the directory that it is folded into is stored. Folded twice, it changes nothing more.
//   - The index in a tenant's namespace speaks of what is there: it is written last.
//   - Personal data stand in Secrets, and go to the tenant's own namespace and endpoint only. They are deleted when the sale has ended and
//     the tenant is gone.
//   - Memory is bounded: so many calls, directories, requests and bytes at a time.
package directory
