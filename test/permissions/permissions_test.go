package permissions_test

import (
	"testing"
)

// Parts of refusals: RBAC's, and the policies'.
const (
	byRBAC    = `cannot `
	byPolicy  = "ValidatingAdmissionPolicy" // one of several that refuse it
	elsewhere = "which is neither a tenant's"
)

// refusal is what the message says; empty where the request is allowed.
type attempt struct {
	request request
	refusal string
}

func try(t *testing.T, attempts map[string]attempt) {
	t.Helper()
	for sentence, tc := range attempts {
		t.Run(sentence, func(t *testing.T) {
			got, err := tc.request.send(t.Context())
			switch {
			case err != nil:
				t.Fatal(err)
			case tc.refusal == "" && !got.allowed():
				t.Errorf("%s as %s is refused: %s", tc.request.do, tc.request.as, got)
			case tc.refusal != "" && got.allowed():
				t.Errorf("%s as %s is allowed", tc.request.do, tc.request.as)
			case tc.refusal != "" && (got.code != 403 || !got.says(tc.refusal)):
				t.Errorf("%s as %s: %s; want 403 with %q", tc.request.do, tc.request.as, got, tc.refusal)
			}
		})
	}
}

func as(who, do string, body ...string) request {
	r := request{as: who, do: do}
	if len(body) > 0 {
		r.body = body[0]
	}
	return r
}

// callName is the name of a call's Secret.
const callName = "sold-call-abcdefghijklmnopqrstuvwxyz"

func TestWebhookKeepsCalls(t *testing.T) {
	const (
		secrets   = "POST /api/v1/namespaces/sales/secrets"
		owner     = "{apiVersion: stallkeeper.io/v1alpha1, kind: MarketplaceInstance, name: sold, uid: u}"
		labels    = "labels: {stallkeeper.io/call: Order, stallkeeper.io/instance: sold, stallkeeper.io/instance-namespace: sales}"
		fresh     = "name: sold-call-abcdefghijklmnopqrstuvwxy2"
		ofCall    = "type: stallkeeper.io/call, immutable: true"
		onlyCalls = "no Secret but an immutable one"
		otherName = "another name than a call's"
		oneOwner  = "has one owner"
	)
	secret := func(metadata, rest string) request {
		return as(webhook, secrets, "{apiVersion: v1, kind: Secret, metadata: {"+metadata+"}, "+rest+"}")
	}
	whole := fresh + ", " + labels + ", ownerReferences: [" + owner + "]"
	try(t, map[string]attempt{
		"keeps what a call says":                 {secret(whole, ofCall), ""},
		"keeps what a call says of a buyer":      {secret("name: sold-call-abcdefghijklmnopqrstuvwxy3, labels: {stallkeeper.io/call: Sync, stallkeeper.io/enterprise: abc, stallkeeper.io/instance: sold}, ownerReferences: ["+owner+"]", ofCall), ""},
		"makes no Secret of a directory":         {secret(whole, "type: stallkeeper.io/directory, immutable: true"), onlyCalls},
		"keeps it nowhere else":                  {as(webhook, "POST /api/v1/namespaces/elsewhere/secrets", "{apiVersion: v1, kind: Secret, metadata: {"+whole+"}, "+ofCall+"}"), byRBAC},
		"makes no deleted sale's Secret":         {secret(whole, "type: stallkeeper.io/sold, immutable: true"), onlyCalls},
		"makes no Secret that can change":        {secret(whole, "type: stallkeeper.io/call"), onlyCalls},
		"makes no Secret of another type":        {secret(whole, "type: Opaque, immutable: true"), onlyCalls},
		"makes no token of an account":           {secret("name: t, annotations: {kubernetes.io/service-account.name: default}", "type: kubernetes.io/service-account-token"), onlyCalls},
		"makes no access Secret":                 {secret("name: sold-access, "+labels, ofCall), otherName},
		"makes no Secret with a chance name":     {secret("generateName: sold-call-, "+labels+", ownerReferences: ["+owner+"]", ofCall), otherName},
		"makes no Secret with annotations":       {secret(whole+", annotations: {a: b}", ofCall), otherName},
		"makes no Secret with other labels":      {secret(fresh+", labels: {stallkeeper.io/call: Order, app: x}, ownerReferences: ["+owner+"]", ofCall), "no label but"},
		"makes no Secret without the label":      {secret(fresh+", ownerReferences: ["+owner+"]", ofCall), "no label but"},
		"makes no Secret without an owner":       {secret(fresh+", "+labels, ofCall), oneOwner},
		"makes no Secret named after another":    {secret(fresh+", "+labels+", ownerReferences: [{apiVersion: stallkeeper.io/v1alpha1, kind: MarketplaceInstance, name: other, uid: u}]", ofCall), oneOwner},
		"makes no Secret of somebody else":       {secret(fresh+", "+labels+", ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: sold, uid: u}]", ofCall), oneOwner},
		"makes no Secret with two owners":        {secret(fresh+", "+labels+", ownerReferences: ["+owner+", {apiVersion: stallkeeper.io/v1alpha1, kind: MarketplaceInstance, name: sold, uid: v}]", ofCall), oneOwner},
		"makes no Secret that keeps its owner":   {secret(fresh+", "+labels+", ownerReferences: [{apiVersion: stallkeeper.io/v1alpha1, kind: MarketplaceInstance, name: sold, uid: u, blockOwnerDeletion: true}]", ofCall), oneOwner},
		"overwrites no Secret that is there":     {secret("name: koogallery", "type: Opaque"), onlyCalls},
		"overwrites no call's Secret that is so": {as(webhook, "PUT /api/v1/namespaces/sales/secrets/"+callName, "{apiVersion: v1, kind: Secret, metadata: {name: "+callName+"}}"), byRBAC},
	})
}

