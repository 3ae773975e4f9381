package api_test

import "testing"

func TestInstancesWithoutASale(t *testing.T) {
	t.Parallel()
	judge(t, "MarketplaceInstance", map[string]manifest{
		"the smallest one": {},
		"with everything": {is: `
spec:
  plan: small
  quantity: 3
  attributes: [{name: title, value: Wiki}]
  values: {theme: dark}
  quantityInUse: 0
  desiredState: Suspended
  reconciliation: Paused
  lifecycle: {deletionProtection: Disabled}`},

		"of nothing":                        {is: `spec: {productRef: null, plan: small}`, at: "spec.productRef", says: "an instance without a sale needs productRef"},
		"no spec":                           {is: `spec: null`, at: "spec", says: "Required value"},
		"of a product by text":              {is: `spec: {productRef: hello}`, at: "spec.productRef", says: "must be of type object"},
		"of a product of no product's name": {is: `spec: {productRef: {name: Hello}}`, at: "spec.productRef.name", says: "must be the name of a MarketplaceProduct"},
		"of a plan in capitals":             {is: `spec: {plan: Small}`, at: "spec.plan", says: "must be the name of one of the product's plans"},
		"a quantity of 0":                   {is: `spec: {quantity: 0}`, at: "spec.quantity", says: "greater than or equal to 1"},
		"a quantity of 10 million":          {is: `spec: {quantity: 10000000}`, at: "spec.quantity", says: "less than or equal to 9999999"},
		"a quantity of a half":              {is: `spec: {quantity: 1.5}`, at: "spec.quantity", says: "must be of type int32"},
		"a quantity as a text":              {is: `spec: {quantity: "3"}`, at: "spec.quantity", says: "must be of type integer"},
		"an attribute twice":                {is: `spec: {attributes: [{name: a, value: b}, {name: a, value: c}]}`, at: "spec.attributes[1]", says: "Duplicate value"},
		"attributes as a text":              {is: `spec: {attributes: title}`, at: "spec.attributes", says: "must be of type array"},
		"an attribute pasted with a space":  {is: `spec: {attributes: [{name: "a ", value: b}]}`, at: "spec.attributes", says: "must not begin or end with a space: templates would not find it"},
		"the last attribute taken back":     {is: `spec: {attributes: [{name: a, value: b}]}`, then: []string{`spec: {attributes: null}`}},
		"values empty":                      {is: `spec: {values: {}}`},
		"an attribute without a value":      {is: `spec: {attributes: [{name: a}]}`},
		"65 attributes":                     {is: `spec: {attributes: ` + many(65, "{name: a%d}") + `}`, at: "spec.attributes", says: "must have at most 64 items"},
		"values as a text":                  {is: `spec: {values: "a: b"}`, at: "spec.values", says: "must be of type object"},
		"in use below 0":                    {is: `spec: {quantityInUse: -1}`, at: "spec.quantityInUse", says: "greater than or equal to 0"},
		"a state unknown":                   {is: `spec: {desiredState: Stopped}`, at: "spec.desiredState", says: `"Running", "Suspended"`},
		"reconciliation of a boolean":       {is: `spec: {reconciliation: false}`, at: "spec.reconciliation", says: "must be of type string"},
		"the protection where it stood":     {is: `spec: {deletionProtection: Disabled}`, says: `unknown field "spec.deletionProtection"`},
		"the minimum of before":             {is: `spec: {minimumQuantity: 1}`, says: `unknown field "spec.minimumQuantity"`},
		"adoption, not yet":                 {is: `spec: {adoption: Allow}`, says: `unknown field "spec.adoption"`},
		"a rollout, not yet":                {is: `spec: {rollout: {state: Paused}}`, says: `unknown field "spec.rollout"`},

		"a name of 40 characters": {is: `metadata: {name: ` + long(40) + `}`},
		"a name of 41 characters": {is: `metadata: {name: ` + long(41) + `}`, at: "metadata", says: "metadata.name must have at most 40 characters and no dots"},
		"a name with a dot":       {is: `metadata: {name: a.b}`, at: "metadata", says: "because the tenant's namespace is named after it"},

		"a tenant that runs until a day": {is: `spec: {lifecycle: {runUntilTime: "2028-01-31T00:00:00Z", reason: a, by: b}}`,
			at: "spec.lifecycle", says: "an instance without a sale never ends by itself"},
		"a tenant with a grace": {is: `spec: {lifecycle: {gracePeriodSeconds: 1}}`, at: "spec.lifecycle", says: "of lifecycle it can have deletionProtection only"},
		"a correction of nothing sold": {is: `spec: {correction: {id: a, reason: b, by: c, entitlement: Active}}`,
			at: "spec.correction", says: "correction corrects what a marketplace has said, and this instance has no subscription"},

		"another product later":          {then: []string{`spec: {productRef: {name: other}}`}, at: "spec.productRef", says: "productRef can't be changed: the tenant's data belong to the product"},
		"no product any more":            {is: `spec: {plan: small}`, then: []string{`spec: {productRef: null}`}, at: "spec.productRef", says: "productRef"},
		"another plan later":             {is: `spec: {plan: small}`, then: []string{`spec: {plan: large}`, `spec: {plan: null}`}},
		"a sale from before Stallkeeper": {then: []string{`spec: {subscription: {marketplace: koogallery, instanceID: OLD-1, entitlement: {state: Active}}}`}},
	})
}

