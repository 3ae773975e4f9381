package subscription_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/subscription"
)

// awaiting is a sale of which the marketplace has not been heard since.
func awaiting(sub *v1alpha1.Subscription) {
	sub.Acknowledgement = v1alpha1.Acknowledgement{State: v1alpha1.AcknowledgementAwaited}
}

func received(by v1alpha1.AcknowledgementSource, on int) v1alpha1.Acknowledgement {
	return v1alpha1.Acknowledgement{State: v1alpha1.AcknowledgementReceived, By: by, Time: at(on)}
}

func TestMergeNotesTheFirstCallThatNamesTheInstance(t *testing.T) {
	inQuery := func(sent int) marketplace.Event {
		return marketplace.Event{Kind: marketplace.Query, InstanceIDs: []string{"i1"}, SentAt: day(sent)}
	}
	check := marketplace.Event{Kind: marketplace.Check, InstanceID: "i1", SentAt: day(3)}
	wanting := purchase(0)
	wanting.Wants = marketplace.WantAccess
	byCode := freeze(3)
	byCode.InstanceID, byCode.License = "", "PL1"
	awaited := v1alpha1.Acknowledgement{State: v1alpha1.AcknowledgementAwaited}
	byCall := received(v1alpha1.AcknowledgedByCall, 3)
	tests := map[string]struct {
		sub    *v1alpha1.Subscription
		events []marketplace.Event
		want   v1alpha1.Acknowledgement
	}{
		"a purchase awaits it":                              {nil, []marketplace.Event{purchase(0)}, awaited},
		"a purchase that is not asked for does not":         {nil, []marketplace.Event{wanting}, v1alpha1.Acknowledgement{}},
		"a purchase made again shows nothing":               {sale(awaiting), []marketplace.Event{purchase(3)}, awaited},
		"a query":                                           {sale(awaiting), []marketplace.Event{inQuery(3)}, received(v1alpha1.AcknowledgedByQuery, 3)},
		"a query after a query":                             {sale(awaiting), []marketplace.Event{inQuery(3), inQuery(4)}, received(v1alpha1.AcknowledgedByQuery, 3)},
		"a renewal":                                         {sale(awaiting), []marketplace.Event{renewal("r1", 3, 60)}, byCall},
		"a renewal that was heard of by an earlier version": {sale(awaiting, heard(refreshed("RENEWAL", "r1", 1, 30))), []marketplace.Event{renewal("r1", 3, 60)}, byCall},
		"an upgrade":                                        {sale(awaiting), []marketplace.Event{upgrade("u1", 3)}, byCall},
		"a freeze":                                          {sale(awaiting), []marketplace.Event{freeze(3)}, byCall},
		"an unfreeze":                                       {sale(awaiting), []marketplace.Event{unfreeze(3)}, byCall},
		"a release":                                         {sale(awaiting), []marketplace.Event{released(3, "")}, byCall},
		"a check":                                           {sale(awaiting), []marketplace.Event{check}, byCall},
		"a call by a license's code, which is not our answer": {sale(awaiting), []marketplace.Event{byCode}, awaited},
		"a sale of an earlier version stays as it was":        {sale(), []marketplace.Event{inQuery(3), freeze(3)}, v1alpha1.Acknowledgement{}},
		"a person's word stays": {
			sale(func(sub *v1alpha1.Subscription) {
				sub.Acknowledgement = v1alpha1.Acknowledgement{State: v1alpha1.AcknowledgementReceived, By: v1alpha1.AcknowledgedByPerson}
			}),
			[]marketplace.Event{inQuery(3)},
			v1alpha1.Acknowledgement{State: v1alpha1.AcknowledgementReceived, By: v1alpha1.AcknowledgedByPerson},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			sub := tc.sub
			for _, event := range tc.events {
				merged, err := subscription.Merge(sub, event, day(5))
				if err != nil {
					t.Fatal(err)
				}
				sub = merged
			}
			if diff := cmp.Diff(tc.want, sub.Acknowledgement); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
