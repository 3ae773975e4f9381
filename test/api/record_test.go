package api_test

import "testing"

func TestUsageRecords(t *testing.T) {
	t.Parallel()
	const fixed = "a usage record can't be changed: delete it and create another one"
	judge(t, "UsageRecord", map[string]manifest{
		"the smallest one":        {},
		"of 0":                    {is: `spec: {value: "0"}`},
		"of the largest amount":   {is: `spec: {value: "99999999.9999"}`},
		"a checkpoint":            {is: `spec: {value: "0", endTime: "2026-01-02T00:00:00Z", checkpoint: {total: "17.5", packageUsed: "3", packageStartTime: "2026-01-01T00:00:00Z", packages: [{name: p, used: "3"}]}}`},
		"of a time not measured":  {is: `spec: {value: "0", unmeasured: Suspended, tenantActivity: Stopped}`},
		"pushed, after a restore": {is: `spec: {delivery: {packageRef: {name: p}, attemptTime: "2026-01-02T02:00:00Z", pushTime: "2026-01-02T02:00:01Z"}}`},

		"of no instance":                   {is: `spec: {instanceRef: null}`, at: "spec.instanceRef", says: "Required value"},
		"of an instance by text":           {is: `spec: {instanceRef: acme}`, at: "spec.instanceRef", says: "must be of type object"},
		"of no meter":                      {is: `spec: {meter: null}`, at: "spec.meter", says: "Required value"},
		"of no start":                      {is: `spec: {startTime: null}`, at: "spec.startTime", says: "Required value"},
		"of no end":                        {is: `spec: {endTime: null}`, at: "spec.endTime", says: "Required value"},
		"of no amount":                     {is: `spec: {value: null}`, at: "spec.value", says: "Required value"},
		"of an amount as a number":         {is: `spec: {value: 12.5}`, at: "spec.value", says: "must be of type string"},
		"of an amount below 0":             {is: `spec: {value: "-1"}`, at: "spec.value", says: "value must be a decimal number"},
		"of an amount too fine":            {is: `spec: {value: "0.00001"}`, at: "spec.value", says: "4 behind it"},
		"of an amount too large":           {is: `spec: {value: "100000000"}`, at: "spec.value", says: "at most 8 digits before the point"},
		"of an amount with a comma":        {is: `spec: {value: "12,5"}`, at: "spec.value", says: "value must be a decimal number"},
		"of an amount like 1e3":            {is: `spec: {value: "1e3"}`, at: "spec.value", says: "value must be a decimal number"},
		"that ends as it begins":           {is: `spec: {endTime: "2026-01-02T00:00:00Z"}`, at: "spec.endTime", says: "startTime must be before endTime"},
		"that ends before":                 {is: `spec: {endTime: "2026-01-01T00:00:00Z"}`, at: "spec.endTime", says: "startTime must be before endTime"},
		"of a day alone":                   {is: `spec: {startTime: "2026-01-02"}`, at: "spec.startTime", says: "must be of type date-time"},
		"not measured, with an amount":     {is: `spec: {unmeasured: Lost}`, at: "spec.value", says: "must have the value 0"},
		"a checkpoint with an amount":      {is: `spec: {checkpoint: {total: "1"}}`, at: "spec.value", says: "must have the value 0"},
		"not measured for what is unknown": {is: `spec: {value: "0", unmeasured: Forgotten}`, at: "spec.unmeasured", says: `"Suspended", "Lost"`},
		"the times of before":              {is: `spec: {beginsAt: "2026-01-02T00:00:00Z"}`, says: `unknown field "spec.beginsAt"`},
		"the tenant of before":             {is: `spec: {tenant: Running}`, says: `unknown field "spec.tenant"`},
		"a meter of 64 characters":         {is: `spec: {meter: ` + long(64) + `}`, at: "spec.meter", says: "may not be more than 63"},

		"another amount later":          {then: []string{`spec: {value: "13"}`}, at: "spec.value", says: fixed},
		"another instance later":        {then: []string{`spec: {instanceRef: {name: other}}`}, at: "spec.instanceRef", says: fixed},
		"another meter later":           {then: []string{`spec: {meter: other}`}, at: "spec.meter", says: fixed},
		"another start later":           {then: []string{`spec: {startTime: "2026-01-01T00:00:00Z"}`}, at: "spec.startTime", says: fixed},
		"another end later":             {then: []string{`spec: {endTime: "2026-01-02T02:00:00Z"}`}, at: "spec.endTime", says: fixed},
		"an activity later":             {then: []string{`spec: {tenantActivity: Stopped}`}, at: "spec", says: fixed},
		"another activity later":        {is: `spec: {tenantActivity: Running}`, then: []string{`spec: {tenantActivity: Stopped}`}, at: "spec.tenantActivity", says: fixed},
		"a checkpoint later":            {is: `spec: {value: "0"}`, then: []string{`spec: {checkpoint: {total: "1"}}`}, at: "spec", says: fixed},
		"another checkpoint later":      {is: `spec: {value: "0", checkpoint: {total: "1"}}`, then: []string{`spec: {checkpoint: {total: "2"}}`}, at: "spec.checkpoint", says: fixed},
		"its push":                      {then: []string{`spec: {delivery: {packageRef: {name: p}}}`, `spec: {delivery: {attemptTime: "2026-01-02T02:00:00Z"}}`, `spec: {delivery: {pushTime: "2026-01-02T02:00:01Z"}}`}},
		"a push that did not arrive":    {is: `spec: {delivery: {attemptTime: "2026-01-02T02:00:00Z"}}`, then: []string{`spec: {delivery: null}`}},
		"a push taken back":             {is: `spec: {delivery: {pushTime: "2026-01-02T02:00:00Z"}}`, then: []string{`spec: {delivery: null}`}, at: "spec.delivery", says: "what the marketplace has accepted can't be changed or taken back here"},
		"a withdrawal taken back":       {is: `spec: {delivery: {toldTime: "2026-01-02T02:00:00Z", withdrawnTime: "2026-01-02T02:00:00Z"}}`, then: []string{`spec: {delivery: null}`}, at: "spec.delivery", says: "a record that was withdrawn stays withdrawn: create another one"},
		"what was accepted withdrawn":   {is: `spec: {delivery: {pushTime: "2026-01-02T02:00:00Z"}}`, then: []string{`spec: {delivery: {withdrawnTime: "2026-01-02T02:00:00Z"}}`}, at: "spec.delivery", says: "what the marketplace has accepted can't be changed"},
		"the package of a push changed": {is: `spec: {delivery: {packageRef: {name: p}, pushTime: "2026-01-02T02:00:00Z"}}`, then: []string{`spec: {delivery: {packageRef: {name: q}}}`}, at: "spec.delivery", says: "what the marketplace has accepted can't be changed"},
		"a state of later versions":     {where: "status", then: []string{`status: {state: Settled, observedGeneration: 1}`}},
	})
}

func TestRevisions(t *testing.T) {
	t.Parallel()
	const fixed = "a revision can't be changed: change the product, and another revision is made"
	judge(t, "MarketplaceRevision", map[string]manifest{
		"the smallest one":      {},
		"of no product":         {is: `spec: {productRef: null}`, at: "spec.productRef", says: "Required value"},
		"of no content":         {is: `spec: {contentRef: null}`, at: "spec.contentRef", says: "Required value"},
		"an approval, not yet":  {is: `spec: {approval: {state: Approved}}`, says: `unknown field "spec.approval"`},
		"another product later": {then: []string{`spec: {productRef: {name: other}}`}, at: "spec.productRef", says: fixed},
		"another content later": {then: []string{`spec: {contentRef: {name: other}}`}, at: "spec.contentRef", says: fixed},
		"everything": {where: "status", then: []string{`status: {observedGeneration: 1, state: InUse, tenants: 0, chartDigest: "sha256:5e1c", conditions: [` +
			condition("Ready", "True", "RevisionReady") + `]}`}},
		"a state of later versions": {where: "status", then: []string{`status: {state: AwaitingApproval}`}},
	})
}
