// Package metering computes metered usage: which interval to count next, which records are valid, their total, which to push to the
// marketplace, and which may be deleted. It is pure; time is an argument.
//
// A meter's ledger is its records, and nothing else is remembered. Each says how much was used from one instant to another. For
// a meter with a source they follow each other without hole or overlap from the moment at which the meter was first seen:
//
//	opened ─▶ measured ─▶ measured ─▶ measured (stopped) ─▶ suspended ─▶ measured …
//
// The name of a record follows from sale, meter and beginning, so that the same interval can't be recorded twice whoever tries;
// and so does the id that the marketplace knows it by, so that a push that is repeated after a crash is the same push.
//
//	Read   records → account: what counts, why others do not, totals
//	Next   account and moment → the next interval to ask the source about, or to close, or when
//	Settle account → the checkpoint that replaces old records, and which those are
package metering
