package render

import (
	"fmt"
	"syscall"
	"time"
)

// processorTime is what this process has used; zero where the system does not say, so that the pool's deadline holds alone.
func processorTime() time.Duration {
	used := &syscall.Rusage{}
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// limitMemory bounds what the process can write to. The address space would be the wrong measure: the runtime reserves far more of
// it than it uses.
func limitMemory(bytes int64) error {
	const rlimitData = syscall.RLIMIT_DATA
	limit := &syscall.Rlimit{Cur: shadow * uint64(bytes), Max: shadow * uint64(bytes)} //nolint:gosec // not negative, see orDefault
	if err := syscall.Setrlimit(rlimitData, limit); err != nil {
		return fmt.Errorf("limiting the worker's memory: %w", err)
	}
	return nil
}