func TestInstancesLifecycle(t *testing.T) {
	t.Parallel()
	lifecycle := func(lifecycle string) string { return `spec: {lifecycle: {` + lifecycle + `}}` }
	judge(t, "sold MarketplaceInstance", map[string]manifest{
		"of everything":              {is: lifecycle(`runUntilTime: "2028-01-31T23:59:59Z", retainUntilTime: "2028-06-30T00:00:00Z", gracePeriodSeconds: 2592000, retentionPeriodSeconds: 7776000, deletionProtection: Enabled, reason: "goodwill, ticket 4711", by: ana@example.com`)},
		"a protection alone":         {is: lifecycle(`deletionProtection: Disabled`)},
		"a period alone":             {is: lifecycle(`retentionPeriodSeconds: 7776000`)},
		"a period with its reason":   {is: lifecycle(`retentionPeriodSeconds: 7776000, reason: a, by: b`)},
		"empty":                      {is: lifecycle(``)},
		"its last wish taken back":   {is: lifecycle(`deletionProtection: Disabled`), then: []string{lifecycle(`deletionProtection: null`)}},
		"a day taken back":           {is: lifecycle(`runUntilTime: "2028-01-31T00:00:00Z", reason: a, by: b`), then: []string{lifecycle(`runUntilTime: null, reason: null, by: null`)}},
		"a reason left behind":       {is: lifecycle(`deletionProtection: Disabled, reason: a, by: b`), then: []string{lifecycle(`deletionProtection: null`)}, at: "spec.lifecycle", says: "none is set: remove them as well"},
		"a day without a reason":     {is: lifecycle(`runUntilTime: "2028-01-31T00:00:00Z", by: ana`), at: "spec.lifecycle.reason", says: "runUntilTime and retainUntilTime need a reason"},
		"a day without a person":     {is: lifecycle(`retainUntilTime: "2028-01-31T00:00:00Z", reason: goodwill`), at: "spec.lifecycle.by", says: "runUntilTime and retainUntilTime need by: who wants it"},
		"a reason for nothing":       {is: lifecycle(`reason: goodwill, by: ana`), at: "spec.lifecycle", says: "reason and by belong to another field of lifecycle, and none is set"},
		"a day without a time":       {is: lifecycle(`runUntilTime: "2028-01-31", reason: a, by: b`), at: "spec.lifecycle.runUntilTime", says: "must be of type date-time"},
		"a day in words":             {is: lifecycle(`runUntilTime: tomorrow, reason: a, by: b`), at: "spec.lifecycle.runUntilTime", says: "must be of type date-time"},
		"a grace below 0":            {is: lifecycle(`gracePeriodSeconds: -1`), at: "spec.lifecycle.gracePeriodSeconds", says: "greater than or equal to 0"},
		"what is the product's own":  {is: lifecycle(`dataKinds: []`), says: `unknown field "spec.lifecycle.dataKinds"`},
		"a reason of 513 characters": {is: lifecycle(`runUntilTime: "2028-01-31T00:00:00Z", by: ana, reason: ` + long(513)), at: "spec.lifecycle.reason", says: "may not be more than 512"},
		"taken back later":           {is: lifecycle(`runUntilTime: "2028-01-31T00:00:00Z", reason: a, by: b`), then: []string{`spec: {lifecycle: null}`}},
	})
}

