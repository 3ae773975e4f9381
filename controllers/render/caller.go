package render

import (
	"context"
	"sync/atomic"
	"time"
)

// Caller says for whom something is rendered. Without one, each source is its own.
type Caller struct {
	// Product is whose templates they are, however often they change; as namespace/name.
	Product string
	// Tenant is whom they are rendered for, as namespace/name; empty for a check of the product.
	Tenant string
	// Budget bounds all of it together; nil for no bound.
	Budget *Budget
}

// Budget is the processor time that several renderings may take together.
type Budget struct {
	// Limit is what it began with.
	Limit time.Duration
	used  atomic.Int64
}

func (b *Budget) take(took time.Duration) {
	if b != nil {
		b.used.Add(int64(took))
	}
}

// Err is an ErrRenderLimit once it is used up.
func (b *Budget) Err() error {
	if b == nil || time.Duration(b.used.Load()) < b.Limit {
		return nil
	}
	return &LimitError{Exceeded: Together, Limits: Limits{Time: b.Limit}}
}

type callerKey struct{}

// For returns a context for what is rendered for a caller.
func For(ctx context.Context, caller Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, caller)
}

func callerOf(ctx context.Context) Caller {
	caller, _ := ctx.Value(callerKey{}).(Caller)
	return caller
}
