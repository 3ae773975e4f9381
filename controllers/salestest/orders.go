package salestest

import (
	"context"
	"sync"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

// OrderAPI is a marketplace's order API with fixed answers.
type OrderAPI struct {
	mu      sync.Mutex
	Answers map[string]OrderAnswer
	// Asked is called before each answer, if set.
	Asked func(orderID string)
}

type OrderAnswer struct {
	Order marketplace.Order
	Err   error
}

// ReadOrder implements marketplace.OrderReader.
func (a *OrderAPI) ReadOrder(_ context.Context, orderID, _ string) (marketplace.Order, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.Asked != nil {
		a.Asked(orderID)
	}
	answer, ok := a.Answers[orderID]
	if !ok {
		return marketplace.Order{}, &marketplace.CallError{Kind: marketplace.ErrOrderNotFound}
	}
	return answer.Order, answer.Err
}
