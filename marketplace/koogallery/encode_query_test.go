package koogallery_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

// answered is the body of an answer, with user names and passwords in plain; every other test of an answer's form is TestEncode's.
func answered(t *testing.T, callbacks *koogallery.Callbacks, proof marketplace.Proof, key string, event marketplace.Event,
	outcome marketplace.Outcome,
) koogallery.Response {
	t.Helper()
	answer := callbacks.Encode(proof, event, outcome)
	if want := koogallery.BodySign([]byte(key), answer.Body); answer.Header["Body-Sign"][0] != want {
		t.Error("Body-Sign is wrong")
	}
	var got koogallery.Response
	if err := json.Unmarshal(answer.Body, &got); err != nil {
		t.Fatal(err)
	}
	if got.ResultCode != answer.Code || got.ResultMsg == "" {
		t.Errorf("code %q and %q, message %q", got.ResultCode, answer.Code, got.ResultMsg)
	}
	got.ResultMsg = ""
	all := []*koogallery.AppInfo{got.AppInfo}
	for _, info := range got.Info {
		all = append(all, info.AppInfo)
	}
	for _, app := range all {
		if app == nil || got.EncryptType == "" {
			continue
		}
		for _, field := range []*string{&app.UserName, &app.Password} {
			if *field == "" {
				continue
			}
			plain, err := koogallery.DecryptField([]byte(key), got.EncryptType, *field)
			if err != nil {
				t.Fatal(err)
			}
			*field = plain
		}
	}
	return got
}

