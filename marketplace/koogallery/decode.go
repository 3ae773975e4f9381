package koogallery

import (
	"mime"
	"net/http"
	"strings"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

// activity is how a call of one name is read.
type activity struct {
	// needs are the fields that the sale can't do without, or that may be missing and must be readable where they are there, because
	// they say what was paid for. Nothing in any other field makes a call malformed.
	needs []string
	// read fills an event.
	read func(f *fields, event *marketplace.Event)
}

// Names of the activities of SaaS V2.0 (protocol page 3.5 to 3.11).
const (
	ActivityNewInstance          = "newInstance"
	ActivityQueryInstance        = "queryInstance"
	ActivityRefreshInstance      = "refreshInstance"
	ActivityUpdateInstanceStatus = "updateInstanceStatus"
	ActivityReleaseInstance      = "releaseInstance"
	ActivityUpgradeInstance      = "upgradeInstance"
	ActivityChangeInstanceCheck  = "changeInstanceCheck"
)

// activities are those of calls with a body.
var activities = map[string]activity{
	ActivityNewInstance:          {[]string{"orderId", "orderLineId"}, newInstance},
	ActivityQueryInstance:        {[]string{"instanceId"}, queryInstance},
	ActivityRefreshInstance:      {[]string{"scene", "orderId", "orderLineId", "instanceId", "expireTime"}, refreshInstance},
	ActivityUpdateInstanceStatus: {[]string{"instanceId", "status"}, updateInstanceStatus},
	ActivityReleaseInstance:      {[]string{"instanceId"}, releaseInstance},
	ActivityUpgradeInstance:      {[]string{"instanceId", "orderId", "orderLineId"}, upgradeInstance},
	ActivityChangeInstanceCheck:  {[]string{"instanceId", "productInfo"}, changeInstanceCheck},

	ActivityRefreshLicenseCode:      {[]string{"scene", "orderId", "orderLineId", "license", "expireTime"}, refreshLicenseCode},
	ActivityUpdateLicenseCodeStatus: {[]string{"license", "status"}, updateLicenseCodeStatus},
	ActivityReleaseLicenseCode:      {[]string{"license"}, releaseLicenseCode},
	ActivityGetLicenseAsync:         {[]string{"instanceId", "eventId", "effectiveTime", "expireTime", "deviceFingerprint"}, getLicenseAsync},

	ActivityOrderNotify: {[]string{"orderId", "orderLineId"}, orderNotify},
}

// Scenes of refreshInstance (protocol page 3.7).
const (
	SceneTrialToFormal   = "TRIAL_TO_FORMAL"
	SceneRenewal         = "RENEWAL"
	SceneRenewalReturned = "UNSUBSCRIBE_RENEWAL_PERIOD"
	SceneRenewalChange   = "RENEWAL_CHANGE"
)

// scenes say what the refreshes differ in.
var scenes = map[string]marketplace.Event{
	SceneTrialToFormal:   {Term: marketplace.TermPaid, Lookup: marketplace.LookupPurchase},
	SceneRenewal:         {Lookup: marketplace.LookupNone},
	SceneRenewalReturned: {Cancels: true, Lookup: marketplace.LookupNone},
	SceneRenewalChange:   {Lookup: marketplace.LookupRenewal},
}

// Values of an updateInstanceStatus (protocol page 3.8).
const (
	StatusFreeze   = "FREEZE"
	StatusUnfreeze = "UNFREEZE"
	// StatusNormal is the older word for StatusUnfreeze.
	StatusNormal = "NORMAL"
)

var statuses = map[string]marketplace.Kind{
	StatusFreeze:   marketplace.Suspend,
	StatusUnfreeze: marketplace.Resume,
	StatusNormal:   marketplace.Resume,
}

// Decode reads a verified call of any generation. Errors wrap ErrMalformed and name the field. The Event's Scene is the scene
// of a refresh, or the status of a freeze or unfreeze. What an activity needs is read strictly: a text, or a number that stands for
// one, within its documented length. Names count as they are written, and none may stand twice. Whatever else a call has is cut or
// left out where it can't be read, and named in the Event's Notes; unknown fields are passed over.
//
// A query of SaaS V1.0 is read as its authToken says that it was meant. Therefore the token is looked at again, and a call
// without a good one is ErrUnauthenticated here too.
func (c *Callbacks) Decode(req marketplace.Request) (marketplace.Event, error) {
	event := marketplace.Event{}
	if err := checkSize(req); err != nil {
		return event, err
	}
	if isKit(req.Path) {
		return c.decodeKit(req)
	}
	if req.Method == http.MethodGet {
		return c.decodeQuery(req.Query)
	}
	if params, err := parseParameters(req.Query); err == nil {
		event.SentAt, _ = parseTimestamp(params.timestamp)
	}
	if err := checkEncoding(req.Header); err != nil {
		return event, err
	}
	members, err := parseBody(req.Body)
	if err != nil {
		return event, err
	}
	err = decodeActivity(activities, &fields{members: members, sentAt: event.SentAt}, &event)
	return event, err
}

// decodeActivity reads the fields that one of known has.
func decodeActivity(known map[string]activity, f *fields, event *marketplace.Event) error {
	event.Test = f.test()
	name := f.required("activity", maxActivity)
	if f.err != nil {
		return f.err
	}
	decode, ok := known[name]
	if !ok {
		return malformed("the activity %s is unknown", printable(name))
	}
	event.Activity = name
	decode.read(f, event)
	event.Notes = f.notes
	return f.err
}

// activityName is the activity that a body names; empty when it names none.
func activityName(body []byte) string {
	members, err := parseBody(body)
	if err != nil {
		return ""
	}
	return (&fields{members: members}).text("activity")
}

func isActivity(name string) bool {
	_, inBody := activities[name]
	_, inQuery := queryActivities[name]
	return inBody || inQuery
}

// checkEncoding refuses a body that says it is not plain UTF-8. KooGallery itself writes the charset as utf8.
func checkEncoding(header http.Header) error {
	if encoding := header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return malformed("the body must not be compressed (Content-Encoding)")
	}
	// A Content-Type that can't be read says nothing about the encoding, and the body itself is looked at anyway.
	_, params, _ := mime.ParseMediaType(header.Get("Content-Type"))
	switch strings.ToLower(params["charset"]) {
	case "", "utf-8", "utf8":
		return nil
	}
	return malformed("the body must be in UTF-8 (charset of Content-Type)")
}