func TestWebhook(t *testing.T) {
	const (
		onlySubscription = "no field of an instance but spec.subscription"
		noMetadata       = "no metadata of an instance"
		asAPerson        = "nothing else as if a person had said it"
		onlyTwo          = "nothing but spec.productRef and spec.subscription"
		sale             = "spec: {subscription: {marketplace: koogallery, instanceID: new, entitlement: {state: Active}}}"
		identity         = "apiVersion: stallkeeper.io/v1alpha1\nkind: MarketplaceInstance\n"
	)
	create := func(metadata, spec string) request {
		return as(webhook, "POST "+instances, identity+"metadata: {name: new"+metadata+"}\n"+spec)
	}
	change := func(body string) request { return as(webhook, "MERGE "+instances+"/sold", body) }
	try(t, map[string]attempt{
		"reads marketplaces":                   {as(webhook, "GET "+markets), ""},
		"reads products":                       {as(webhook, "GET "+products), ""},
		"reads instances":                      {as(webhook, "GET "+instances), ""},
		"reads one instance":                   {as(webhook, "GET "+instances+"/sold"), ""},
		"reads the keys of the callbacks":      {as(webhook, "GET /api/v1/namespaces/sales/secrets/koogallery"), ""},
		"stores a sale":                        {create(", finalizers: [stallkeeper.io/tenant]", sale), ""},
		"stores a sale without a finalizer":    {create("", sale), ""},
		"stores what the marketplace says":     {change("spec: {subscription: {customerID: c}}"), ""},
		"stores nothing new":                   {change("{}"), ""},
		"lists no Secrets":                     {as(webhook, "GET /api/v1/namespaces/sales/secrets"), byRBAC},
		"reads no Secret elsewhere":            {as(webhook, "GET /api/v1/namespaces/elsewhere/secrets/keys"), byRBAC},
		"reads no credentials":                 {as(webhook, "GET /api/v1/namespaces/stallkeeper-system/secrets/koogallery-openapi"), byRBAC},
		"reads no tenant's Secret":             {as(webhook, "GET /api/v1/namespaces/tenant-sold/secrets/access"), byRBAC},
		"changes no Secret":                    {as(webhook, "APPLY /api/v1/namespaces/sales/secrets/koogallery"), byRBAC},
		"deletes no Secret":                    {as(webhook, "DELETE /api/v1/namespaces/sales/secrets/"+callName), byRBAC},
		"reads no instances elsewhere":         {as(webhook, "GET /apis/stallkeeper.io/v1alpha1/marketplaceinstances"), byRBAC},
		"updates no instance":                  {as(webhook, "PUT "+instances+"/sold", identity+"metadata: {name: sold}"), byRBAC},
		"deletes no instance":                  {as(webhook, "DELETE "+instances+"/unprotected"), byRBAC},
		"deletes not many instances":           {as(webhook, "DELETE "+instances), byRBAC},
		"reads no usage records":               {as(webhook, "GET "+records), byRBAC},
		"writes no usage record":               {as(webhook, "MERGE "+records+"/sold-1", "spec: {delivery: {pushTime: '2026-01-01T11:00:00Z'}}"), byRBAC},
		"writes no status":                     {as(webhook, "MERGE "+instances+"/sold/status", "status: {state: Running}"), byRBAC},
		"writes no product":                    {as(webhook, "MERGE "+products+"/shop", "spec: {rollout: {state: Paused}}"), byRBAC},
		"writes no marketplace":                {as(webhook, "MERGE "+markets+"/koogallery", "spec: {kooGallery: {api: {url: 'http://me'}}}"), byRBAC},
		"makes no Deployment":                  {as(webhook, "APPLY /apis/apps/v1/namespaces/tenant-sold/deployments/app"), byRBAC},
		"lists no namespaces":                  {as(webhook, "GET /api/v1/namespaces"), byRBAC},
		"makes no token":                       {as(webhook, "POST /api/v1/namespaces/stallkeeper-system/serviceaccounts/stallkeeper-controller/token", "spec: {}"), byRBAC},
		"changes no plan":                      {change("spec: {plan: large}"), onlySubscription},
		"changes no quantity":                  {change("spec: {quantity: 5}"), onlySubscription},
		"removes no quantity":                  {change("spec: {quantity: null}"), onlySubscription},
		"sets no values":                       {change("spec: {values: {image: mine}}"), onlySubscription},
		"sets no attributes":                   {change("spec: {attributes: [{name: a, value: b}]}"), onlySubscription},
		"sets no desired state":                {change("spec: {desiredState: Suspended}"), onlySubscription},
		"pauses nothing":                       {change("spec: {reconciliation: Paused}"), onlySubscription},
		"lifts no protection":                  {change("spec: {lifecycle: {deletionProtection: Disabled}}"), onlySubscription},
		"chooses no product afterwards":        {change("spec: {productRef: {name: shop}}"), onlySubscription},
		"makes no correction":                  {change("spec: {subscription: {calls: [{operation: Correction, id: t, by: ana@example.com, reason: r, time: '2026-01-01T00:00:00Z'}]}}"), asAPerson},
		"speaks for no person about the end":   {change("spec: {subscription: {expiryTime: '2030-01-01T00:00:00Z', expirySource: Person}}"), asAPerson},
		"speaks for no person about a release": {change("spec: {subscription: {entitlement: {state: Released, reason: Person}}}"), asAPerson},
		"speaks for no person about an order":  {change("spec: {subscription: {acknowledgement: {state: Received, by: Person}}}"), asAPerson},
		"makes no sale as a person":            {create("", sale[:len(sale)-2]+", expiryTime: '2030-01-01T00:00:00Z', expirySource: Person}}"), asAPerson},
		"keeps what a person has said":         {as(webhook, "MERGE "+instances+"/full", "spec: {subscription: {customerID: c}}"), ""},
		"lets an old correction go":            {as(webhook, "MERGE "+instances+"/full", "spec: {subscription: {calls: [{operation: Freeze, orderID: o, time: '2026-01-01T00:00:00Z'}]}}"), ""},
		"hides nothing behind a subscription":  {change("spec: {plan: large, subscription: {customerID: c}}"), onlySubscription},
		"changes nothing by apply":             {as(webhook, "APPLY "+instances+"/sold", "spec: {quantity: 9}"), onlySubscription},
		"sets no label":                        {change("metadata: {labels: {team: b}}"), noMetadata},
		"removes no label":                     {change("metadata: {labels: null}"), noMetadata},
		"sets no annotation":                   {change("metadata: {annotations: {a: b}}"), noMetadata},
		"removes no finalizer":                 {change("metadata: {finalizers: [stallkeeper.io/tenant]}"), noMetadata},
		"sets no owner":                        {change("metadata: {ownerReferences: [{apiVersion: v1, kind: Namespace, name: a, uid: a}]}"), noMetadata},
		"makes no instance with a state":       {create("", sale[:len(sale)-1]+", desiredState: Suspended}"), onlyTwo},
		"makes no instance with a plan":        {create("", "spec: {productRef: {name: shop}, plan: small}"), onlyTwo},
		"makes no instance with values":        {create("", sale[:len(sale)-1]+", values: {a: b}}"), onlyTwo},
		"makes no instance with labels":        {create(", labels: {a: b}", sale), "no labels, annotations"},
		"makes no instance with annotations":   {create(", annotations: {a: b}", sale), "no labels, annotations"},
		"makes no instance with another's end": {create(", finalizers: [example.com/mine]", sale), "no finalizer but"},
		"makes no instance with a chance name": {as(webhook, "POST "+instances, identity+"metadata: {generateName: new-}\n"+sale), "generated name"},
	})
}

