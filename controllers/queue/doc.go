// Package queue defines when and in which order objects are reconciled: watches, priorities, retry intervals and backoff.
//
//   - What was sold goes first: [InstanceEvents] and [Enqueue] give priorities, [Prioritized] are the options of a controller that
//     respects them, and [StarvationGuard] raises the instances that wait since the start.
//   - The table of constants has every pause after which something is looked at without an event. [Retries] is the pause after a pass
//     that failed, [NewBackoff] that of one item within passes, [Wake] the result that asks for the next pass.
//   - [InstancesOfProduct], [InstancesWhere] and [ObjectEvents] find the instances that an event is about.
//   - [Memory] holds what a process remembers of an object.
//
// Promises:
//
//   - What a Memory holds only saves work: no decision changes when it is lost, and it goes with the UID of its object.
//   - No instance waits for ever behind new sales after a start.
//   - A deadline that is due never becomes "never".
//
// The package knows nothing of what a reconciler does.
package queue