// newInstance: protocol page 3.5.
func newInstance(f *fields, event *marketplace.Event) {
	event.Kind = marketplace.Purchase
	event.Lookup = marketplace.LookupPurchase
	event.OrderID = f.required("orderId", longestID)
	event.OrderLineID = f.required("orderLineId", longestID)
}

// queryInstance: protocol page 3.6.
func queryInstance(f *fields, event *marketplace.Event) {
	event.Kind = marketplace.Query
	event.InstanceIDs = f.ids("instanceId")
	if len(event.InstanceIDs) == 1 {
		event.InstanceID = event.InstanceIDs[0]
	}
}

// refreshInstance: protocol page 3.7.
func refreshInstance(f *fields, event *marketplace.Event) {
	refresh(f, event)
	event.InstanceID = f.required("instanceId", longestID)
}

// refresh reads what the refreshes of instances and of license codes have in common.
func refresh(f *fields, event *marketplace.Event) {
	event.Kind = marketplace.Renew
	event.Scene = f.required("scene", maxScene)
	scene, ok := scenes[event.Scene]
	if !ok {
		f.fail("the scene %s is unknown", printable(event.Scene))
	}
	event.Term, event.Cancels, event.Lookup = scene.Term, scene.Cancels, scene.Lookup
	event.OrderID = f.required("orderId", longestID)
	event.OrderLineID = f.required("orderLineId", longestID)
	event.ProductID = f.id("productId", longestID)
	event.ExpiresAt = f.expireTime()
}

// updateInstanceStatus: protocol page 3.8.
func updateInstanceStatus(f *fields, event *marketplace.Event) {
	freeze(f, event, "status")
	event.InstanceID = f.required("instanceId", longestID)
}

// freeze reads a freeze or unfreeze out of the field of that name.
func freeze(f *fields, event *marketplace.Event, name string) {
	event.Scene = f.required(name, maxStatus)
	kind, ok := statuses[event.Scene]
	if !ok {
		f.fail("the status %s is unknown, it must be %s or %s", printable(event.Scene), StatusFreeze, StatusUnfreeze)
	}
	event.Kind = kind
}

// releaseInstance: protocol page 3.9.
func releaseInstance(f *fields, event *marketplace.Event) {
	event.Kind = marketplace.Release
	event.InstanceID = f.required("instanceId", longestID)
	event.OrderID = f.id("orderId", longestID)
	event.OrderLineID = f.id("orderLineId", longestID)
}

// upgradeInstance: protocol page 3.10.
func upgradeInstance(f *fields, event *marketplace.Event) {
	event.Kind = marketplace.Change
	event.Lookup = marketplace.LookupChange
	event.InstanceID = f.required("instanceId", longestID)
	event.OrderID = f.required("orderId", longestID)
	event.OrderLineID = f.required("orderLineId", longestID)
}

// changeInstanceCheck: protocol page 3.11.
func changeInstanceCheck(f *fields, event *marketplace.Event) {
	event.Kind = marketplace.Check
	event.InstanceID = f.required("instanceId", longestID)
	target := f.productInfo()
	event.ProductID, event.SKUCode, event.Quantity = target.productID, target.skuCode, target.quantity
}