func TestControllerInSalesNamespaces(t *testing.T) {
	const (
		secret   = "/api/v1/namespaces/sales/secrets"
		revision = "/apis/apps/v1/namespaces/sales/controllerrevisions"
		notIts   = "no Secret but an instance's"
		noSpec   = "no field of an instance's spec but subscription"
		noMeta   = "no metadata of an instance but its finalizer"
	)
	try(t, map[string]attempt{
		"reads instances":                      {as(controller, "GET "+instances), ""},
		"reads products":                       {as(controller, "GET "+products+"/shop"), ""},
		"reads marketplaces":                   {as(controller, "GET "+markets), ""},
		"reads a Secret":                       {as(controller, "GET "+secret+"/koogallery"), ""},
		"reads a chart":                        {as(controller, "GET /api/v1/namespaces/sales/configmaps/chart"), ""},
		"reads revisions":                      {as(controller, "GET "+revision), ""},
		"stores what an order says":            {as(controller, "MERGE "+instances+"/sold", "spec: {subscription: {plan: small}}"), ""},
		"chooses the product once":             {as(controller, "MERGE "+instances+"/sold", "spec: {productRef: {name: shop}, subscription: {plan: small}}"), ""},
		"takes its finalizer off":              {as(controller, "MERGE "+instances+"/sold", "metadata: {finalizers: [example.com/backup]}"), ""},
		"puts its finalizer on":                {as(controller, "MERGE "+instances+"/fresh", "metadata: {finalizers: [stallkeeper.io/tenant]}"), ""},
		"deletes an instance":                  {as(controller, "DELETE "+instances+"/unprotected"), ""},
		"writes an instance's status":          {as(controller, "MERGE "+instances+"/sold/status", "status: {state: Running}"), ""},
		"writes a product's status":            {as(controller, "MERGE "+products+"/shop/status", "status: {latestRevision: shop-1}"), ""},
		"writes a marketplace's status":        {as(controller, "MERGE "+markets+"/koogallery/status", "status: {callbackPath: /v1/sales/koogallery}"), ""},
		"makes an instance's Secret":           {as(controller, "APPLY "+secret+"/new-access", "metadata: {labels: {stallkeeper.io/instance: new}}\ndata: {}"), ""},
		"changes an instance's Secret":         {as(controller, "MERGE "+secret+"/sold-access", "stringData: {a: b}"), ""},
		"reads what revisions show":            {as(controller, "GET "+revisions), ""},
		"shows a product's revision":           {as(controller, "POST "+revisions, shown("shop", "shop-2", "shop-2")), ""},
		"takes a revision away":                {as(controller, "DELETE "+revisions+"/shop-1"), ""},
		"writes a revision's status":           {as(controller, "MERGE "+revisions+"/shop-1/status", "status: {state: Latest}"), ""},
		"shows no revision without a product":  {as(controller, "POST "+revisions, shown("", "shop-2", "shop-2")), "no MarketplaceRevision but a product's"},
		"shows no bytes of another revision":   {as(controller, "POST "+revisions, shown("shop", "shop-2", "theirs")), "no MarketplaceRevision but a product's"},
		"changes no revision":                  {as(controller, "MERGE "+revisions+"/shop-1", "metadata: {annotations: {a: b}}"), byRBAC},
		"makes a product's revision":           {as(controller, "POST "+revision, "apiVersion: apps/v1\nkind: ControllerRevision\nmetadata: {name: shop-2, labels: {stallkeeper.io/product: shop}}\nrevision: 2\ndata: {}"), ""},
		"deletes a product's revision":         {as(controller, "DELETE "+revision+"/shop-1"), ""},
		"records an event":                     {as(controller, "POST /apis/events.k8s.io/v1/namespaces/sales/events", event("sales")), ""},
		"finds calls' Secrets":                 {as(controller, "GET "+secret), ""},
		"deletes a call's Secret":              {as(controller, "DELETE "+secret+"/"+callName), ""},
		"makes no call's Secret":               {as(controller, "APPLY "+secret+"/"+callName+"x", "type: stallkeeper.io/call\nmetadata: {labels: {stallkeeper.io/instance: new}}"), "of a type other than Opaque"},
		"makes a directory's Secret":           {as(controller, "APPLY "+secret+"/sold-directory-01", "type: stallkeeper.io/directory\nmetadata: {labels: {stallkeeper.io/instance: sold}}"), ""},
		"makes no directory of nobody":         {as(controller, "APPLY "+secret+"/directory", "type: stallkeeper.io/directory"), notIts},
		"deletes a directory's Secret":         {as(controller, "DELETE "+secret+"/sold-directory"), ""},
		"remembers a deleted sale":             {as(controller, "APPLY "+secret+"/sold-a", "type: stallkeeper.io/sold\nimmutable: true\nmetadata: {labels: {stallkeeper.io/instance: gone, stallkeeper.io/sold: koogallery}}"), ""},
		"forgets a deleted sale":               {as(controller, "DELETE "+secret+"/sold-remembered"), ""},
		"deletes no seed of passwords":         {as(controller, "DELETE "+secret+"/sold-access"), byPolicy},
		"deletes no license that was sold":     {as(controller, "DELETE "+secret+"/sold-license"), "no Secret but a call's"},
		"deletes no callback keys":             {as(controller, "DELETE "+secret+"/koogallery"), "no Secret but a call's"},
		"updates no instance":                  {as(controller, "PUT "+instances+"/sold", "{}"), byRBAC},
		"makes no instance":                    {as(controller, "POST "+instances, "{}"), byRBAC},
		"writes no product":                    {as(controller, "MERGE "+products+"/shop", "spec: {rollout: {state: Paused}}"), byRBAC},
		"reads no callback keys by apply":      {as(controller, "APPLY "+secret+"/koogallery"), notIts},
		"changes no callback keys":             {as(controller, "MERGE "+secret+"/koogallery", "stringData: {accessKey: mine}"), notIts},
		"takes no Secret by a label":           {as(controller, "APPLY "+secret+"/koogallery", "metadata: {labels: {stallkeeper.io/instance: sold}}"), notIts},
		"makes no Secret without a label":      {as(controller, "APPLY "+secret+"/mine", "data: {}"), notIts},
		"gives no Secret to another instance":  {as(controller, "MERGE "+secret+"/sold-access", "metadata: {labels: {stallkeeper.io/instance: other}}"), notIts},
		"makes no token of others' accounts":   {as(controller, "APPLY "+secret+"/t", "type: kubernetes.io/service-account-token\nmetadata: {labels: {stallkeeper.io/instance: a}, annotations: {kubernetes.io/service-account.name: default}}"), "of a type other than Opaque"},
		"writes nobody else's revision":        {as(controller, "DELETE "+revision+"/theirs"), "no ControllerRevision but a product's"},
		"makes no revision of nobody":          {as(controller, "POST "+revision, "apiVersion: apps/v1\nkind: ControllerRevision\nmetadata: {name: x}\nrevision: 2\ndata: {}"), "no ControllerRevision but a product's"},
		"makes no Deployment":                  {as(controller, "APPLY /apis/apps/v1/namespaces/sales/deployments/app", deploymentBody), "may not write deployments.apps in a sales namespace"},
		"makes no ConfigMap":                   {as(controller, "APPLY /api/v1/namespaces/sales/configmaps/chart", "data: {}"), "may not write configmaps in a sales namespace"},
		"changes no plan":                      {as(controller, "MERGE "+instances+"/sold", "spec: {plan: large}"), noSpec},
		"removes no quantity":                  {as(controller, "MERGE "+instances+"/sold", "spec: {quantity: null}"), noSpec},
		"lifts no protection":                  {as(controller, "MERGE "+instances+"/sold", "spec: {lifecycle: {deletionProtection: Disabled}}"), noSpec},
		"sets no desired state":                {as(controller, "MERGE "+instances+"/sold", "spec: {desiredState: Running}"), noSpec},
		"labels no instance":                   {as(controller, "MERGE "+instances+"/sold", "metadata: {labels: {a: b}}"), noMeta},
		"annotates no instance":                {as(controller, "MERGE "+instances+"/sold", "metadata: {annotations: {a: b}}"), noMeta},
		"takes nobody else's finalizer off":    {as(controller, "MERGE "+instances+"/sold", "metadata: {finalizers: [stallkeeper.io/tenant]}"), noMeta},
		"deletes no protected instance either": {as(controller, "DELETE "+instances+"/sold"), "deletionProtection is Enabled"},
	})
}

