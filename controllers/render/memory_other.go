//go:build !linux

package render

// limitMemory is not there outside of Linux, where workers run; the soft limit holds.
func limitMemory(int64) error { return nil }
