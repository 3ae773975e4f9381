package openapi

import (
	"context"
	"net/http"
	"time"
)

// SetWait replaces the pauses between attempts.
func (c *Client) SetWait(wait func(ctx context.Context, delay time.Duration) bool) { c.wait = wait }

// SetNonce replaces the random nonces.
func (c *Client) SetNonce(nonce func() string) { c.nonce = nonce }

// DecodeLicenses is decodeLicenses.
var DecodeLicenses = decodeLicenses

// UsageValue is usageValue.
var UsageValue = usageValue

// MaxAnswer is maxAnswer.
const MaxAnswer = maxAnswer

// DecodeOrder reads an answer of the order query as QueryOrder does.
func DecodeOrder(raw []byte) (Order, error) {
	if failed := orderQuery.judge(http.StatusOK, raw); failed != nil {
		return Order{}, failed
	}
	order, failed := decodeOrderInfo(raw)
	if failed != nil {
		return Order{}, failed
	}
	return order, nil
}
