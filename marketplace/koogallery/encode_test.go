package koogallery_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

func TestEncode(t *testing.T) {
	access := &marketplace.Access{
		FrontEndURL: "https://shop.example.com/?a=1&b=<2>", AdminURL: "https://shop.example.com/admin",
		UserName: "admin", Password: `p"\1`, Memo: "管理员 😀",
	}
	const accessJSON = `{"frontEndUrl":"https://shop.example.com/?a=1&b=<2>","adminUrl":"https://shop.example.com/admin",` +
		`"userName":"admin","password":"p\"\\1","memo":"\u7ba1\u7406\u5458 \ud83d\ude00"}`
	ready := marketplace.Instance{ID: "i-1", State: marketplace.StateReady, Access: access}
	in := func(state marketplace.State) marketplace.Instance {
		return marketplace.Instance{ID: "i-2", State: state}
	}
	purchase := marketplace.Event{Kind: marketplace.Purchase}
	query := marketplace.Event{Kind: marketplace.Query, InstanceIDs: []string{"i-1", "i-2"}}
	purchased := func(state marketplace.State) marketplace.Outcome {
		return marketplace.Outcome{Instance: marketplace.Instance{ID: "i-1", State: state}}
	}
	queried := func(instances ...marketplace.Instance) marketplace.Outcome {
		return marketplace.Outcome{Instances: instances}
	}
	failed := func(err error) marketplace.Outcome { return marketplace.Outcome{Err: err} }
	plain := func(code, message string) string {
		return `{"resultCode":"` + code + `","resultMsg":"` + message + `"}`
	}
	bought := func(code, message string) string {
		return `{"resultCode":"` + code + `","resultMsg":"` + message + `","instanceId":"i-1"}`
	}
	const internal = "internal error, please retry"

	tests := map[string]struct {
		event   marketplace.Event
		outcome marketplace.Outcome
		want    string
	}{
		"a purchase on its way":                              {purchase, purchased(marketplace.StateInProgress), bought("000004", "in progress")},
		"a purchase that runs":                               {purchase, purchased(marketplace.StateReady), bought("000000", "success.")},
		"a purchase that needs a person":                     {purchase, purchased(marketplace.StateFailed), bought("000004", "in progress")},
		"a purchase released since":                          {purchase, purchased(marketplace.StateReleased), bought("000000", "success.")},
		"a purchase in no known state":                       {purchase, purchased("Odd"), bought("000005", internal)},
		"a purchase without id":                              {purchase, marketplace.Outcome{Instance: marketplace.Instance{State: marketplace.StateReady}}, plain("000005", internal)},
		"a purchase that was not stored":                     {purchase, marketplace.Outcome{Err: marketplace.ErrUnavailable, Instance: marketplace.Instance{ID: "i-1"}}, bought("000005", internal)},
		"a debug purchase":                                   {marketplace.Event{Kind: marketplace.Purchase, Test: true}, purchased(""), bought("000000", "success.")},
		"a query for one that runs":                          {query, queried(ready), `{"resultCode":"000000","resultMsg":"success.","info":[{"instanceId":"i-1","appInfo":` + accessJSON + `}]}`},
		"a query for one that runs and needs no access data": {query, queried(in(marketplace.StateReady)), `{"resultCode":"000000","resultMsg":"success.","info":[{"instanceId":"i-2"}]}`},
		"a query of which one runs":                          {query, queried(in(marketplace.StateInProgress), ready), `{"resultCode":"000000","resultMsg":"success.","info":[{"instanceId":"i-1","appInfo":` + accessJSON + `}]}`},
		"a query for one on its way":                         {query, queried(in(marketplace.StateInProgress)), plain("000004", "in progress")},
		"a query of which one is on its way":                 {query, queried(in(marketplace.StateFailed), in(marketplace.StateInProgress)), plain("000004", "in progress")},
		"a query for one that failed":                        {query, queried(in(marketplace.StateFailed)), plain("000005", internal)},
		"a query for one released":                           {query, queried(in(marketplace.StateReleased)), plain("000003", "the instance does not exist")},
		"a query for unknown ones":                           {query, queried(), plain("000003", "the instance does not exist")},
		"a debug query": {marketplace.Event{Kind: marketplace.Query, Test: true, InstanceIDs: []string{"no-such"}, SentAt: now}, queried(),
			`{"resultCode":"000000","resultMsg":"success.","info":[{"instanceId":"no-such","appInfo":{` +
				`"frontEndUrl":"https://app.example.com/","adminUrl":"https://app.example.com/admin","userName":"admin",` +
				`"password":"debug-call-sample","memo":"Sample data of a debug call."},` +
				`"usageInfo":[{"usageValue":1,"statisticalTime":"20260301120000000"}]}]}`},
		"a renewal":               {marketplace.Event{Kind: marketplace.Renew}, marketplace.Outcome{}, plain("000000", "success.")},
		"a check that is allowed": {marketplace.Event{Kind: marketplace.Check}, marketplace.Outcome{}, plain("000000", "success.")},
		"a check that is refused": {marketplace.Event{Kind: marketplace.Check}, failed(fmt.Errorf("%w: 7 users are in use", marketplace.ErrConflict)),
			plain("000002", "the request conflicts with the instance's state: 7 users are in use")},
		"an unknown instance":      {marketplace.Event{Kind: marketplace.Renew}, failed(marketplace.ErrUnknownInstance), plain("000003", "the instance does not exist")},
		"a wrong signature":        {marketplace.Event{}, failed(fmt.Errorf("%w: detail", marketplace.ErrUnauthenticated)), plain("000001", "authentication failed")},
		"a replayed call":          {marketplace.Event{}, failed(marketplace.ErrReplayed), plain("000001", "authentication failed")},
		"a late call":              {marketplace.Event{}, failed(marketplace.ErrStale), plain("000002", "timestamp must be within 60 s of now")},
		"a malformed call":         {marketplace.Event{}, failed(fmt.Errorf("%w: orderId is missing", marketplace.ErrMalformed)), plain("000002", "the request is malformed: orderId is missing")},
		"a body that is too large": {marketplace.Event{}, failed(marketplace.ErrTooLarge), plain("000002", "the request is too large")},
		"an API server away":       {marketplace.Event{Kind: marketplace.Release}, failed(fmt.Errorf("%w: dial tcp 10.0.0.1:443", marketplace.ErrUnavailable)), plain("000005", internal)},
		"an error of no kind":      {marketplace.Event{}, failed(errors.New("secret detail")), plain("000005", internal)},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := bothKeys(t).Encode(marketplace.Proof{KeyName: koogallery.KeyAccess}, tc.event, tc.outcome)
			if diff := cmp.Diff(tc.want, string(got.Body)); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
			want := http.Header{
				"Content-Type": {"application/json"},
				"Body-Sign":    {koogallery.BodySign([]byte(accessKey), got.Body)},
			}
			if diff := cmp.Diff(want, got.Header); diff != "" {
				t.Errorf("header (-want +got):\n%s", diff)
			}
			if got.Status != 200 || !strings.Contains(tc.want, got.Code) || got.Code == "" {
				t.Errorf("status %d, code %q", got.Status, got.Code)
			}
		})
	}
}

