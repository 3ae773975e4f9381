package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// until asks again and again until nothing is missing. check returns what is missing, or empty; an error of it counts as
// something missing, because an API server may be busy for a moment. The error says what never came true and why.
func (d *demo) until(ctx context.Context, timeout time.Duration, what string, check func(context.Context) (missing string, err error)) error {
	waiting, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for {
		// Not the waiting context: what is missing at the end must not be "deadline exceeded".
		missing, err := check(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			missing = err.Error()
		}
		if missing == "" {
			return nil
		}
		if waiting.Err() != nil {
			return fmt.Errorf("not true within %s: %s\n  missing: %s", timeout.Round(time.Second), what, missing)
		}
		pause(waiting, 200*time.Millisecond)
	}
}

// missingWhen is the text when the condition holds.
func missingWhen(condition bool, text string, args ...any) string {
	if !condition {
		return ""
	}
	return fmt.Sprintf(text, args...)
}

// joined puts together what is missing.
func joined(missing ...string) string {
	var found []string
	for _, text := range missing {
		if text != "" {
			found = append(found, text)
		}
	}
	return strings.Join(found, "; ")
}