// shown is a MarketplaceRevision.
func shown(product, name, content string) string {
	return `{apiVersion: stallkeeper.io/v1alpha1, kind: MarketplaceRevision, metadata: {name: ` + name + `, labels: {stallkeeper.io/product: "` + product + `"}},
		spec: {productRef: {name: shop}, contentRef: {name: ` + content + `}}}`
}

func TestUsageRecords(t *testing.T) {
	const (
		owned     = "no UsageRecord but one that its instance owns"
		delivered = "delivery: {pushTime: '2026-01-01T11:00:00Z'}"
	)
	record := func(metadata, spec string) string {
		return `{apiVersion: stallkeeper.io/v1alpha1, kind: UsageRecord, metadata: {name: new` + metadata + `}, spec: {instanceRef: {name: sold},
			meter: requests, value: "5", startTime: "2026-01-01T11:00:00Z", endTime: "2026-01-01T12:00:00Z"` + spec + `}}`
	}
	owner := func(kind, name string) string {
		return ", ownerReferences: [{apiVersion: stallkeeper.io/v1alpha1, kind: " + kind + ", name: " + name + ", uid: a}]"
	}
	try(t, map[string]attempt{
		"the controller makes one of an instance":       {as(controller, "POST "+records, record(owner("MarketplaceInstance", "sold"), "")), ""},
		"the controller makes none of nobody":           {as(controller, "POST "+records, record("", "")), owned},
		"the controller makes none of another":          {as(controller, "POST "+records, record(owner("MarketplaceInstance", "fresh"), "")), owned},
		"the controller makes none of a product":        {as(controller, "POST "+records, record(owner("MarketplaceProduct", "sold"), "")), owned},
		"the controller makes none that is delivered":   {as(controller, "POST "+records, record(owner("MarketplaceInstance", "sold"), ", "+delivered)), owned},
		"the controller stores that one was accepted":   {as(controller, "MERGE "+records+"/sold-1", "spec: {"+delivered+"}"), ""},
		"the controller adopts one":                     {as(controller, "MERGE "+records+"/sold-1", "{metadata: {"+owner("MarketplaceInstance", "sold")[2:]+"}}"), ""},
		"the controller writes its status":              {as(controller, "MERGE "+records+"/sold-1/status", "status: {state: Pushed}"), ""},
		"the controller removes one":                    {as(controller, "DELETE "+records+"/sold-1"), ""},
		"the controller labels none":                    {as(controller, "MERGE "+records+"/sold-1", "metadata: {labels: {a: b}}"), "no metadata of a UsageRecord"},
		"the controller makes none in a tenant's place": {as(controller, "POST /apis/stallkeeper.io/v1alpha1/namespaces/tenant-sold/usagerecords", record("", "")), byRBAC},
		"a person writes one":                           {as(admin, "POST "+records, record("", "")), ""},
	})
}

