package main

import (
	"math"
	"runtime/debug"
	"strconv"
	"testing"

	"github.com/go-logr/logr"
)

func TestGoIsToldOfTheContainersMemory(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	tests := map[string]struct {
		limit, goLimit string
		others         int64
		want           int64 // 0 for what is not touched, -1 for an error
	}{
		"256 MiB":                            {"268435456", "", 0, 214748364},
		"none":                               {"", "", 0, 0},
		"a limit that was set by hand":       {"268435456", "100MiB", 0, 0},
		"the memory of a whole node":         {"9223372036854775807", "", 0, 0},
		"a word":                             {"256Mi", "", 0, -1},
		"nothing at all":                     {"0", "", 0, -1},
		"1 GiB of which 512 MiB are others'": {"1073741824", "", 512 << 20, 429496729},
		"others that may use all of it":      {"536870912", "", 512 << 20, 214748364},
		"less than there is of anything":     {"-5", "", 0, -1},
	}
	for sentence, tc := range tests {
		t.Run(sentence, func(t *testing.T) {
			debug.SetMemoryLimit(math.MaxInt64)
			env := map[string]string{envMemoryLimit: tc.limit, "GOMEMLIMIT": tc.goLimit}
			err := limitMemory(func(name string) string { return env[name] }, logr.Discard(), tc.others)
			got := debug.SetMemoryLimit(-1)
			want := tc.want
			if want <= 0 {
				want = math.MaxInt64
			}
			if got != want || (err != nil) != (tc.want < 0) {
				t.Errorf("the limit is %d, %v; want %d", got, err, want)
			}
		})
	}
}

// Who follows the advice of the chart's README gets a controller that is not told to do with less than it needs.
func TestTheAdvisedLimitIsEnoughForTheTenants(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	const workers = renderWorkers * renderWorkerMemory
	for tenants, needs := range map[int]int64{200: 83 << 20, 1000: 162 << 20, 3000: 326 << 20} {
		limit := strconv.FormatInt(workers+needs*5/4, 10)
		if err := limitMemory(func(name string) string { return map[string]string{envMemoryLimit: limit}[name] }, logr.Discard(), workers); err != nil {
			t.Fatal(err)
		}
		if got := debug.SetMemoryLimit(-1); got < needs {
			t.Errorf("for %d tenants, Go has %d bytes and needs %d", tenants, got, needs)
		}
	}
}
