package openapi

import (
	"context"
	"time"
)

// SetWait replaces the pauses between attempts.
func (c *Client) SetWait(wait func(ctx context.Context, delay time.Duration) bool) { c.wait = wait }