const deploymentBody = `{spec: {selector: {matchLabels: {app: app}},
	template: {metadata: {labels: {app: app}}, spec: {containers: [{name: app, image: app}]}}}}`

func event(namespace string) string {
	return `{apiVersion: events.k8s.io/v1, kind: Event, metadata: {name: e, namespace: ` + namespace + `},
		eventTime: "2030-01-01T00:00:00.000000Z", type: Normal, reason: R, action: A, note: text,
		reportingController: stallkeeper.io/controller, reportingInstance: a,
		regarding: {apiVersion: v1, kind: Secret, name: a, namespace: ` + namespace + `}}`
}

func TestControllerElsewhere(t *testing.T) {
	const (
		home     = "/api/v1/namespaces/stallkeeper-system"
		leases   = "/apis/coordination.k8s.io/v1/namespaces/stallkeeper-system/leases"
		ownThing = "nothing but its lease and events in its own namespace"
	)
	lease := func(name string) string {
		return "apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {name: " + name + "}\nspec: {holderIdentity: a}"
	}
	try(t, map[string]attempt{
		"lists no Secrets of the cluster":             {as(controller, "GET /api/v1/secrets"), byRBAC},
		"watches no Secrets of the cluster":           {as(controller, "GET /api/v1/watch/secrets"), byRBAC},
		"reads no Secret of the cluster":              {as(controller, "GET /api/v1/namespaces/kube-system/secrets/keys"), byRBAC},
		"reads none by an empty apply":                {as(controller, "APPLY /api/v1/namespaces/kube-system/secrets/keys"), elsewhere},
		"reads none by an empty merge":                {as(controller, "MERGE /api/v1/namespaces/kube-system/secrets/keys", "{}"), elsewhere},
		"reads none by a strategic merge":             {as(controller, "STRATEGIC /api/v1/namespaces/elsewhere/secrets/keys", "{}"), elsewhere},
		"reads none by deleting":                      {as(controller, "DELETE /api/v1/namespaces/elsewhere/secrets/keys"), elsewhere},
		"reads none by labeling":                      {as(controller, "APPLY /api/v1/namespaces/elsewhere/secrets/keys", "metadata: {labels: {stallkeeper.io/instance: a}}"), elsewhere},
		"makes no Secret elsewhere":                   {as(controller, "APPLY /api/v1/namespaces/elsewhere/secrets/mine", "data: {}"), elsewhere},
		"mounts none with a Deployment":               {as(controller, "APPLY /apis/apps/v1/namespaces/default/deployments/app", deploymentBody), elsewhere},
		"changes no Deployment elsewhere":             {as(controller, "APPLY /apis/apps/v1/namespaces/elsewhere/deployments/app"), elsewhere},
		"scales no Deployment elsewhere":              {as(controller, "MERGE /apis/apps/v1/namespaces/elsewhere/deployments/app/scale", "spec: {replicas: 0}"), elsewhere},
		"writes no ConfigMap elsewhere":               {as(controller, "MERGE /api/v1/namespaces/elsewhere/configmaps/config", "data: {k: mine}"), elsewhere},
		"makes no ServiceAccount elsewhere":           {as(controller, "APPLY /api/v1/namespaces/elsewhere/serviceaccounts/mine"), elsewhere},
		"writes in no kube- namespace with the label": {as(controller, "APPLY /api/v1/namespaces/kube-odd/configmaps/mine", "data: {}"), elsewhere},
		"writes to no other release's tenant":         {as(controller, "APPLY /api/v1/namespaces/tenant-foreign/configmaps/mine", "data: {}"), elsewhere},
		"reads its credentials":                       {as(controller, "GET "+home+"/secrets/koogallery-openapi"), ""},
		"reads no other Secret beside them":           {as(controller, "GET "+home+"/secrets/stallkeeper-webhook-tls"), byRBAC},
		"reads none beside them by an empty apply":    {as(controller, "APPLY "+home+"/secrets/stallkeeper-webhook-tls"), ownThing},
		"changes no credentials":                      {as(controller, "MERGE "+home+"/secrets/koogallery-openapi", "stringData: {ak: mine}"), ownThing},
		"makes no Deployment beside itself":           {as(controller, "APPLY /apis/apps/v1/namespaces/stallkeeper-system/deployments/stallkeeper-webhook"), ownThing},
		"takes its lease":                             {as(controller, "POST "+leases, lease("stallkeeper-controller")), ""},
		"takes no other lease":                        {as(controller, "POST "+leases, lease("mine")), "no lease but stallkeeper-controller"},
		"takes no lease elsewhere":                    {as(controller, "POST /apis/coordination.k8s.io/v1/namespaces/kube-system/leases", lease("stallkeeper-controller")), byRBAC},
		"records an event of its election":            {as(controller, "POST "+home+"/events", "apiVersion: v1\nkind: Event\nmetadata: {name: e}\ninvolvedObject: {namespace: stallkeeper-system, name: a, kind: Lease}"), ""},
		"makes no token":                              {as(controller, "POST "+home+"/serviceaccounts/stallkeeper-webhook/token", "spec: {}"), byRBAC},
		"executes in no pod":                          {as(controller, "POST /api/v1/namespaces/tenant-sold/pods/app/exec?command=a"), byRBAC},
		"makes no ClusterRole":                        {as(controller, "POST /apis/rbac.authorization.k8s.io/v1/clusterroles", "{}"), byRBAC},
		"changes no admission policy":                 {as(controller, "DELETE /apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/stallkeeper-controller"), byRBAC},
		"asks what it may do":                         {as(controller, "POST /apis/authorization.k8s.io/v1/selfsubjectrulesreviews", "apiVersion: authorization.k8s.io/v1\nkind: SelfSubjectRulesReview\nspec: {namespace: sales}"), ""},
		"reads a storage class":                       {as(controller, "GET /apis/storage.k8s.io/v1/storageclasses"), byRBAC},
		"lists pods":                                  {as(controller, "GET /api/v1/pods"), ""},
		"watches no pods":                             {as(controller, "GET /api/v1/watch/pods"), byRBAC},
	})
}

