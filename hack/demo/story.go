package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// paidTime is how long the first two sales are paid. The first has to be upgraded in it; with the product's grace on top
// there is room for a slow machine.
const paidTime = 30 * time.Second

// clockTimeout is how long a step may take that has to wait for a moment as well.
const clockTimeout = 2 * time.Minute

// playSales plays the sales beside each other, as far as they do not have to wait for one another.
func (d *demo) playSales(ctx context.Context) error {
	watching, stop := context.WithCancel(ctx)
	defer stop()
	go d.timeline.watch(watching, d.kube)

	begin := time.Now()
	// Orders have whole seconds.
	expires := begin.Add(paidTime).Truncate(time.Second)
	first := &sale{title: "first sale", order: "DEMO-" + d.keys.run + "-1", skuCode: d.sold.skuCode, expires: expires}
	second := &sale{title: "second sale", order: "DEMO-" + d.keys.run + "-2", skuCode: d.sold.skuCode, expires: expires}
	third := &sale{title: "third sale", order: "DEMO-" + d.keys.run + "-3", skuCode: "sold-by-nobody", expires: begin.Add(24 * time.Hour)}

	fourth := &sale{title: "fourth sale", order: "DEMO-" + d.keys.run + "-4", skuCode: d.joint.skuCode, expires: begin.Add(24 * time.Hour)}

	chapters := []struct {
		title string
		play  func(context.Context) error
	}{
		{"Three purchases: the first two become tenants, the third has a SKU that no product lists", func(ctx context.Context) error {
			return d.purchases(ctx, first, second, third)
		}},
		{"The buyer opens the first: KooGallery asks for its access data", func(ctx context.Context) error { return d.accessData(ctx, first) }},
		{"The first is upgraded from 2 to 5", func(ctx context.Context) error { return d.upgrade(ctx, first) }},
		{"An enterprise buys: its users sign in at KooGallery, and reach the tenant through the sign-on bridge", func(ctx context.Context) error {
			return d.enterpriseSignsOn(ctx, fourth)
		}},
		{"The paid time ends: the first is frozen by KooGallery", func(ctx context.Context) error { return d.freeze(ctx, first) }},
		{"For the second no freeze comes: it runs on for its grace", func(ctx context.Context) error {
			return d.untilTrue(ctx, second, stepTimeout, "in its grace, running on with 2", inGrace(2))
		}},
		{"The first is renewed and unfrozen", func(ctx context.Context) error { return d.renew(ctx, first, 5, true) }},
		{"The second's grace ends: the clock suspends it", func(ctx context.Context) error {
			return d.untilTrue(ctx, second, clockTimeout, "suspended by the clock, with its data kept", suspended(second, v1alpha1.ReasonPaymentOverdue))
		}},
		{"The second is renewed, late", func(ctx context.Context) error { return d.renew(ctx, second, 2, false) }},
		{"The first is released", func(ctx context.Context) error { return d.release(ctx, first) }},
	}
	for _, chapter := range chapters {
		d.out.title(chapter.title)
		if err := chapter.play(ctx); err != nil {
			return err
		}
	}
	d.showTimeline(begin, first, second, third, fourth)
	return nil
}

// purchases sells all three.
func (d *demo) purchases(ctx context.Context, first, second, third *sale) error {
	for _, s := range []*sale{first, second, third} {
		if err := d.postOrder(ctx, s.order, "NEW", s.skuCode, 2, s.expires); err != nil {
			return err
		}
		result, err := d.koogallery(ctx, s, "purchase", s.order, "--order", s.order)
		if err != nil {
			return err
		}
		s.instance = result.Answer.InstanceID
	}
	for _, s := range []*sale{first, second} {
		if err := d.untilTrue(ctx, s, stepTimeout, "running with 2, and a volume", running(s, 2)); err != nil {
			return err
		}
	}
	if err := d.untilTrue(ctx, third, stepTimeout, "waiting for the seller", unknownSKU); err != nil {
		return err
	}
	instance, err := d.instance(ctx, third)
	if err != nil {
		return fmt.Errorf("reading the third sale: %w", err)
	}
	d.out.line("   and says: %s", meta.FindStatusCondition(instance.Status.Conditions, v1alpha1.ConditionOrderResolved).Message)
	return nil
}

