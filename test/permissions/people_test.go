package permissions_test

import (
	"testing"
)

func TestPeopleAndInstances(t *testing.T) {
	const (
		machines = "only machines change it"
		byWhom   = "is ana@example.com, and you are ben@example.com"
		ours     = "begin with stallkeeper.io/"
		license  = "may have nothing but type"
		ledger   = "names who made a correction"
		// What would be lost without a word, and what no call would ever name.
		unapplied = "is not applied yet, and would be lost"
		pasted    = "must not begin or end with a space"
	)
	change := func(who, name, body string) request { return as(who, "MERGE "+instances+"/"+name, body) }
	create := func(who, metadata, spec string) request {
		return as(who, "POST "+instances, "{apiVersion: stallkeeper.io/v1alpha1, kind: MarketplaceInstance, metadata: {name: new"+metadata+"}, spec: {"+spec+"}}")
	}
	sale := func(more string) string {
		return "subscription: {marketplace: koogallery, instanceID: old, entitlement: {state: Active}" + more + "}"
	}
	code := func(more string) string {
		return "productRef: {name: shop}, subscription: {marketplace: koogallery, instanceID: CODE-1, license: {type: Code" + more + "}}"
	}
	correction := func(by string) string {
		return "spec: {correction: {id: ticket-1, reason: bank transfer, by: '" + by + "', entitlement: Active}}"
	}
	extension := func(by string) string {
		return "spec: {lifecycle: {runUntilTime: '2031-01-01T00:00:00Z', reason: goodwill, by: '" + by + "'}}"
	}
	const (
		restore   = ", annotations: {stallkeeper.io/restore: Allow}"
		activated = ", activationTime: '2026-01-01T00:00:00Z', state: Active, lastQueryTime: '2026-01-02T00:00:00Z'"
		corrected = ", calls: [{operation: Correction, id: t, by: ana@example.com, reason: r, time: '2026-01-01T00:00:00Z'}]"
	)
	try(t, map[string]attempt{
		"a sale from before Stallkeeper is brought":            {create(editor, "", sale("")), ""},
		"a tenant is made by hand":                             {create(editor, "", "productRef: {name: shop}, plan: small"), ""},
		"wishes are changed":                                   {change(editor, "sold", "spec: {quantity: 5, desiredState: Suspended}"), ""},
		"what was sold is not changed":                         {change(editor, "sold", "spec: {subscription: {quantity: 50}}"), machines},
		"a freeze is not lifted by hand":                       {change(editor, "sold", "spec: {subscription: {entitlement: {state: Active, time: '2030-01-01T00:00:00Z'}}}"), machines},
		"a sale is not released by hand":                       {change(editor, "sold", "spec: {subscription: {entitlement: {state: Released, reason: Person, time: '2017-01-01T00:00:00Z'}}}"), machines},
		"nothing of it is changed by an apply":                 {as(editor, "APPLY "+instances+"/sold", "spec: {subscription: {marketplace: koogallery, instanceID: sold, entitlement: {state: Active}, expiryTime: '2030-01-01T00:00:00Z'}}"), machines},
		"the same applied again is no change":                  {as(editor, "APPLY "+instances+"/sold", "spec: {quantity: 4, subscription: {marketplace: koogallery, instanceID: sold, entitlement: {state: Active}}}"), ""},
		"an administrator is a person too":                     {change(admin, "sold", "spec: {subscription: {quantity: 50}}"), machines},
		"what to write instead is said":                        {change(editor, "sold", "spec: {subscription: {quantity: 50}}"), "spec.correction"},
		"how to restore is said":                               {change(editor, "sold", "spec: {subscription: {quantity: 50}}"), "kubectl annotate mpi sold -n sales stallkeeper.io/edit-subscription=Allow"},
		"the consent to a restore is given":                    {change(editor, "sold", "metadata: {annotations: {stallkeeper.io/edit-subscription: Allow}}"), ""},
		"consent and change do not come in one write":          {change(editor, "sold", "metadata: {annotations: {stallkeeper.io/edit-subscription: Allow}}\nspec: {subscription: {quantity: 50}}"), machines},
		"with the consent it is restored":                      {change(editor, "restored", "spec: {subscription: {quantity: 50}}"), ""},
		"the consent is taken back":                            {change(editor, "restored", "metadata: {annotations: {stallkeeper.io/edit-subscription: null}}"), ""},
		"a consent of another value is refused":                {change(editor, "sold", "metadata: {annotations: {stallkeeper.io/edit-subscription: 'true'}}"), ours},
		"a backup tool restores":                               {change(restorer, "sold", "spec: {subscription: {quantity: 50}}"), ""},
		"a GitOps tool does not":                               {change(gitOps, "sold", "spec: {subscription: {quantity: 50}}"), machines},
		"a code is entered":                                    {create(editor, "", code("")), ""},
		"a code is not entered activated":                      {create(editor, "", code(", activationTime: '2026-01-01T00:00:00Z'")), license},
		"a code is not entered as active":                      {create(editor, "", code(", state: Active")), license},
		"a code is not entered as asked about":                 {create(editor, "", code(", lastQueryTime: '2026-01-01T00:00:00Z'")), license},
		"a code is restored":                                   {create(editor, restore, code(activated)), ""},
		"a backup tool restores a code":                        {create(restorer, "", code(activated)), ""},
		"a sale is not brought with another's correction":      {create(editor, "", sale(corrected)), ledger},
		"a sale is restored with another's correction":         {create(editor, restore, sale(corrected)), ""},
		"one corrects in one's own name":                       {change(editor, "sold", correction(editor)), ""},
		"one corrects not in another's name":                   {change(editor, "sold", correction("ana@example.com")), byWhom},
		"a new one in one's own name follows another's":        {change(editor, "helped", "spec: {correction: {id: b, by: ben@example.com, reason: again}}"), ""},
		"a correction that was refused is replaced":            {change(editor, "refused", "spec: {correction: {id: b, orderID: null, entitlement: Frozen}}"), ""},
		"a correction that waits is not replaced":              {change(editor, "unseen", "spec: {correction: {id: b}}"), unapplied},
		"how to wait for it is said":                           {change(editor, "unseen", "spec: {correction: {id: b}}"), "kubectl wait mpi unseen -n sales --for=condition=Corrected"},
		"a correction that waits is not replaced by an apply":  {as(editor, "APPLY "+instances+"/unseen", "spec: {correction: {id: b, reason: r, by: ben@example.com, entitlement: Frozen}}"), unapplied},
		"a correction that waits is applied again":             {change(editor, "unseen", "spec: {correction: {id: a, entitlement: Active}}"), ""},
		"a correction that waits is taken back":                {change(editor, "unseen", "spec: {correction: null}"), ""},
		"a backup tool replaces one that waits":                {change(restorer, "unseen", "spec: {correction: {id: b}}"), ""},
		"a code that was pasted with a space is refused":       {create(editor, "", "productRef: {name: shop}, subscription: {marketplace: koogallery, instanceID: 'CODE-1 ', license: {type: Code}}"), pasted},
		"an order that was pasted with a line break":           {create(editor, "", sale(`, orderID: "CS1\n"`)), pasted},
		"a customer that was pasted with a hidden character":   {create(editor, "", sale(`, customerID: "a\u200b"`)), pasted},
		"an id of another alphabet":                            {create(editor, "", sale(`, customerID: "客户 1"`)), ""},
		"an id with a space is restored":                       {create(editor, restore, sale(", orderID: 'CS1 '")), ""},
		"another's correction is not changed into a new one":   {change(editor, "helped", "spec: {correction: {id: b}}"), byWhom},
		"another's correction stays beside other changes":      {change(editor, "helped", "spec: {quantity: 3}"), ""},
		"another's correction is removed":                      {change(editor, "helped", "spec: {correction: null}"), ""},
		"a GitOps tool corrects for others":                    {change(gitOps, "sold", correction("ana@example.com")), ""},
		"one extends in one's own name":                        {change(editor, "sold", extension(editor)), ""},
		"one extends not in another's name":                    {change(editor, "sold", extension("ana@example.com")), byWhom},
		"another's extension is not lengthened in his name":    {change(editor, "helped", "spec: {lifecycle: {runUntilTime: '2032-01-01T00:00:00Z'}}"), byWhom},
		"another's extension gets no other reason in his name": {change(editor, "helped", "spec: {lifecycle: {reason: because}}"), byWhom},
		"another's extension is taken over":                    {change(editor, "helped", "spec: {lifecycle: {runUntilTime: '2032-01-01T00:00:00Z', by: ben@example.com}}"), ""},
		"another's extension is removed":                       {change(editor, "helped", "spec: {lifecycle: null}"), ""},
		"protection is lifted beside another's extension":      {change(editor, "helped", "spec: {lifecycle: {deletionProtection: Disabled}}"), ""},
		"protection is lifted without a name":                  {change(editor, "sold", "spec: {lifecycle: {deletionProtection: Disabled}}"), ""},
		"an instance is made with one's own extension":         {create(editor, "", sale("")+", lifecycle: {retainUntilTime: '2031-01-01T00:00:00Z', reason: r, by: ben@example.com}"), ""},
		"an instance is made with no other's extension":        {create(editor, "", sale("")+", lifecycle: {retainUntilTime: '2031-01-01T00:00:00Z', reason: r, by: ana@example.com}"), byWhom},
		"a GitOps tool extends for others":                     {change(gitOps, "sold", extension("ana@example.com")), ""},
		"labels of one's own":                                  {change(editor, "sold", "metadata: {labels: {team: b}, annotations: {example.com/note: c}}"), ""},
		"no label of ours":                                     {change(editor, "sold", "metadata: {labels: {stallkeeper.io/instance: other}}"), ours},
		"no annotation of ours":                                {change(editor, "sold", "metadata: {annotations: {stallkeeper.io/content-hash: x}}"), ours},
		"no instance with a label of ours":                     {create(editor, ", labels: {stallkeeper.io/product: shop}", sale("")), ours},
	})
}

