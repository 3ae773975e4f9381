package salestest

import (
	"context"
	"sync"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

// OrderAPI is a marketplace's order API with fixed answers.
type OrderAPI struct {
	mu sync.Mutex
	// Answers are the answers by the order's id. An order without one is not found. They are set before the first question.
	Answers map[string]OrderAnswer
	// Asked is called before each answer, if set, while other questions wait.
	Asked func(orderID string)
}

// OrderAnswer is an answer of the order API: an order, or an error.
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