func TestCorrections(t *testing.T) {
	t.Parallel()
	correction := func(correction string) string {
		return `spec: {correction: {id: ticket-4712, reason: bank transfer under way, by: ana@example.com, ` + correction + `}}`
	}
	judge(t, "sold MarketplaceInstance", map[string]manifest{
		"of everything":                        {is: correction(`entitlement: Active, expiryTime: "2028-01-31T23:59:59Z", acknowledgement: Received, orderID: CS22, items: [{productID: OFFI1, sku: hello-1, quantity: 2}], packageConsumerRef: {name: s7fk}, abandonedOrderIDs: [CS21]`)},
		"a release":                            {is: correction(`entitlement: Released`)},
		"a freeze":                             {is: correction(`entitlement: Frozen`)},
		"an order given up":                    {is: correction(`abandonedOrderIDs: [CS22]`)},
		"of nothing":                           {is: `spec: {correction: {id: a, reason: b, by: c}}`, at: "spec.correction", says: "a correction must correct something: entitlement, expiryTime"},
		"without an id":                        {is: `spec: {correction: {reason: b, by: c, entitlement: Active}}`, at: "spec.correction.id", says: "Required value"},
		"without a reason":                     {is: `spec: {correction: {id: a, by: c, entitlement: Active}}`, at: "spec.correction.reason", says: "Required value"},
		"without a person":                     {is: `spec: {correction: {id: a, reason: b, entitlement: Active}}`, at: "spec.correction.by", says: "Required value"},
		"with an empty id":                     {is: correction(`entitlement: Active`), then: []string{`spec: {correction: {id: ""}}`}, at: "spec.correction.id", says: "at least 1 chars"},
		"with a time":                          {is: correction(`entitlement: Released, time: "2027-01-31T12:00:00Z"`), says: `unknown field "spec.correction.time"`},
		"as in the subscription":               {is: correction(`entitlement: {state: Active}`), says: `unknown field "spec.correction.entitlement.state"`},
		"of a state unknown":                   {is: correction(`entitlement: Canceled`), at: "spec.correction.entitlement", says: `"Active", "Frozen", "Released"`},
		"that awaits again":                    {is: correction(`acknowledgement: Awaited`), at: "spec.correction.acknowledgement", says: "acknowledgement can be Received only"},
		"of items that are none":               {is: correction(`items: []`), at: "spec.correction.items", says: "should have at least 1 items"},
		"of an item by its name":               {is: correction(`items: [{productName: Hello}]`), at: "spec.correction.items", says: "each of items needs productID or sku"},
		"under an id with a line break":        {is: `spec: {correction: {id: "a\nb", reason: b, by: c, entitlement: Active}}`, at: "spec.correction.id", says: "nor hold line breaks"},
		"for a reason of a space":              {is: `spec: {correction: {id: a, reason: " ", by: c, entitlement: Active}}`, at: "spec.correction.reason", says: "reason must say something"},
		"under an id with a space":             {is: `spec: {correction: {id: "a ", reason: b, by: c, entitlement: Active}}`, at: "spec.correction.id", says: "must not begin or end with a space"},
		"of a time of another zone":            {is: correction(`expiryTime: "2028-01-31T23:59:59+08:00"`)},
		"of an item as before":                 {is: correction(`items: [{skuCode: a}]`), says: `unknown field "spec.correction.items[0].skuCode"`},
		"of an order that is given up as well": {is: correction(`orderID: CS22, abandonedOrderIDs: [CS22]`), at: "spec.correction.abandonedOrderIDs", says: "one order can't be the order of the purchase and be abandoned"},
		"of a package that uses itself": {is: `{metadata: {name: package}, ` + correction(`packageConsumerRef: {name: package}`) + `}`,
			at: "spec.correction.packageConsumerRef", says: "packageConsumerRef must name another instance"},
		"of an instance of no instance's name": {is: correction(`packageConsumerRef: {name: A.B}`), at: "spec.correction.packageConsumerRef.name", says: "must be the name of a MarketplaceInstance"},

		"the same again":       {is: correction(`entitlement: Active`), then: []string{correction(`entitlement: Active`)}},
		"another id":           {is: correction(`entitlement: Frozen`), then: []string{`spec: {correction: {id: ticket-4713, entitlement: Active}}`}},
		"taken out":            {is: correction(`entitlement: Frozen`), then: []string{`spec: {correction: null}`}},
		"changed under its id": {is: correction(`entitlement: Frozen`), then: []string{`spec: {correction: {entitlement: Active}}`}, at: "spec.correction.id", says: "a correction is applied once and can't be changed: give the new one another id"},
		"its reason changed":   {is: correction(`entitlement: Frozen`), then: []string{`spec: {correction: {reason: other}}`}, at: "spec.correction.id", says: "give the new one another id"},
	})
}