func TestControllerAndTenants(t *testing.T) {
	const (
		tenant   = "/api/v1/namespaces/tenant-sold"
		apps     = "/apis/apps/v1/namespaces/tenant-sold"
		rbac     = "/apis/rbac.authorization.k8s.io/v1/namespaces/tenant-sold"
		noTenant = "which is no tenant's"
		whose    = "may not change whose a namespace is"
		level    = "must carry pod-security.kubernetes.io/enforce with restricted or baseline"
	)
	create := func(name, labels string) request {
		return as(controller, "POST /api/v1/namespaces", "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+name+", labels: {"+labels+"}}")
	}
	apply := func(name, labels string) request {
		return as(controller, "APPLY /api/v1/namespaces/"+name, "metadata: {labels: {"+labels+"}}")
	}
	tried := as(controller, "APPLY /api/v1/namespaces/tenant-shop-check/configmaps/web", "data: {a: b}")
	stored := tried
	stored.keep = true
	const full = "stallkeeper.io/instance: a, stallkeeper.io/instance-namespace: sales, pod-security.kubernetes.io/enforce: "
	try(t, map[string]attempt{
		"makes a tenant's namespace":                   {create("tenant-a", full+"restricted"), ""},
		"makes one of the highest level allowed":       {create("tenant-a", full+"baseline"), ""},
		"makes one by apply":                           {apply("tenant-a", full+"restricted"), ""},
		"makes none without the label":                 {create("tenant-a", "pod-security.kubernetes.io/enforce: restricted"), noTenant},
		"makes none with an empty label":               {create("tenant-a", "stallkeeper.io/instance: '', pod-security.kubernetes.io/enforce: restricted"), noTenant},
		"makes none for another release":               {create("tenant-a", "stallkeeper.io/instance: a, stallkeeper.io/instance-namespace: other, pod-security.kubernetes.io/enforce: restricted"), noTenant},
		"makes none with another prefix":               {create("evil", full+"restricted"), "whose name begins with tenant-"},
		"makes no privileged one":                      {create("tenant-a", full+"privileged"), level},
		"makes none that is privileged by default":     {create("tenant-a", "stallkeeper.io/instance: a"), level},
		"makes none privileged afterwards":             {apply("tenant-sold", "pod-security.kubernetes.io/enforce: privileged"), level},
		"makes one of the latest version of a level":   {create("tenant-a", full+"restricted, pod-security.kubernetes.io/enforce-version: latest"), ""},
		"makes none of an old version":                 {create("tenant-a", full+"restricted, pod-security.kubernetes.io/enforce-version: v1.0"), "enforce-version but latest"},
		"moves its tenant to a revision":               {apply("tenant-sold", "stallkeeper.io/revision: shop-2"), ""},
		"changes no label's value":                     {apply("tenant-sold", "stallkeeper.io/instance: other"), whose},
		"removes no label":                             {as(controller, "MERGE /api/v1/namespaces/tenant-sold", "metadata: {labels: {stallkeeper.io/instance: null}}"), whose},
		"gives no tenant to another sales namespace":   {apply("tenant-sold", "stallkeeper.io/instance-namespace: other"), whose},
		"labels no other namespace":                    {apply("elsewhere", full+"restricted"), noTenant},
		"labels not the cluster's namespace":           {apply("kube-system", full+"restricted"), noTenant},
		"labels not its own namespace":                 {apply("stallkeeper-system", full+"restricted"), noTenant},
		"labels no sales namespace":                    {apply("sales", full+"restricted"), noTenant},
		"touches no namespace by an empty apply":       {apply("elsewhere", ""), noTenant},
		"changes no other release's namespace":         {apply("tenant-foreign", "a: b"), noTenant},
		"deletes a tenant's namespace, protected":      {as(controller, "DELETE /api/v1/namespaces/tenant-sold"), ""},
		"deletes no other namespace":                   {as(controller, "DELETE /api/v1/namespaces/elsewhere"), noTenant},
		"deletes not its own namespace":                {as(controller, "DELETE /api/v1/namespaces/stallkeeper-system"), noTenant},
		"deletes no sales namespace":                   {as(controller, "DELETE /api/v1/namespaces/sales"), noTenant},
		"finalizes no namespace":                       {as(controller, "PUT /api/v1/namespaces/tenant-sold/finalize", "{}"), byRBAC},
		"tries an object of a product's check":         {tried, ""},
		"stores none":                                  {stored, "may store nothing in the namespace of a product's checks"},
		"applies a Deployment":                         {as(controller, "APPLY "+apps+"/deployments/new", deploymentBody), ""},
		"applies a Secret":                             {as(controller, "APPLY "+tenant+"/secrets/access", "stringData: {a: b}"), ""},
		"applies a NetworkPolicy":                      {as(controller, "APPLY /apis/networking.k8s.io/v1/namespaces/tenant-sold/networkpolicies/deny", "spec: {podSelector: {}}"), ""},
		"scales a Deployment":                          {as(controller, "MERGE "+apps+"/deployments/app/scale", "spec: {replicas: 0}"), ""},
		"reads a scale":                                {as(controller, "GET "+apps+"/deployments/app/scale"), ""},
		"deletes a Deployment":                         {as(controller, "DELETE "+apps+"/deployments/app"), ""},
		"lists Deployments of the cluster":             {as(controller, "GET /apis/apps/v1/deployments"), ""},
		"reads no tenant's Secret":                     {as(controller, "GET "+tenant+"/secrets/access"), byRBAC},
		"reads the licenses that a workload gives":     {as(controller, "GET "+tenant+"/secrets/stallkeeper-licenses"), ""},
		"lists no tenant's Secrets":                    {as(controller, "GET "+tenant+"/secrets"), byRBAC},
		"makes no bare Pod":                            {as(controller, "POST "+tenant+"/pods", "{}"), byRBAC},
		"makes no DaemonSet":                           {as(controller, "POST "+apps+"/daemonsets", "{}"), byRBAC},
		"deletes not many at once":                     {as(controller, "DELETE "+apps+"/deployments"), byRBAC},
		"makes a Role of what it may itself":           {as(controller, "APPLY "+rbac+"/roles/r", "rules: [{apiGroups: [''], resources: [configmaps], verbs: [list]}]"), ""},
		"makes a Role of what it may not itself":       {as(controller, "APPLY "+rbac+"/roles/r", "rules: [{apiGroups: [''], resources: [pods/exec, secrets], verbs: [get]}]"), ""},
		"makes none of what is not listed":             {as(controller, "APPLY "+rbac+"/roles/r", "rules: [{apiGroups: [''], resources: [endpoints], verbs: [create]}]"), "no more than the chart's value tenantRBAC.rules lists"},
		"makes none elsewhere":                         {as(controller, "APPLY /apis/rbac.authorization.k8s.io/v1/namespaces/elsewhere/roles/r", "rules: [{apiGroups: [''], resources: [configmaps], verbs: [list]}]"), "may not write in namespace elsewhere"},
		"makes none in a sales namespace":              {as(controller, "APPLY /apis/rbac.authorization.k8s.io/v1/namespaces/sales/roles/r", "rules: [{apiGroups: [''], resources: [configmaps], verbs: [list]}]"), "in a sales namespace"},
		"makes none in its own namespace":              {as(controller, "APPLY /apis/rbac.authorization.k8s.io/v1/namespaces/stallkeeper-system/roles/r", "rules: [{apiGroups: [''], resources: [configmaps], verbs: [list]}]"), "in its own namespace"},
		"changes none of the release's":                {as(controller, "APPLY /apis/rbac.authorization.k8s.io/v1/namespaces/sales/roles/stallkeeper-controller", "rules: [{apiGroups: [''], resources: [configmaps], verbs: [list]}]"), "in a sales namespace"},
		"binds no account elsewhere":                   {as(controller, "APPLY /apis/rbac.authorization.k8s.io/v1/namespaces/elsewhere/rolebindings/b", binding("ServiceAccount", "elsewhere")), "may not write in namespace elsewhere"},
		"binds a ServiceAccount of the tenant":         {as(controller, "APPLY "+rbac+"/rolebindings/b", binding("ServiceAccount", "tenant-sold")), ""},
		"binds no ServiceAccount of another namespace": {as(controller, "APPLY "+rbac+"/rolebindings/b", binding("ServiceAccount", "elsewhere")), "may bind no one but"},
		"binds an account without a namespace":         {as(controller, "APPLY "+rbac+"/rolebindings/b", "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}\nsubjects: [{kind: ServiceAccount, name: app}]"), ""},
		"binds no user":                                {as(controller, "APPLY "+rbac+"/rolebindings/b", binding("User", "")), "may bind no one but"},
	})
}

