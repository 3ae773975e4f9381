package controllers

import (
	"context"
	"sync"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

// orderAPI is a marketplace's order API with fixed answers.
type orderAPI struct {
	mu      sync.Mutex
	answers map[string]orderAnswer
	// asked is called before each answer, if set.
	asked func(orderID string)
}

type orderAnswer struct {
	order marketplace.Order
	err   error
}

// ReadOrder implements marketplace.OrderReader.
func (a *orderAPI) ReadOrder(_ context.Context, orderID, _ string) (marketplace.Order, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.asked != nil {
		a.asked(orderID)
	}
	answer, ok := a.answers[orderID]
	if !ok {
		return marketplace.Order{}, &marketplace.CallError{Kind: marketplace.ErrOrderNotFound}
	}
	return answer.order, answer.err
}