func TestSubscriptions(t *testing.T) {
	t.Parallel()
	sold := func(sold string) string { return `spec: {subscription: {` + sold + `}}` }
	judge(t, "sold MarketplaceInstance", map[string]manifest{
		"the smallest one":                       {},
		"from before Stallkeeper":                {is: sold(`orderID: CS22, orderLineID: CS22-1, purchaseTime: "2026-01-01T00:00:00Z", items: [{productID: p, sku: s, productName: Hello, quantity: 0}], plan: small, quantity: 0, attributes: [{name: a, value: b}], customerID: c, customerName: Acme, type: Paid, chargingMode: Prepaid, startTime: "2026-01-01T00:00:00Z", expiryTime: "2027-01-01T00:00:00Z", expirySource: Order, acknowledgement: {state: Received, by: Person}`)},
		"a license code":                         {is: sold(`entitlement: null, license: {type: Code}`)},
		"ids of 256 characters":                  {is: sold(`instanceID: ` + long(256) + `, orderID: ` + long(256) + `, customerID: ` + long(256))},
		"an id that is an ARN":                   {is: sold(`instanceID: "arn:aws:license-manager::123456789012:license:l-0123456789abcdef0123456789abcdef"`)},
		"an id of 257 characters":                {is: sold(`instanceID: ` + long(257)), at: "spec.subscription.instanceID", says: "may not be more than 256"},
		"no instance id":                         {is: sold(`instanceID: null`), at: "spec.subscription.instanceID", says: "Required value"},
		"no marketplace":                         {is: sold(`marketplace: null`), at: "spec.subscription.marketplace", says: "Required value"},
		"a marketplace of no Marketplace's name": {is: sold(`marketplace: Koo Gallery`), at: "spec.subscription.marketplace", says: "must be the name of a Marketplace"},
		"no entitlement":                         {is: sold(`entitlement: null`), at: "spec.subscription.entitlement", says: "entitlement is required, but for a license code"},
		"an entitlement unknown":                 {is: sold(`entitlement: {state: Paid}`), at: "spec.subscription.entitlement.state", says: `"Active", "Frozen", "Released"`},
		"frozen for nothing":                     {is: sold(`entitlement: {state: Frozen}`), at: "spec.subscription.entitlement.reason", says: "needs a reason, and one that is Active has none"},
		"released for nothing":                   {is: sold(`entitlement: {state: Released}`), at: "spec.subscription.entitlement.reason", says: "needs a reason"},
		"active for a reason":                    {is: sold(`entitlement: {state: Active, reason: Expired}`), at: "spec.subscription.entitlement.reason", says: "one that is Active has none"},
		"frozen for a reason of later versions":  {is: sold(`entitlement: {state: Frozen, reason: Dispute}`)},
		"an end's source without the end":        {is: sold(`expirySource: Person`), at: "spec.subscription.expirySource", says: "expirySource says who set expiryTime, which is missing"},
		"an end before its start":                {is: sold(`startTime: "2027-01-01T00:00:00Z", expiryTime: "2026-01-01T00:00:00Z"`), at: "spec.subscription.expiryTime", says: "expiryTime must not be before startTime"},
		"a type of before":                       {is: sold(`type: Formal`), at: "spec.subscription.type", says: `"Trial", "Paid"`},
		"a charging mode of before":              {is: sold(`chargingMode: OnDemand`), at: "spec.subscription.chargingMode", says: `"Prepaid", "OneTime", "Metered", "MeteredPackage"`},
		"the orders of before":                   {is: sold(`orders: []`), says: `unknown field "spec.subscription.orders"`},
		"the end of before":                      {is: sold(`expiresAt: "2027-01-01T00:00:00Z"`), says: `unknown field "spec.subscription.expiresAt"`},
		"a license of another type":              {is: sold(`license: {type: File}`), at: "spec.subscription.license.type", says: "Unsupported value"},
		"calls":                                  {is: sold(`calls: [{operation: newInstance, orderID: CS22, time: "2026-01-01T00:00:00Z", pending: Purchase, source: Call}, {operation: refreshInstance, variant: RENEWAL, orderID: CS23, time: "2026-02-01T00:00:00Z", previousExpiryTime: "2027-01-01T00:00:00Z"}, {operation: Correction, id: ticket-4712, by: ana, reason: a, time: "2026-02-01T00:00:00Z"}]`)},
		"a call of no order and no id":           {is: sold(`calls: [{operation: newInstance, time: "2026-01-01T00:00:00Z"}]`), at: "spec.subscription.calls[0]", says: "a call needs orderID, or id"},
		"a call of no time":                      {is: sold(`calls: [{operation: newInstance, orderID: a}]`), at: "spec.subscription.calls[0].time", says: "Required value"},
		"a call pending for what is unknown":     {is: sold(`calls: [{operation: a, orderID: a, time: "2026-01-01T00:00:00Z", pending: Refund}]`), at: "spec.subscription.calls[0].pending", says: `"Purchase", "Change", "Renewal"`},
		"129 calls":                              {is: sold(`calls: ` + many(129, `{operation: a, orderID: o%d, time: "2026-01-01T00:00:00Z"}`)), at: "spec.subscription.calls", says: "must have at most 128 items"},
		"a package that uses itself": {is: `{metadata: {name: itself}, ` + sold(`packageConsumerRef: {name: itself}`) + `}`,
			at: "spec.subscription.packageConsumerRef", says: "a package can't use itself"},

		"another marketplace later":             {then: []string{sold(`marketplace: other`)}, at: "spec.subscription", says: "marketplace and instanceID name the sale at the marketplace and can't be changed"},
		"another id later":                      {then: []string{sold(`instanceID: other`)}, at: "spec.subscription", says: "can't be changed"},
		"no subscription any more":              {is: `spec: {productRef: {name: a}}`, then: []string{`spec: {subscription: null}`}, at: "spec.subscription", says: "subscription can't be removed"},
		"a license later":                       {then: []string{sold(`license: {type: Code}`)}, at: "spec.subscription.license", says: "license can't be added or removed: make another instance"},
		"a package's consumer before its order": {then: []string{sold(`packageConsumerRef: {name: other}`)}},
		"a package's consumer after its order":  {is: sold(`items: [{sku: a}]`), then: []string{sold(`packageConsumerRef: {name: other}`)}, at: "spec.subscription.packageConsumerRef", says: "can't be added or removed once the order was read"},
		"another consumer of a package":         {is: sold(`items: [{sku: a}], packageConsumerRef: {name: a}`), then: []string{sold(`packageConsumerRef: {name: b}`)}},
		"a product once it is known":            {then: []string{`spec: {productRef: {name: hello}}`}},
	})
}

