package webhook

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"

	"github.com/stallkeeper/stallkeeper/listener"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

// maxTokens is of how many calls that are signed by a token alone it is remembered that they came: some megabytes. Nobody without a key can
// make one, so that only the marketplace's own calls push others out.
const maxTokens = 16_384

// tokens are the calls that are signed by a token alone, without a nonce. Whoever has got hold of one, from the log of a proxy, can make it
// as often as they like: that is worth one call at work, and proves nothing of who calls. Each replica has its own.
type tokens struct {
	seen *lru.Cache[callDigest, struct{}]
	work singleflight.Group
}

// performed is what came of a call.
type performed struct {
	event   marketplace.Event
	outcome marketplace.Outcome
}

func newTokens() *tokens {
	seen, _ := lru.New[callDigest, struct{}](maxTokens) // fails for sizes below 1
	return &tokens{seen: seen}
}

// tokenOf tells a call that is signed by a token from all others, however it is written: not all tokens say what the path is.
func (c *call) tokenOf() callDigest {
	hash := sha256.New()
	for _, part := range []string{c.target.Namespace, c.target.Name, c.path, c.proof.Token} {
		hash.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		hash.Write([]byte(part))
	}
	return callDigest(hash.Sum(nil))
}

// work does what a verified call asks for. Who can have the call from elsewhere does not pass for the marketplace: its connection is kept
// only when nobody has made that call before.
func (h *Handler) work(ctx context.Context, c *call, req marketplace.Request) error {
	if c.proof.Token != "" {
		return h.workOnce(ctx, c, req)
	}
	if c.proof.Nonce != "" && !c.proof.SentAt.IsZero() && c.earlier == nil {
		listener.Vouch(ctx)
	}
	return h.perform(ctx, c, req)
}

// workOnce does what a call asks for that is signed by a token, once for all that make it at the same time. All of them get the answer: of
// whoever repeats the marketplace's call, the marketplace's own must not be refused.
func (h *Handler) workOnce(ctx context.Context, c *call, req marketplace.Request) error {
	id := c.tokenOf()
	seen, _ := h.tokens.seen.ContainsOrAdd(id, struct{}{})
	if !seen {
		listener.Hold(ctx)
	}
	result, err, _ := h.tokens.work.Do(string(id[:]), func() (_ any, err error) {
		defer h.recovered(c, &err) // once, and not for each that waits
		// The time and the connection of whoever was first are not those of the others: one whose body came late, or who hangs up, would
		// end the call for them.
		timed, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.answerTimeout)
		defer cancel()
		err = h.perform(timed, c, req)
		return performed{c.event, c.outcome}, err
	})
	if done, ok := result.(performed); ok {
		c.event, c.outcome = done.event, done.outcome
	}
	if !seen && !c.event.Test && !errors.Is(err, marketplace.ErrMalformed) {
		// A debug call is good for ever, so that it proves least. A call that can't be read may be one.
		listener.Vouch(ctx)
	}
	return err
}

// perform records a verified call, and for some purchases waits for what the answer has to carry.
func (h *Handler) perform(ctx context.Context, c *call, req marketplace.Request) error {
	if err := h.record(ctx, c, req); err != nil {
		return err
	}
	return h.supply(ctx, c)
}
