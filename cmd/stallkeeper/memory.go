package main

import (
	"fmt"
	"math"
	"runtime/debug"
	"strconv"

	"github.com/go-logr/logr"
)

const (
	// envMemoryLimit has the container's limit of memory in bytes, as the chart's downward API gives it.
	envMemoryLimit = "CONTAINER_MEMORY_LIMIT"
	// heapPercent is how much of it Go may use before it collects with all its might. The rest is for what Go does not count: the kernel's
	// buffers of our connections, and the binary.
	heapPercent = 80
)

// limitMemory tells Go how much memory there is: by itself it lets garbage grow to the size of what is in use, and the container is killed
// with half of it free. others is what other processes of the container may use. GOMEMLIMIT, which Go has read itself, goes before.
func limitMemory(env func(string) string, log logr.Logger, others int64) error {
	text := env(envMemoryLimit)
	if text == "" || env("GOMEMLIMIT") != "" {
		return nil
	}
	limit, err := strconv.ParseInt(text, 10, 64)
	if err != nil || limit < 1 {
		return fmt.Errorf("environment variable %s must be a number of bytes, at least 1", envMemoryLimit)
	}
	if limit > math.MaxInt64/heapPercent {
		return nil // as good as none
	}
	// With less, Go would do nothing but collect where the limit is small. The others rarely use all of theirs.
	own := max(limit-others, limit/2)
	debug.SetMemoryLimit(own * heapPercent / 100)
	log.V(1).Info("Memory is limited", "container", limit, "otherProcesses", others, "percent", heapPercent)
	return nil
}