func TestStatusOfInstances(t *testing.T) {
	t.Parallel()
	judge(t, "MarketplaceInstance", map[string]manifest{
		"a state of later versions": {where: "status", then: []string{`status: {state: Hibernating}`}},
		"everything": {where: "status", then: []string{`
status:
  observedGeneration: 3
  state: Suspended
  effective: {plan: small, quantity: 1, attributes: [{name: a, value: b}], deletionProtection: Enabled, differences: ["plan: sold small, runs large"]}
  timetable: {expiryTime: "2027-01-01T00:00:00Z", suspensionTime: "2027-01-16T00:00:00Z", deletionTime: "2027-02-01T00:00:00Z"}
  access: {frontEndURL: "https://a.example.com/", credentialsSecretRef: {name: a-access}}
  planLimits: [{plan: small, minimumQuantity: 2, claim: PersistentVolumeClaim/data}]
  namespace: tenant-a-abcdef
  revision: hello-9f2c
  targetRevision: hello-41ab
  blockers: [{object: Deployment/web, reason: FailedCreate, message: m, remedy: r, firstSeenTime: "2027-01-01T00:00:00Z"}]
  blockersTotal: 17
  keptObjects: [PersistentVolumeClaim/data]
  usage: [{meter: requests, unit: GB, total: "12.5", countedUntilTime: "2027-01-01T00:00:00Z", pendingRecords: 3}]`}},
		"32 conditions": {where: "status", then: []string{`status: {conditions: ` + many(32, condition("Later%d", "True", "SaidLater")) + `}`}},
		"33 conditions": {where: "status", then: []string{`status: {conditions: ` + many(33, condition("Later%d", "True", "SaidLater")) + `}`},
			at: "status.conditions", says: "must have at most 32 items"},
	})
}