// accessData asks as KooGallery does when the buyer opens the resource's page.
func (d *demo) accessData(ctx context.Context, s *sale) error {
	result, err := d.koogallery(ctx, s, "query", "", "--instance", s.instance, "--wait", "--timeout", "30s")
	if err != nil {
		return err
	}
	if len(result.Answer.Body.Info) != 1 || result.Answer.Body.Info[0].AppInfo == nil {
		return fmt.Errorf("the answer has no access data of the %s", s.title)
	}
	access := *result.Answer.Body.Info[0].AppInfo
	if access.FrontEndURL == "" || access.UserName == "" || access.Password == "" {
		return fmt.Errorf("the access data of the %s lack the address, the user name or the password", s.title)
	}
	d.out.true("the buyer sees %s, user %s, and an initial password", access.FrontEndURL, access.UserName)
	return nil
}

// upgrade buys five in place of two.
func (d *demo) upgrade(ctx context.Context, s *sale) error {
	change := s.order + "-UP"
	if err := d.postOrder(ctx, change, "CHANGE", s.skuCode, 5, s.expires); err != nil {
		return err
	}
	if _, err := d.koogallery(ctx, s, "upgrade", change, "--instance", s.instance, "--order", change); err != nil {
		return err
	}
	return d.untilTrue(ctx, s, stepTimeout, "running with 5, on the same volume", running(s, 5))
}

// freeze waits for the end of the paid time, at which KooGallery freezes.
func (d *demo) freeze(ctx context.Context, s *sale) error {
	if left := time.Until(s.expires); left > 0 {
		d.out.line("waiting until %s, for %.0f s", s.expires.Format(time.TimeOnly), left.Seconds())
		pause(ctx, left)
	}
	if _, err := d.koogallery(ctx, s, "freeze", "", "--instance", s.instance); err != nil {
		return err
	}
	return d.untilTrue(ctx, s, stepTimeout, "suspended, with its data kept", suspended(s, v1alpha1.ReasonExpired))
}

// renew pays for another hour. KooGallery sends the unfreeze only where it had sent a freeze.
func (d *demo) renew(ctx context.Context, s *sale, quantity int32, unfreeze bool) error {
	renewal := s.order + "-RE"
	if err := d.postOrder(ctx, renewal, "RENEW", s.skuCode, quantity, time.Now().Add(time.Hour)); err != nil {
		return err
	}
	if _, err := d.koogallery(ctx, s, "renew", renewal, "--instance", s.instance, "--order", renewal, "--expires", "+1h"); err != nil {
		return err
	}
	if unfreeze {
		if _, err := d.koogallery(ctx, s, "unfreeze", "", "--instance", s.instance); err != nil {
			return err
		}
	}
	return d.untilTrue(ctx, s, stepTimeout, fmt.Sprintf("running again with %d, on the same volume", quantity), running(s, quantity))
}

// release ends the sale: its data are kept for the retention, then everything goes.
func (d *demo) release(ctx context.Context, s *sale) error {
	if _, err := d.koogallery(ctx, s, "release", "", "--instance", s.instance); err != nil {
		return err
	}
	if err := d.untilTrue(ctx, s, stepTimeout, "suspended, with its data kept for the retention", suspended(s, v1alpha1.ReasonReleased)); err != nil {
		return err
	}
	if err := d.untilTrue(ctx, s, clockTimeout, "removed, and its namespace gone", removed); err != nil {
		return err
	}
	_, err := d.koogallery(ctx, s, "query", "(the instance is no longer known to the marketplace)", "--instance", s.instance, "--expect", "000003")
	return err
}

// showTimeline prints what happened to each sale.
func (d *demo) showTimeline(begin time.Time, sales ...*sale) {
	for _, s := range sales {
		d.out.title(fmt.Sprintf("Timeline of the %s, %s", s.title, s.instance))
		d.out.block(strings.Join(d.timeline.of(s.instance, begin), "\n"))
	}
}
