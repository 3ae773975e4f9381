// Command demo is the program behind `make demo`: it plays whole sales on a real Kubernetes API, with nothing simulated but
// the marketplace and the node.
//
//	build → control plane → chart → the operator's processes → products → four sales → timeline
//
// Run it in the repository's root: `go run ./hack/demo`. What it promises:
//
//   - The operator's processes carry the tokens of the chart's ServiceAccounts and nothing else, and take their
//     arguments from the chart's Deployments, so that the chart's permissions and arguments are proved.
//   - A step counts when the world shows it: pods, replicas, the claim's UID, the namespace. When one does not come true in
//     its time, the program ends with the reason, the condition's message and the blockers, and a code that is not 0.
//   - Everything that it started ends with it, also after a failure or an interrupt. With KEEP=1 all of it goes on running,
//     and bin/demo/env says how to reach it. The next demo, or `go run ./hack/demo -down`, ends what an earlier one left,
//     found by recorded process ids.
//   - Keys, passwords and tokens are random in each run, and are never printed.
package main