func binding(kind, namespace string) string {
	subject := "kind: " + kind + ", name: app"
	if namespace != "" {
		subject += ", namespace: " + namespace
	} else {
		subject += ", apiGroup: rbac.authorization.k8s.io"
	}
	return "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}\nsubjects: [{" + subject + "}]"
}

func TestDeletionProtection(t *testing.T) {
	const protected = "deletionProtection is Enabled"
	try(t, map[string]attempt{
		"a sale, before the controller has looked":          {as(admin, "DELETE "+instances+"/sold"), protected},
		"what to do is said":                                {as(admin, "DELETE "+instances+"/sold"), `kubectl patch mpi sold -n sales --type=merge -p '{"spec":{"lifecycle":{"deletionProtection":"Disabled"}}}'`},
		"an instance that the product protects":             {as(admin, "DELETE "+instances+"/protected"), protected},
		"an instance that a person protects":                {as(admin, "DELETE "+instances+"/kept"), protected},
		"all instances at once":                             {as(admin, "DELETE "+instances), protected},
		"an instance just made by hand can go":              {as(admin, "DELETE "+instances+"/fresh"), ""},
		"an instance that the product does not protect":     {as(admin, "DELETE "+instances+"/unprotected"), ""},
		"an instance that a person has let go":              {as(admin, "DELETE "+instances+"/released"), ""},
		"a person can lift it":                              {as(admin, "MERGE "+instances+"/sold", "spec: {lifecycle: {deletionProtection: Disabled}}"), ""},
		"a tenant's namespace":                              {as(admin, "DELETE /api/v1/namespaces/tenant-sold"), "kubectl patch mpi sold -n sales"},
		"a sales namespace":                                 {as(admin, "DELETE /api/v1/namespaces/sales"), "kubectl label namespace sales stallkeeper.io/deletion-protection-"},
		"a tenant's namespace without protection can go":    {as(admin, "DELETE /api/v1/namespaces/tenant-free"), ""},
		"another release's tenant is that release's affair": {as(admin, "DELETE /api/v1/namespaces/tenant-foreign"), ""},
		"a namespace of no sale can go":                     {as(admin, "DELETE /api/v1/namespaces/elsewhere"), ""},
	})
}