func TestEncodeForQueries(t *testing.T) {
	proof := marketplace.Proof{KeyName: "accessKeyNext", Generation: koogallery.GenerationV1}
	access := &marketplace.Access{FrontEndURL: "https://shop.example.com/", UserName: "管理员", Password: "p", Memo: "m", License: "LICENSE"}
	app := &koogallery.AppInfo{FrontEndURL: "https://shop.example.com/", UserName: "管理员", Password: "p", Memo: "m"}
	sample := &koogallery.AppInfo{
		FrontEndURL: "https://app.example.com/", AdminURL: "https://app.example.com/admin", UserName: "admin",
		Password: "debug-call-sample", Memo: "Sample data of a debug call.",
	}
	purchase := marketplace.Event{Kind: marketplace.Purchase, Wants: marketplace.WantAccess}
	accepted := purchase
	accepted.AcceptedAt = now
	debug := purchase
	debug.Test = true
	license := marketplace.Event{Kind: marketplace.Purchase, Wants: marketplace.WantLicense}
	debugLicense := license
	debugLicense.Test = true
	query := marketplace.Event{Kind: marketplace.Query, InstanceIDs: []string{"i-1"}}
	debugQuery := query
	debugQuery.Test, debugQuery.SentAt = true, now
	usage := []koogallery.UsageInfo{{UsageValue: "1", StatisticalTime: "20260301120000000"}}
	is := func(state marketplace.State, access *marketplace.Access) marketplace.Outcome {
		return marketplace.Outcome{Instance: marketplace.Instance{ID: "i-1", State: state, Access: access}}
	}
	listed := func(instance marketplace.Instance) marketplace.Outcome {
		return marketplace.Outcome{Instances: []marketplace.Instance{instance}}
	}
	urlOnly := &marketplace.Access{FrontEndURL: "https://shop.example.com/"}
	tests := map[string]struct {
		event   marketplace.Event
		outcome marketplace.Outcome
		want    koogallery.Response
	}{
		"a purchase that runs": {purchase, is(marketplace.StateReady, access),
			koogallery.Response{ResultCode: "000000", InstanceID: "i-1", AppInfo: app, EncryptType: "1"}},
		"a purchase on its way, of which it is known where it will be": {purchase, is(marketplace.StateInProgress, urlOnly),
			koogallery.Response{ResultCode: "000000", InstanceID: "i-1", AppInfo: &koogallery.AppInfo{FrontEndURL: "https://shop.example.com/"}}},
		"a purchase on its way, of which nothing is known": {purchase, is(marketplace.StateInProgress, nil),
			koogallery.Response{ResultCode: "000004", InstanceID: "i-1"}},
		"a purchase on its way, with a password but no front-end": {purchase, is(marketplace.StateInProgress, &marketplace.Access{Password: "p"}),
			koogallery.Response{ResultCode: "000004", InstanceID: "i-1"}},
		"a purchase that needs a person": {purchase, is(marketplace.StateFailed, access), koogallery.Response{ResultCode: "000004", InstanceID: "i-1"}},
		"a purchase released since":      {purchase, is(marketplace.StateReleased, nil), koogallery.Response{ResultCode: "000000", InstanceID: "i-1"}},
		"a purchase in no known state":   {purchase, is("Odd", access), koogallery.Response{ResultCode: "000005", InstanceID: "i-1"}},
		"a purchase that runs and has no front-end": {purchase, is(marketplace.StateReady, nil),
			koogallery.Response{ResultCode: "000000", InstanceID: "i-1"}},
		"a purchase that was not stored": {purchase, marketplace.Outcome{Err: marketplace.ErrUnavailable},
			koogallery.Response{ResultCode: "000005"}},
		"an acceptance, for which only success is allowed": {accepted, is(marketplace.StateInProgress, nil),
			koogallery.Response{ResultCode: "000000", InstanceID: "i-1"}},
		"an acceptance that was not stored": {accepted, marketplace.Outcome{Err: marketplace.ErrUnavailable},
			koogallery.Response{ResultCode: "000005"}},
		"a debug purchase": {debug, is(marketplace.StateReady, nil),
			koogallery.Response{ResultCode: "000000", InstanceID: "i-1", AppInfo: sample, EncryptType: "1"}},
		"a license": {license, is(marketplace.StateReady, access), koogallery.Response{ResultCode: "000000", InstanceID: "i-1", License: "LICENSE"}},
		"a license that is known before its workload runs": {license, is(marketplace.StateInProgress, access),
			koogallery.Response{ResultCode: "000000", InstanceID: "i-1", License: "LICENSE"}},
		"a license that nobody has made yet": {license, is(marketplace.StateReady, urlOnly), koogallery.Response{ResultCode: "000004", InstanceID: "i-1"}},
		"a license in no known state":        {license, is("Odd", access), koogallery.Response{ResultCode: "000005", InstanceID: "i-1"}},
		"a debug license": {debugLicense, is(marketplace.StateReady, nil),
			koogallery.Response{ResultCode: "000000", InstanceID: "i-1", License: "DEBUG-CALL-SAMPLE"}},
		"a query": {query, listed(marketplace.Instance{ID: "i-1", State: marketplace.StateReady, Access: access}),
			koogallery.Response{ResultCode: "000000", EncryptType: "1", Info: []koogallery.InstanceInfo{{InstanceID: "i-1", AppInfo: app}}}},
		"a query for one on its way": {query, listed(marketplace.Instance{ID: "i-1", State: marketplace.StateInProgress}),
			koogallery.Response{ResultCode: "000004"}},
		"a debug query": {debugQuery, marketplace.Outcome{},
			koogallery.Response{ResultCode: "000000", EncryptType: "1", Info: []koogallery.InstanceInfo{{InstanceID: "i-1", AppInfo: sample, UsageInfo: usage}}}},
		"a renewal":           {marketplace.Event{Kind: marketplace.Renew}, marketplace.Outcome{}, koogallery.Response{ResultCode: "000000"}},
		"an unknown instance": {marketplace.Event{Kind: marketplace.Renew}, marketplace.Outcome{Err: marketplace.ErrUnknownInstance}, koogallery.Response{ResultCode: "000003"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := answered(t, bothKeys(t), proof, nextKey, tc.event, tc.outcome)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestEncryptTypeCanBeChosen(t *testing.T) {
	tests := map[string]struct{ choose, want koogallery.EncryptType }{
		"256 bits":         {koogallery.EncryptAES256, "1"},
		"128 bits":         {koogallery.EncryptAES128, "2"},
		"one that is none": {"3", "1"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			proof := marketplace.Proof{KeyName: koogallery.KeyAccess, Generation: koogallery.GenerationV1}
			event := marketplace.Event{Kind: marketplace.Purchase, Wants: marketplace.WantAccess, Test: true}
			outcome := marketplace.Outcome{Instance: marketplace.Instance{ID: "i-1"}}
			got := answered(t, bothKeys(t).WithEncryptType(tc.choose), proof, accessKey, event, outcome)
			if got.EncryptType != tc.want || got.AppInfo.Password != "debug-call-sample" {
				t.Errorf("type %q", got.EncryptType)
			}
		})
	}
}

// What counts is the length of the encrypted form.
func TestTooLongCredentialsAreLeftOutOfQueries(t *testing.T) {
	proof := marketplace.Proof{KeyName: koogallery.KeyAccess, Generation: koogallery.GenerationV1}
	access := &marketplace.Access{FrontEndURL: "https://a", UserName: strings.Repeat("u", 79), Password: strings.Repeat("p", 80)}
	got := answered(t, bothKeys(t), proof, accessKey, marketplace.Event{Kind: marketplace.Query},
		marketplace.Outcome{Instances: []marketplace.Instance{{ID: "i-1", State: marketplace.StateReady, Access: access}}})
	want := []koogallery.InstanceInfo{{InstanceID: "i-1", AppInfo: &koogallery.AppInfo{FrontEndURL: "https://a", UserName: access.UserName}}}
	if diff := cmp.Diff(want, got.Info); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestUsageIsTold(t *testing.T) {
	at := time.Date(2026, 2, 28, 23, 5, 1, 7_000_000, time.FixedZone("UTC+8", 8*3600))
	usage := []marketplace.Usage{
		{Value: 12.5, At: at, DashboardURL: "https://d"},
		{Value: 0.00004, At: at},
		{Value: math.Copysign(0, -1), At: at},
		{Value: 99_999_999.9999, At: at, InstanceID: "i-9"},
		{Value: 100_000_000, At: at},
		{Value: -1, At: at},
		{Value: math.NaN(), At: at},
		{Value: math.Inf(1), At: at},
	}
	for _, generation := range []string{"", koogallery.GenerationV1} {
		answer := bothKeys(t).Encode(marketplace.Proof{Generation: generation}, marketplace.Event{Kind: marketplace.Query},
			marketplace.Outcome{Instances: []marketplace.Instance{{ID: "i-1", State: marketplace.StateReady, Usage: usage}}})
		want := `{"resultCode":"000000","resultMsg":"success.","info":[{"instanceId":"i-1","usageInfo":[` +
			`{"usageValue":12.5,"statisticalTime":"20260228150501007","dashboardUrl":"https://d"},` +
			`{"usageValue":0,"statisticalTime":"20260228150501007"},{"usageValue":0,"statisticalTime":"20260228150501007"},` +
			`{"relatedInstanceId":"i-9","usageValue":99999999.9999,"statisticalTime":"20260228150501007"}]}]}`
		if diff := cmp.Diff(want, string(answer.Body)); diff != "" {
			t.Errorf("generation %q (-want +got):\n%s", generation, diff)
		}
	}
}

func TestEncodeForLicenseRequests(t *testing.T) {
	request := marketplace.Event{Kind: marketplace.RequestLicense, Activity: "getLicenseAsync"}
	debug := request
	debug.Test = true
	in := func(state marketplace.State) marketplace.Outcome {
		return marketplace.Outcome{Instance: marketplace.Instance{ID: "i-1", State: state}}
	}
	failed := func(err error) marketplace.Outcome { return marketplace.Outcome{Err: fmt.Errorf("%w: detail", err)} }
	tests := map[string]struct {
		event   marketplace.Event
		outcome marketplace.Outcome
		want    string
	}{
		"a license that was delivered":                {request, in(marketplace.StateReady), "000000"},
		"a license that will be":                      {request, in(marketplace.StateInProgress), "000004"},
		"a license that won't be":                     {request, in(marketplace.StateFailed), "000005"},
		"a license of a released instance":            {request, in(marketplace.StateReleased), "000003"},
		"a license that nobody has recorded":          {request, marketplace.Outcome{}, "000005"},
		"a debug call":                                {debug, marketplace.Outcome{}, "000000"},
		"no license left":                             {request, failed(marketplace.ErrLicenseQuota), "000900"},
		"a time outside the order's":                  {request, failed(marketplace.ErrLicensePeriod), "000901"},
		"no end":                                      {request, failed(marketplace.ErrLicenseEnd), "000902"},
		"no device":                                   {request, failed(marketplace.ErrLicenseUnbound), "000903"},
		"another conflict":                            {request, failed(marketplace.ErrConflict), "000002"},
		"an unknown instance":                         {request, failed(marketplace.ErrUnknownInstance), "000003"},
		"an API server away":                          {request, failed(marketplace.ErrUnavailable), "000005"},
		"no license left for a call of another table": {marketplace.Event{Kind: marketplace.Renew}, failed(marketplace.ErrLicenseQuota), "000002"},
		"an order notification":                       {marketplace.Event{Kind: marketplace.Notify}, marketplace.Outcome{}, "000000"},
		"an unknown license code":                     {marketplace.Event{Kind: marketplace.Release, License: "PL1"}, failed(marketplace.ErrUnknownInstance), "000003"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := answered(t, allKeys(t), marketplace.Proof{KeyName: "licenseAccessKey"}, "license-key", tc.event, tc.outcome)
			if diff := cmp.Diff(koogallery.Response{ResultCode: tc.want}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