func TestPeopleAndUsageRecords(t *testing.T) {
	const (
		controllers = "are written by the controller"
		settled     = "A person settles a push"
		told        = "keeps the amount that it was told first"
		accepted    = "has accepted this usage"
		ours        = "begin with stallkeeper.io/"
	)
	create := func(who, metadata, spec string) request {
		return as(who, "POST "+records, "{apiVersion: stallkeeper.io/v1alpha1, kind: UsageRecord, metadata: {name: new"+metadata+"}, spec: {instanceRef: {name: sold},"+
			" meter: requests, value: '0', startTime: '2026-01-01T11:00:00Z', endTime: '2026-01-01T12:00:00Z'"+spec+"}}")
	}
	deliver := func(who, name, delivery string) request {
		return as(who, "MERGE "+records+"/"+name, "spec: {delivery: "+delivery+"}")
	}
	const (
		restore    = ", annotations: {stallkeeper.io/restore: Allow}"
		delivered  = ", delivery: {pushTime: '2026-01-01T13:00:00Z'}"
		checkpoint = ", checkpoint: {total: '999999999'}"
		pushed     = "{pushTime: '2026-01-01T11:00:00Z'}"
		withdrawn  = "{withdrawnTime: '2026-01-01T11:00:00Z'}"
	)
	try(t, map[string]attempt{
		"a record is written":                                 {create(editor, "", ""), ""},
		"a record is written with its instance's label":       {create(editor, ", labels: {stallkeeper.io/instance: sold}", ""), ""},
		"no record with another's label":                      {create(editor, ", labels: {stallkeeper.io/instance: fresh}", ""), ours},
		"no record with another label of ours":                {create(editor, ", labels: {stallkeeper.io/product: shop}", ""), ours},
		"no record that is delivered":                         {create(editor, "", delivered), controllers},
		"no record that names a package":                      {create(editor, "", ", delivery: {packageRef: {name: pack}}"), controllers},
		"no checkpoint":                                       {create(editor, "", checkpoint), controllers},
		"no record of a tenant that stood still":              {create(editor, "", ", tenantActivity: Stopped"), controllers},
		"no record that was not measured":                     {create(editor, "", ", unmeasured: Lost"), controllers},
		"an administrator is a person too":                    {create(admin, "", checkpoint), controllers},
		"a delivered record is restored":                      {create(editor, restore, delivered), ""},
		"a checkpoint is restored":                            {create(editor, restore, checkpoint), ""},
		"a backup tool restores":                              {create(restorer, "", checkpoint), ""},
		"a GitOps tool does not":                              {create(gitOps, "", checkpoint), controllers},
		"one that was not tried is not called accepted":       {deliver(editor, "sold-1", pushed), settled},
		"one that was not tried is not called tried":          {deliver(editor, "sold-1", "{attemptTime: '2026-01-01T11:00:00Z'}"), settled},
		"one that was not tried gets no package":              {deliver(editor, "sold-1", "{packageRef: {name: pack}}"), settled},
		"one whose answer was lost is settled":                {deliver(editor, "lost", pushed), ""},
		"one whose answer was lost is pushed again":           {deliver(editor, "lost", "null"), ""},
		"one whose answer was lost keeps its package":         {deliver(editor, "lost", "{attemptTime: null}"), ""},
		"one whose answer was lost gets no other package":     {deliver(editor, "lost", "{packageRef: {name: other}}"), settled},
		"one whose answer was lost loses no package":          {deliver(editor, "lost", "{packageRef: null}"), settled},
		"one whose answer was lost has one attempt":           {deliver(editor, "lost", "{attemptTime: '2026-01-01T12:00:00Z'}"), settled},
		"one is not labeled":                                  {as(editor, "MERGE "+records+"/sold-1", "metadata: {labels: {stallkeeper.io/instance: fresh}}"), ours},
		"one gets no consent afterwards":                      {as(editor, "MERGE "+records+"/sold-1", "metadata: {annotations: {stallkeeper.io/restore: Allow}}"), ours},
		"one's own annotations":                               {as(editor, "MERGE "+records+"/sold-1", "metadata: {annotations: {note: a}}"), ""},
		"one that was not pushed is deleted":                  {as(editor, "DELETE "+records+"/sold-1"), ""},
		"one that was accepted is not deleted":                {as(editor, "DELETE "+records+"/accepted"), accepted},
		"nor by an administrator":                             {as(admin, "DELETE "+records+"/accepted"), accepted},
		"nor all of them at once":                             {as(editor, "DELETE "+records), "ettle a wrong amount with"},
		"one whose push was begun is not deleted":             {as(editor, "DELETE "+records+"/lost"), told},
		"one that the marketplace was told of is not deleted": {as(editor, "DELETE "+records+"/told"), told},
		"nor made untold":                                     {deliver(editor, "told", "null"), settled},
		"one that the marketplace was told of is settled":     {deliver(editor, "told", pushed), ""},
		"one that was withdrawn and is shown is settled":      {deliver(editor, "withdrawn", pushed), ""},
		"one that the marketplace was told of is withdrawn":   {deliver(editor, "told", withdrawn), ""},
		"one whose answer was lost is withdrawn":              {deliver(editor, "lost", withdrawn), ""},
		"one that was not tried is not withdrawn":             {deliver(editor, "sold-1", withdrawn), settled},
		"one is not withdrawn and made untold":                {deliver(editor, "told", "{withdrawnTime: '2026-01-01T11:00:00Z', toldTime: null}"), settled},
		"one that was withdrawn and arrived is accepted":      {deliver(controller, "withdrawn", pushed), ""},
		"one whose push may be on its way is not deleted":     {as(editor, "DELETE "+records+"/withdrawing"), told},
		"one that was withdrawn is deleted":                   {as(editor, "DELETE "+records+"/withdrawn"), ""},
		"one that was withdrawn too late is not deleted":      {as(editor, "DELETE "+records+"/withdrawn-late"), accepted},
		"the controller replaces old ones":                    {as(controller, "DELETE "+records+"/accepted"), ""},
	})
}