func TestAnswerIsSignedWithTheKeyThatVerified(t *testing.T) {
	tests := map[string]struct{ keyName, wantKey string }{
		"the present key":  {"accessKey", accessKey},
		"its successor":    {"accessKeyNext", nextKey},
		"none":             {"", ""},
		"one that is gone": {"kitAccessKey", ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := bothKeys(t).Encode(marketplace.Proof{KeyName: tc.keyName}, marketplace.Event{}, marketplace.Outcome{})
			var want []string
			if tc.wantKey != "" {
				want = []string{koogallery.BodySign([]byte(tc.wantKey), got.Body)}
			}
			if diff := cmp.Diff(want, got.Header["Body-Sign"]); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTooLongAccessData(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	base := marketplace.Access{FrontEndURL: "https://a", AdminURL: "https://b", UserName: "u", Password: "p", Memo: "m"}
	tests := map[string]struct {
		change func(a *marketplace.Access)
		want   *koogallery.AppInfo
	}{
		"a front-end URL leaves all out":       {func(a *marketplace.Access) { a.FrontEndURL = long(513) }, nil},
		"no front-end URL leaves all out":      {func(a *marketplace.Access) { a.FrontEndURL = "" }, nil},
		"an admin URL is left out":             {func(a *marketplace.Access) { a.AdminURL = long(513) }, &koogallery.AppInfo{FrontEndURL: "https://a", UserName: "u", Password: "p", Memo: "m"}},
		"a user name is left out":              {func(a *marketplace.Access) { a.UserName = long(129) }, &koogallery.AppInfo{FrontEndURL: "https://a", AdminURL: "https://b", Password: "p", Memo: "m"}},
		"a password is left out":               {func(a *marketplace.Access) { a.Password = long(129) }, &koogallery.AppInfo{FrontEndURL: "https://a", AdminURL: "https://b", UserName: "u", Memo: "m"}},
		"a memo is cut":                        {func(a *marketplace.Access) { a.Memo = long(1025) }, &koogallery.AppInfo{FrontEndURL: "https://a", AdminURL: "https://b", UserName: "u", Password: "p", Memo: long(1024)}},
		"a memo is not cut inside a character": {func(a *marketplace.Access) { a.Memo = long(1023) + "😀" }, &koogallery.AppInfo{FrontEndURL: "https://a", AdminURL: "https://b", UserName: "u", Password: "p", Memo: long(1023)}},
		"what fits exactly stays": {func(a *marketplace.Access) {
			*a = marketplace.Access{FrontEndURL: long(512), AdminURL: long(512), UserName: long(128), Password: long(128), Memo: long(1024)}
		},
			&koogallery.AppInfo{FrontEndURL: long(512), AdminURL: long(512), UserName: long(128), Password: long(128), Memo: long(1024)}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			access := base
			tc.change(&access)
			answer := bothKeys(t).Encode(marketplace.Proof{}, marketplace.Event{Kind: marketplace.Query}, marketplace.Outcome{
				Instances: []marketplace.Instance{{ID: "i-1", State: marketplace.StateReady, Access: &access}},
			})
			var got koogallery.Response
			if err := json.Unmarshal(answer.Body, &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]koogallery.InstanceInfo{{InstanceID: "i-1", AppInfo: tc.want}}, got.Info); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

var (
	documentedCode = regexp.MustCompile(`^(00000[0-5]|00090[0-3])$`)
	beyondASCII    = regexp.MustCompile(`[^\x20-\x7E]`)
)

// Whatever happens inside, KooGallery gets an answer that it can read and accepts.
func TestEveryOutcomeHasAReadableAnswer(t *testing.T) {
	callbacks := bothKeys(t)
	rapid.Check(t, func(t *rapid.T) {
		event, outcome := anyEvent().Draw(t, "event"), anyOutcome().Draw(t, "outcome")
		proof := marketplace.Proof{Generation: rapid.SampledFrom([]string{"", koogallery.GenerationV1}).Draw(t, "generation")}
		got := callbacks.Encode(proof, event, outcome)
		if beyondASCII.Match(got.Body) {
			t.Fatalf("beyond ASCII: %q", got.Body)
		}
		var body koogallery.Response
		if err := json.Unmarshal(got.Body, &body); err != nil {
			t.Fatalf("%v: %s", err, got.Body)
		}
		if !documentedCode.MatchString(body.ResultCode) || body.ResultCode != got.Code || body.ResultMsg == "" {
			t.Fatalf("code %q, message %q", body.ResultCode, body.ResultMsg)
		}
		if outcome.Err != nil && body.ResultCode == koogallery.ResultSuccess {
			t.Fatalf("%v is called success", outcome.Err)
		}
		tooLong := longerThan(t)
		tooLong(body.ResultMsg, 255)
		tooLong(body.InstanceID, 64)
		for _, info := range append(body.Info, koogallery.InstanceInfo{AppInfo: body.AppInfo}) {
			tooLong(info.InstanceID, 64)
			if info.AppInfo != nil {
				tooLong(info.AppInfo.FrontEndURL, 512)
				tooLong(info.AppInfo.AdminURL, 512)
				tooLong(info.AppInfo.UserName, 128)
				tooLong(info.AppInfo.Password, 128)
				tooLong(info.AppInfo.Memo, 1024)
			}
			for _, usage := range info.UsageInfo {
				tooLong(usage.UsageValue.String(), 20)
				tooLong(usage.StatisticalTime, 20)
				tooLong(usage.RelatedInstanceID, 64)
				tooLong(usage.DashboardURL, 512)
			}
		}
	})
}

func longerThan(t *rapid.T) func(text string, limit int) {
	return func(text string, limit int) {
		if length := len(utf16.Encode([]rune(text))); length > limit {
			t.Fatalf("%d characters, %d are allowed: %q", length, limit, text)
		}
	}
}

func anyText() *rapid.Generator[string] {
	return rapid.OneOf(rapid.String(), rapid.Custom(func(t *rapid.T) string {
		piece := rapid.SampledFrom([]string{"a", "订", "😀", "\xff", "\n", `"`, "\u2028", "{{"}).Draw(t, "piece")
		return strings.Repeat(piece, rapid.IntRange(0, 1100).Draw(t, "times"))
	}))
}

func anyEvent() *rapid.Generator[marketplace.Event] {
	kinds := []marketplace.Kind{
		"", marketplace.Purchase, marketplace.Renew, marketplace.Change, marketplace.Suspend, marketplace.Resume,
		marketplace.Release, marketplace.Query, marketplace.Check, marketplace.Notify, marketplace.RequestLicense,
	}
	return rapid.Custom(func(t *rapid.T) marketplace.Event {
		return marketplace.Event{
			Kind:        rapid.SampledFrom(kinds).Draw(t, "kind"),
			Test:        rapid.Bool().Draw(t, "test"),
			Wants:       rapid.SampledFrom([]marketplace.Want{"", marketplace.WantAccess, marketplace.WantLicense}).Draw(t, "wants"),
			InstanceIDs: rapid.SliceOfN(rapid.StringN(1, 20, 64), 0, 3).Draw(t, "ids"),
		}
	})
}

func anyOutcome() *rapid.Generator[marketplace.Outcome] {
	errs := []error{
		nil, marketplace.ErrUnauthenticated, marketplace.ErrStale, marketplace.ErrReplayed, marketplace.ErrMalformed,
		marketplace.ErrTooLarge, marketplace.ErrUnknownInstance, marketplace.ErrConflict, marketplace.ErrUnavailable, errors.New("other"),
		marketplace.ErrLicenseQuota, marketplace.ErrLicensePeriod, marketplace.ErrLicenseEnd, marketplace.ErrLicenseUnbound,
	}
	return rapid.Custom(func(t *rapid.T) marketplace.Outcome {
		outcome := marketplace.Outcome{
			Instance:  anyInstance().Draw(t, "instance"),
			Instances: rapid.SliceOfN(anyInstance(), 0, 3).Draw(t, "instances"),
		}
		if err := rapid.SampledFrom(errs).Draw(t, "error"); err != nil {
			outcome.Err = fmt.Errorf("%w: %s", err, anyText().Draw(t, "detail"))
		}
		return outcome
	})
}

func anyInstance() *rapid.Generator[marketplace.Instance] {
	states := []marketplace.State{
		"", marketplace.StateInProgress, marketplace.StateReady, marketplace.StateFailed, marketplace.StateReleased,
	}
	return rapid.Custom(func(t *rapid.T) marketplace.Instance {
		instance := marketplace.Instance{ID: anyText().Draw(t, "id"), State: rapid.SampledFrom(states).Draw(t, "state")}
		if rapid.Bool().Draw(t, "has access") {
			text := anyText()
			instance.Access = &marketplace.Access{
				FrontEndURL: text.Draw(t, "front"), AdminURL: text.Draw(t, "admin"), UserName: text.Draw(t, "user"),
				Password: text.Draw(t, "password"), Memo: text.Draw(t, "memo"), License: text.Draw(t, "license"),
			}
		}
		if rapid.Bool().Draw(t, "has usage") {
			instance.Usage = []marketplace.Usage{{
				InstanceID: anyText().Draw(t, "package"), Value: rapid.Float64().Draw(t, "value"), DashboardURL: anyText().Draw(t, "dashboard"),
				At: time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "at"), 0),
			}}
		}
		return instance
	})
}
