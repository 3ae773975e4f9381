// Package report sets conditions, writes status and emits events in the same way for all reconcilers.
//
//	Verdict        a condition's status, reason and message, with when to look again
//	Set            writes a verdict into conditions
//	Owner          a reconciler's part of an instance's status, by server-side apply
//	Latest         an instance as it was written last, while the cache is behind
//	Announcement   which changes of a condition become an event
//	StateOf        an instance's conditions in one word, for people
//
// Messages do not tick: they hold no clock reading, random name or resource version, because the write would trigger the next pass.
package report