func TestPeopleAndRevisions(t *testing.T) {
	const only = "written by the controller only"
	try(t, map[string]attempt{
		"are read":               {as(editor, "GET "+revisions+"/shop-1"), ""},
		"are not made":           {as(editor, "POST "+revisions, shown("shop", "shop-2", "shop-2")), only},
		"are not changed":        {as(editor, "MERGE "+revisions+"/shop-1", "metadata: {labels: {stallkeeper.io/product: other}}"), only},
		"are not called unused":  {as(editor, "MERGE "+revisions+"/shop-1/status", "status: {state: Unused}"), only},
		"are not deleted":        {as(editor, "DELETE "+revisions+"/shop-1"), only},
		"are restored":           {as(restorer, "POST "+revisions, shown("shop", "shop-2", "shop-2")), ""},
		"go with their product":  {as(collector, "DELETE "+revisions+"/shop-1"), ""},
		"nor by the webhook":     {as(webhook, "DELETE "+revisions+"/shop-1"), byRBAC},
		"nor read by the bridge": {as(login, "GET "+revisions+"/shop-1"), byRBAC},
	})
}

func TestPeopleAndProducts(t *testing.T) {
	const (
		sooner = "sooner than 86400 seconds"
		sold   = "has 1 instances that are not released"
	)
	create := func(spec string) request {
		return as(editor, "POST "+products, "{apiVersion: stallkeeper.io/v1alpha1, kind: MarketplaceProduct, metadata: {name: new}, spec: {template: {inline: 'a: b'}, "+spec+"}}")
	}
	try(t, map[string]attempt{
		"data are kept unless said otherwise":                   {create("plans: [{name: small}], lifecycle: {retentionPeriodSeconds: 0}"), ""},
		"data are deleted after a day":                          {create("plans: [{name: small}], lifecycle: {afterRetention: Delete, retentionPeriodSeconds: 86400}"), ""},
		"data are deleted after the default":                    {create("plans: [{name: small}], lifecycle: {afterRetention: Delete}"), ""},
		"data are not deleted at once":                          {create("plans: [{name: small}], lifecycle: {gracePeriodSeconds: 0, afterRetention: Delete, retentionPeriodSeconds: 0}"), sooner},
		"nor by a plan":                                         {create("plans: [{name: small}, {name: trial, lifecycle: {afterRetention: Delete, retentionPeriodSeconds: 86399}}]"), "plan trial"},
		"nor by a plan's half":                                  {create("plans: [{name: trial, lifecycle: {retentionPeriodSeconds: 60}}], lifecycle: {afterRetention: Delete}"), sooner},
		"a plan's own word counts":                              {create("plans: [{name: small, lifecycle: {afterRetention: Keep}}], lifecycle: {afterRetention: Delete, retentionPeriodSeconds: 60}"), ""},
		"the value to change is said":                           {create("plans: [{name: small}], lifecycle: {afterRetention: Delete, retentionPeriodSeconds: 0}"), "admissionPolicies.minRetentionSeconds"},
		"one from before the rule is changed elsewhere":         {as(editor, "MERGE "+products+"/hasty", "spec: {rollout: {state: Paused}}"), ""},
		"one from before the rule is put right":                 {as(editor, "MERGE "+products+"/hasty", "spec: {lifecycle: {retentionPeriodSeconds: 100000}}"), ""},
		"one from before the rule is not changed for the worse": {as(editor, "MERGE "+products+"/hasty", "spec: {lifecycle: {gracePeriodSeconds: 0}}"), sooner},
		"one that is sold is not deleted":                       {as(admin, "DELETE "+products+"/shop"), sold},
		"how to find its instances is said":                     {as(admin, "DELETE "+products+"/shop"), "kubectl get mpi -n sales --field-selector spec.productRef.name=shop"},
		"all at once are not deleted":                           {as(admin, "DELETE "+products), sold},
		"one whose sales are released is deleted":               {as(admin, "DELETE "+products+"/old"), ""},
		"one that is not protected is deleted":                  {as(admin, "DELETE "+products+"/fleeting"), ""},
		"one goes with its namespace":                           {as(collector, "DELETE "+products+"/shop"), ""},
	})
}

