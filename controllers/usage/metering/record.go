package metering

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// Meter is what a decision has to know of a meter.
type Meter struct {
	Name string
	// Written is true for a meter whose records a person or a job writes. Otherwise a source is asked.
	Written bool
	// Daily is read after midnight UTC, otherwise after every full hour.
	Daily bool
	// Kept is true for a meter that is counted and not pushed; of a Former one, that was last.
	Kept bool
	// Former is true for a meter that the plan does not have any more: each of its records says itself whether it is pushed.
	Former bool
	// Packages are the packages that the use is deducted from, where they are instances of their own.
	Packages []Deduction
	// InTenant is true if only the running tenant can answer.
	InTenant bool
}

// Record is what one meter has counted in one interval. Begins is before Ends, but in a Checkpoint, where they may be equal.
type Record struct {
	Name         string
	Begins, Ends time.Time
	Value        Amount
	// Stopped is true if the tenant was stopped at Ends.
	Stopped bool
	// Lost is true if nobody knows what was used; Unasked, if the source was not asked, for that or because nothing could be used.
	Lost, Unasked bool
	// Checkpoint is set where the record stands for all that ended until Ends.
	Checkpoint *Checkpoint
	// Package is the package that the record is deducted from, as it was pushed or is about to be; empty where none was chosen.
	Package string
	// Kept is true if it is not pushed where its meter is Former.
	Kept bool
	// Attempted is true if a push was begun that must not be made twice.
	Attempted bool
	// Told is true if the marketplace may have been told its amount.
	Told bool
	// Withdrawn is true if a person has found that the marketplace knows nothing of it.
	Withdrawn bool
	// Pushed is true once the marketplace has accepted it.
	Pushed bool
	// Created is when the record was written.
	Created time.Time
}

// rank is how much the marketplace may know of a record, 0 for the most.
func (r Record) rank() int {
	switch {
	case r.Pushed:
		return 0
	case r.mayBeKnown():
		return 1
	}
	return 2
}

// mayBeKnown says whether the marketplace may have a record that is not known to be accepted.
func (r Record) mayBeKnown() bool { return (r.Told || r.Attempted) && !r.Withdrawn && !r.Pushed }

// Checkpoint is what was used until then.
type Checkpoint struct {
	Total Amount
	// PackageBegins is when the package began that PackageUsed is about; zero for the first.
	PackageBegins time.Time
	PackageUsed   Amount
	// Packages are those of Meter.Packages, with what was used of each.
	Packages []Deduction
}

// nameTime is the layout of times in names.
const nameTime = "20060102t150405"

// RecordName names the record of an interval that is read from a source. instanceID is the marketplace's id of the instance, which
// stays the same when the cluster is restored.
func RecordName(instance, instanceID, meter string, begins time.Time) string {
	return fmt.Sprintf("%s-%s-%s-%s", instance, meter, begins.UTC().Format(nameTime), digest(instanceID, meter, "record", begins))
}

// CheckpointName names the checkpoint until an instant.
func CheckpointName(instance, instanceID, meter string, ends time.Time) string {
	return fmt.Sprintf("%s-%s-until-%s-%s", instance, meter, ends.UTC().Format(nameTime), digest(instanceID, meter, "checkpoint", ends))
}

func digest(instanceID, meter, kind string, at time.Time) string {
	sum := hash(instanceID, meter, kind, at)
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:5]))
}

// SerialNumber is the id by which the marketplace knows a record, 42 characters: the same for every push of it, for ever.
func SerialNumber(instanceID, meter string, begins time.Time) string {
	sum := hash(instanceID, meter, "record", begins)
	return "sk" + hex.EncodeToString(sum[:20])
}

func hash(instanceID, meter, kind string, at time.Time) [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%s\n%d", instanceID, meter, kind, at.Unix()))
}
