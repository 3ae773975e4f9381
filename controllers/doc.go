// Package controllers holds the reconcilers:
//
//   - OrderReconciler finds out what was sold and writes it into spec.subscription.
//   - DirectoryReconciler folds what the marketplace says of a buyer's users into the directory and brings it to the tenant;
//     DirectoryForwarder tells the workload of it by HTTP.
//   - LicenseReconciler activates licence codes and delivers the licences that buyers ask for.
//   - LicenseQueryReconciler asks every day what became of the codes.
//   - InstanceReconciler makes each tenant what its instance says, for as long as it is paid.
//   - ProductReconciler checks products and cuts their revisions.
//   - UsageReconciler counts what the sales use that are charged by it.
//   - UsagePushReconciler tells the marketplaces.
//   - MarketplaceReconciler checks the keys of the connections.
//
// Deciding is not doing: what shall be true is decided by pure packages (subscription and directory beside this one, lifecycle,
// usage, template, workload below it), and done by apply and the reconcilers. Status is written once at the end of a pass, also of a failed one,
// and is never an input: erased, the next pass restores it.
package controllers