// A tenant is filled in the moment after its namespace was made: the API server's own cache of namespaces must not stand in
// the way. Nothing here is a dry run.
func TestTenantFromBirthToDeath(t *testing.T) {
	for _, step := range []request{
		as(controller, "POST /api/v1/namespaces", `{apiVersion: v1, kind: Namespace, metadata: {name: tenant-life, labels: {
			stallkeeper.io/instance: life, stallkeeper.io/instance-namespace: sales, pod-security.kubernetes.io/enforce: restricted}}}`),
		as(controller, "APPLY /api/v1/namespaces/tenant-life/secrets/access", "stringData: {password: p}"),
		as(controller, "APPLY /apis/apps/v1/namespaces/tenant-life/deployments/app", deploymentBody),
		as(controller, "APPLY /api/v1/namespaces/tenant-life", `{metadata: {labels: {stallkeeper.io/deletion-protection: Enabled,
			stallkeeper.io/instance: life, stallkeeper.io/instance-namespace: sales, pod-security.kubernetes.io/enforce: baseline}}}`),
		as(controller, "DELETE /apis/apps/v1/namespaces/tenant-life/deployments/app"),
		as(controller, "DELETE /api/v1/namespaces/tenant-life"),
		// Twice: what is gone already is no mistake.
		as(controller, "DELETE /api/v1/namespaces/tenant-life"),
	} {
		step.keep = true
		got, err := step.send(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !got.allowed() && got.code != 409 { // 409: the namespace is on its way out already
			t.Fatalf("%s: %s", step.do, got)
		}
	}
}