func TestPeopleAndMarketplaces(t *testing.T) {
	const (
		given = "namespace sales is given koogallery-openapi"
		host  = "add the host to the chart's value credentials.apiHosts"
	)
	api := func(api string) request {
		return as(editor, "MERGE "+markets+"/koogallery", "spec: {kooGallery: {api: "+api+"}}")
	}
	try(t, map[string]attempt{
		"credentials of the namespace":       {api("{credentialsSecretName: koogallery-openapi}"), ""},
		"no credentials of another":          {api("{credentialsSecretName: other-openapi}"), given},
		"no Secret that is not given at all": {api("{credentialsSecretName: stallkeeper-webhook-tls}"), given},
		"a proxy that is allowed":            {api("{credentialsSecretName: koogallery-openapi, url: 'https://proxy.example.com:8443/x'}"), ""},
		"no other host":                      {api("{credentialsSecretName: koogallery-openapi, url: 'https://evil.example.com'}"), host},
		"no host that only looks like it":    {api("{credentialsSecretName: koogallery-openapi, url: 'https://proxy.example.com.evil.example'}"), host},
		"no metadata service":                {api("{credentialsSecretName: koogallery-openapi, url: 'http://169.254.169.254'}"), host},
		"everything else":                    {as(editor, "MERGE "+markets+"/koogallery", "spec: {kooGallery: {signOnPKCE: Omit}}"), ""},
	})
}

