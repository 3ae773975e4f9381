// Package directory models the data that a marketplace sends about a buyer's enterprise: its sign-on, applications, departments and
// users. It is pure: no client, no clock, no cluster.
//
// A [Directory] is a head and shards. Calls are folded into it with [Directory.Fold]; what changed is written back with
// [Directory.EncodeHead] and [Directory.EncodeShard], and [Directory.Users] and [Directory.Departments] are what the workload
// reads of one shard.
//
// Promises:
//
//   - What the directory shows depends on which calls were folded, not on their order, nor on how often: of two calls about one
//     thing the later one by the marketplace's clock wins. At the same millisecond what takes away wins, so that nobody keeps a
//     right because two calls met; between two that put, the greater bytes.
//   - What was removed leaves the time of its removal behind, and nothing of its content: a late older call brings nothing back.
//   - A call that lists all departments is the removal of all older ones.
//   - While an enterprise is removed, nothing of it is shown; while an application is, none of its users are. What is removed
//     is shown again when it comes back, because the marketplace does not tell its users a second time.
//   - A thing's shard depends on its key alone, so that one changed user changes one shard. Shards double when one is full, up
//     to MaxShards, and never become fewer.
package directory
