//go:build !linux

package render

import "time"

var started = time.Now()

// processorTime is the time that has passed, outside of Linux, where workers run.
func processorTime() time.Duration { return time.Since(started) }

// limitMemory is not there outside of Linux, where workers run; the soft limit holds.
func limitMemory(int64) error { return nil }