func TestAccessSecrets(t *testing.T) {
	const (
		secrets = "/api/v1/namespaces/sales/secrets/"
		seed    = "holds the seed of the passwords of instance sold"
		other   = "every password of the tenant is made from"
	)
	change := func(who, name, body string) request { return as(who, "MERGE "+secrets+name, body) }
	try(t, map[string]attempt{
		"an access Secret is not deleted":               {as(admin, "DELETE "+secrets+"sold-access"), seed},
		"nor all Secrets at once":                       {as(admin, "DELETE /api/v1/namespaces/sales/secrets"), "holds the seed"},
		"nor by who restores":                           {as(restorer, "DELETE "+secrets+"sold-access"), seed},
		"what to do when the instance is gone is said":  {as(admin, "DELETE "+secrets+"sold-access"), "kubectl label secret sold-access -n sales stallkeeper.io/instance-"},
		"that can be done":                              {change(admin, "sold-access", "metadata: {labels: {stallkeeper.io/instance: null}}"), ""},
		"the garbage collector deletes it":              {as(collector, "DELETE "+secrets+"sold-access"), ""},
		"other Secrets of the instance can go":          {as(admin, "DELETE "+secrets+"sold-license"), ""},
		"callback keys can go":                          {as(admin, "DELETE "+secrets+"koogallery"), ""},
		"the seed is not changed":                       {change(admin, "sold-access", "stringData: {seed: other}"), other},
		"the seed is not removed":                       {change(admin, "sold-access", "data: {seed: null}"), other},
		"nor with everything else":                      {change(admin, "sold-access", "data: null"), other},
		"the same seed again is no change":              {change(admin, "sold-access", "stringData: {seed: v}"), ""},
		"what else is in it is changed":                 {change(admin, "sold-access", "stringData: {userName: root}"), ""},
		"a seed that was lost is put back":              {change(admin, "bare-access", "stringData: {seed: v}"), ""},
		"the right one is put back with a consent":      {change(admin, "back-access", "stringData: {seed: other}"), ""},
		"the consent does not come with it":             {change(admin, "sold-access", "metadata: {annotations: {stallkeeper.io/restore: Allow}}\nstringData: {seed: other}"), other},
		"a backup tool puts it back":                    {change(restorer, "sold-access", "stringData: {seed: other}"), ""},
		"a Secret of that name elsewhere is not ours":   {as(admin, "DELETE /api/v1/namespaces/tenant-sold/secrets/access"), ""},
		"what the access Secret shows can still be got": {as(admin, "GET "+secrets+"sold-access"), ""},
	})
}
