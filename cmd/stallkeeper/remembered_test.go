package main

import (
	"testing"

	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/webhook"
)

// A purchase that looked for the note of a deleted sale just before there was one may store the sale as late as it may be answered. Until
// then it has to find the instance, or it makes the sale anew.
func TestADeletedInstanceStaysLongerThanAPurchaseTakes(t *testing.T) {
	if queue.RememberedSale <= webhook.DefaultAnswerTimeout {
		t.Errorf("it goes after %s, and a purchase may take %s", queue.RememberedSale, webhook.DefaultAnswerTimeout)
	}
}
