package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

const (
	testKey      = "access-key-of-the-test"
	testPassword = "initial-password-of-the-test"
	testInstance = "saaaaaaaaaaaaaaaaaaaaaaaaaa"
	testLicense  = "license-of-the-test"
)

// endpoint answers as a correct seller does, with outcomes that a test gives.
type endpoint struct {
	t         *testing.T
	callbacks *koogallery.Callbacks
	outcome   func(marketplace.Event) marketplace.Outcome
	events    []marketplace.Event
}

func newEndpoint(t *testing.T, outcome func(marketplace.Event) marketplace.Outcome) *endpoint {
	t.Helper()
	callbacks, err := koogallery.NewCallbacks(
		map[string][]byte{koogallery.KeyAccess: []byte(testKey)}, koogallery.WithVersions(koogallery.AllVersions()...))
	if err != nil {
		t.Fatal(err)
	}
	return &endpoint{t: t, callbacks: callbacks, outcome: outcome}
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		e.t.Error(err)
	}
	_, path, _ := strings.Cut(r.URL.Path, "/produceAPI/")
	request := marketplace.Request{Method: r.Method, Query: r.URL.RawQuery, Header: r.Header, Body: body}
	if path != "" {
		request.Path = "/produceAPI/" + path
	}
	var (
		event   marketplace.Event
		outcome marketplace.Outcome
	)
	proof, err := e.callbacks.Verify(request, time.Now())
	if err == nil {
		event, err = e.callbacks.Decode(request)
	}
	if outcome.Err = err; err == nil {
		e.events = append(e.events, event)
		outcome = e.outcome(event)
	}
	answer := e.callbacks.Encode(proof, event, outcome)
	for name, values := range answer.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Status)
	if _, err := w.Write(answer.Body); err != nil {
		e.t.Error(err)
	}
}

// ready is the outcome of an endpoint where the test's instance runs.
func ready(event marketplace.Event) marketplace.Outcome {
	instance := marketplace.Instance{ID: testInstance, State: marketplace.StateReady, Access: &marketplace.Access{
		FrontEndURL: "https://shop.example.com/", UserName: "admin", Password: testPassword, License: testLicense,
	}}
	outcome := marketplace.Outcome{Instance: instance}
	if event.Kind == marketplace.Query {
		outcome.Instances = []marketplace.Instance{instance}
	}
	return outcome
}

// simulate runs the command with the test's key and an endpoint's URL, and returns what it printed and the exit code.
func simulate(t *testing.T, url string, args ...string) (output string, code int) {
	t.Helper()
	t.Setenv(envURL, url)
	t.Setenv(envAccessKey, testKey)
	t.Setenv(envCAFile, "")
	cmd := newSimulateCommand()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(t.Context())
	if err == nil {
		return out.String(), 0
	}
	var coded interface{ ExitCode() int }
	if !errors.As(err, &coded) {
		t.Fatalf("the error %v has no exit code", err)
	}
	return out.String() + err.Error(), coded.ExitCode()
}

func TestSimulateMakesKooGallerysCalls(t *testing.T) {
	tests := map[string]struct {
		args []string
		want marketplace.Event
	}{
		"a purchase fills in the order line": {
			args: []string{"purchase", "--order", "CS1"},
			want: marketplace.Event{Kind: marketplace.Purchase, Activity: "newInstance", OrderID: "CS1", OrderLineID: "CS1-000001", Lookup: marketplace.LookupPurchase},
		},
		"a debug purchase needs nothing": {
			args: []string{"purchase", "--debug"},
			want: marketplace.Event{Kind: marketplace.Purchase, Activity: "newInstance", Test: true, OrderID: "MOCKPERIODYEARNEW", OrderLineID: "MOCKPERIODYEARNEW-000001", Lookup: marketplace.LookupPurchase},
		},
		"a renewal carries its date": {
			args: []string{"renew", "--order", "CS2", "--line", "CS2-7", "--instance", testInstance, "--expires", "2027-01-31T23:59:59Z", "--product-id", "P2"},
			want: marketplace.Event{
				Kind: marketplace.Renew, Activity: "refreshInstance", Scene: "RENEWAL", OrderID: "CS2", OrderLineID: "CS2-7",
				InstanceID: testInstance, ProductID: "P2", ExpiresAt: time.Date(2027, 1, 31, 23, 59, 59, 0, time.UTC),
			},
		},
		"an upgrade names its order": {
			args: []string{"upgrade", "--order", "CS3", "--instance", testInstance},
			want: marketplace.Event{Kind: marketplace.Change, Activity: "upgradeInstance", OrderID: "CS3", OrderLineID: "CS3-000001", InstanceID: testInstance, Lookup: marketplace.LookupChange},
		},
		"a freeze": {
			args: []string{"freeze", "--instance", testInstance},
			want: marketplace.Event{Kind: marketplace.Suspend, Activity: "updateInstanceStatus", Scene: "FREEZE", InstanceID: testInstance},
		},
		"an unfreeze": {
			args: []string{"unfreeze", "--instance", testInstance},
			want: marketplace.Event{Kind: marketplace.Resume, Activity: "updateInstanceStatus", Scene: "UNFREEZE", InstanceID: testInstance},
		},
		"a release without an order, as after an expiry": {
			args: []string{"release", "--instance", testInstance},
			want: marketplace.Event{Kind: marketplace.Release, Activity: "releaseInstance", InstanceID: testInstance},
		},
		"a check of a quantity of zero": {
			args: []string{"check", "--instance", testInstance, "--sku-code", "S", "--quantity", "0"},
			want: marketplace.Event{Kind: marketplace.Check, Activity: "changeInstanceCheck", InstanceID: testInstance, SKUCode: "S", Quantity: new(int32)},
		},
	}
	number := func(n int32) *int32 { return &n }
	for name, tc := range map[string]struct {
		args []string
		want marketplace.Event
	}{
		"a purchase of V1 carries its order": {
			args: []string{
				"v1-purchase", "--order", "CS1", "--product-id", "P1", "--sku-code", "S1", "--customer-id", "C1", "--customer-name", "Zhang",
				"--phone", "15900000000", "--email", "buyer@example.com", "--charging", "period", "--amount", "5", "--disk-size", "0",
				"--bandwidth", "7", "--param", "title=a=b", "--param", "idNum=~~~>>>", "--expires", "2027-01-31T23:59:59Z",
				"--accepted", "2026-01-31T23:59:59Z", "--trial", "--period-type", "year", "--period-number", "1",
			},
			want: marketplace.Event{
				Kind: marketplace.Purchase, Activity: "newInstance", OrderID: "CS1", Term: marketplace.TermTrial, Wants: marketplace.WantAccess,
				AcceptedAt: time.Date(2026, 1, 31, 23, 59, 59, 0, time.UTC), Order: &marketplace.Order{
					Type: marketplace.OrderTrial, Charging: marketplace.ChargingPrepaid, CustomerID: "C1", CustomerName: "Zhang",
					ExpiresAt: time.Date(2027, 1, 31, 23, 59, 59, 0, time.UTC),
					Items:     []marketplace.Item{{ProductID: "P1", SKUCode: "S1", Quantity: number(5)}},
					Buyer:     marketplace.Buyer{MobilePhone: "15900000000", Email: "buyer@example.com"},
					Attributes: []marketplace.Attribute{
						{Name: "title", Value: "a=b"}, {Name: "idNum", Value: "~~~>>>"},
						{Name: "amount", Value: "5"}, {Name: "diskSize", Value: "0"}, {Name: "bandWidth", Value: "7"},
					},
				},
			},
		},
		"a renewal of V1": {
			args: []string{"v1-renew", "--order", "CS2", "--instance", testInstance, "--expires", "2027-01-31T23:59:59Z", "--trial-to-formal"},
			want: marketplace.Event{
				Kind: marketplace.Renew, Activity: "refreshInstance", Scene: "TRIAL_TO_FORMAL", OrderID: "CS2", InstanceID: testInstance,
				Term: marketplace.TermPaid, ExpiresAt: time.Date(2027, 1, 31, 23, 59, 59, 0, time.UTC),
			},
		},
		"an upgrade of V1": {
			args: []string{"v1-upgrade", "--order", "CS3", "--instance", testInstance, "--product-id", "P2", "--sku-code", "S2", "--amount", "9"},
			want: marketplace.Event{
				Kind: marketplace.Change, Activity: "upgrade", OrderID: "CS3", InstanceID: testInstance, Order: &marketplace.Order{
					Type:       marketplace.OrderChange,
					Items:      []marketplace.Item{{ProductID: "P2", SKUCode: "S2", Quantity: number(9)}},
					Attributes: []marketplace.Attribute{{Name: "amount", Value: "9"}},
				},
			},
		},
		"a query of V1": {
			args: []string{"v1-query", "--instance", testInstance},
			want: marketplace.Event{
				Kind: marketplace.Query, Activity: "queryInstance", InstanceID: testInstance, InstanceIDs: []string{testInstance},
			},
		},
		"an expiry of V1": {
			args: []string{"v1-expire", "--instance", testInstance, "--order", "CS1"},
			want: marketplace.Event{Kind: marketplace.Suspend, Activity: "expireInstance", InstanceID: testInstance, OrderID: "CS1"},
		},
		"a freeze of V1": {
			args: []string{"v1-freeze", "--instance", testInstance},
			want: marketplace.Event{Kind: marketplace.Suspend, Activity: "instanceStatus", Scene: "FREEZE", InstanceID: testInstance},
		},
		"an unfreeze of V1": {
			args: []string{"v1-unfreeze", "--instance", testInstance},
			want: marketplace.Event{Kind: marketplace.Resume, Activity: "instanceStatus", Scene: "NORMAL", InstanceID: testInstance},
		},
		"a release of V1": {
			args: []string{"v1-release", "--instance", testInstance},
			want: marketplace.Event{Kind: marketplace.Release, Activity: "releaseInstance", InstanceID: testInstance},
		},
		"a renewal of a license code": {
			args: []string{"code-renew", "--license", "PL1", "--order", "CS4", "--expires", "2027-01-31T23:59:59Z"},
			want: marketplace.Event{
				Kind: marketplace.Renew, Activity: "refreshLicenseCode", Scene: "RENEWAL", License: "PL1", OrderID: "CS4",
				OrderLineID: "CS4-000001", ExpiresAt: time.Date(2027, 1, 31, 23, 59, 59, 0, time.UTC),
			},
		},
		"a freeze of a license code": {
			args: []string{"code-freeze", "--license", "PL1"},
			want: marketplace.Event{Kind: marketplace.Suspend, Activity: "updateLicenseCodeStatus", Scene: "FREEZE", License: "PL1"},
		},
		"an unfreeze of a license code": {
			args: []string{"code-unfreeze", "--license", "PL1"},
			want: marketplace.Event{Kind: marketplace.Resume, Activity: "updateLicenseCodeStatus", Scene: "UNFREEZE", License: "PL1"},
		},
		"a release of a license code": {
			args: []string{"code-release", "--license", "PL1", "--order", "CS5"},
			want: marketplace.Event{
				Kind: marketplace.Release, Activity: "releaseLicenseCode", License: "PL1", OrderID: "CS5", OrderLineID: "CS5-000001",
			},
		},
		"a request for a license": {
			args: []string{
				"license-request", "--instance", testInstance, "--event", "E1", "--device-fingerprint", "f", "--effective", "2026-01-31T00:00:00Z",
				"--expires", "2027-01-31T00:00:00Z",
			},
			want: marketplace.Event{
				Kind: marketplace.RequestLicense, Activity: "getLicenseAsync", InstanceID: testInstance,
				LicenseRequest: &marketplace.LicenseRequest{
					ID: "E1", EffectiveAt: time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC), ExpiresAt: time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC),
					DeviceFingerprint: "f",
				},
			},
		},
		"a license of License 1.0": {
			args: []string{"license1-purchase", "--order", "CS6", "--product-id", "P1", "--customer-id", "C1"},
			want: marketplace.Event{
				Kind: marketplace.Purchase, Activity: "getLicense", OrderID: "CS6", Term: marketplace.TermPaid, Wants: marketplace.WantLicense,
				Order: &marketplace.Order{
					Type: marketplace.OrderPurchase, CustomerID: "C1", Items: []marketplace.Item{{ProductID: "P1"}},
				},
			},
		},
		"a release of License 1.0": {
			args: []string{"license1-release", "--instance", testInstance, "--order", "CS6"},
			want: marketplace.Event{Kind: marketplace.Release, Activity: "releaseLicense", InstanceID: testInstance, OrderID: "CS6"},
		},
		"an order notification": {
			args: []string{"notify", "--order", "CS7"},
			want: marketplace.Event{Kind: marketplace.Notify, Activity: "orderNotify", OrderID: "CS7", OrderLineID: "CS7-000001"},
		},
	} {
		tests[name] = tc
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			served := newEndpoint(t, ready)
			server := httptest.NewServer(served)
			defer server.Close()
			output, code := simulate(t, server.URL, tc.args...)
			if code != 0 {
				t.Fatalf("exit code %d:\n%s", code, output)
			}
			if len(served.events) != 1 {
				t.Fatalf("the endpoint got %d calls", len(served.events))
			}
			got := served.events[0]
			// When it was sent, and the marketplace's word for why, are not the command's choice.
			got.SentAt, got.Reason = time.Time{}, ""
			if diff := cmp.Diff(tc.want, got, cmpopts.IgnoreFields(marketplace.Order{}, "Raw")); diff != "" {
				t.Errorf("event (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSimulateHidesPasswordsUnlessAsked(t *testing.T) {
	server := httptest.NewServer(newEndpoint(t, ready))
	defer server.Close()
	for _, format := range []string{"text", "json"} {
		output, code := simulate(t, server.URL, "query", "--instance", testInstance, "-o", format)
		if code != 0 || strings.Contains(output, testPassword) {
			t.Errorf("%s: exit code %d, or the password is shown:\n%s", format, code, output)
		}
		if strings.Contains(output, testKey) || strings.Contains(output, "signature=") {
			t.Errorf("%s: the key or the signature is shown:\n%s", format, output)
		}
		output, _ = simulate(t, server.URL, "query", "--instance", testInstance, "-o", format, "--show-secrets")
		if !strings.Contains(output, testPassword) {
			t.Errorf("%s: --show-secrets does not show the password:\n%s", format, output)
		}
	}
}

func TestSimulateHidesLicensesUnlessAsked(t *testing.T) {
	server := httptest.NewServer(newEndpoint(t, ready))
	defer server.Close()
	for _, format := range []string{"text", "json"} {
		args := []string{"license1-purchase", "--order", "CS1", "--product-id", "P1", "-o", format}
		if output, code := simulate(t, server.URL, args...); code != 0 || strings.Contains(output, testLicense) {
			t.Errorf("%s: exit code %d, or the license is shown:\n%s", format, code, output)
		}
		if output, _ := simulate(t, server.URL, append(args, "--show-secrets")...); !strings.Contains(output, testLicense) {
			t.Errorf("%s: --show-secrets does not show the license:\n%s", format, output)
		}
	}
}

// Each kind of interface has a key of its own; who has one only needs to name one.
func TestSimulateTakesTheKeyOfTheInterface(t *testing.T) {
	s := newShop(t)
	s.clock.SetTime(time.Now())
	server := httptest.NewServer(s)
	defer server.Close()
	tests := map[string]struct {
		license, notify string
		want            int
	}{
		"the right keys":     {shopLicenseKey, shopNotifyKey, 0},
		"only the basic one": {"", "", 0},
		"each other's":       {shopNotifyKey, shopLicenseKey, exitAnswer},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Setenv(envLicenseKey, tc.license)
			t.Setenv(envNotifyKey, tc.notify)
			for _, verb := range []string{"code-freeze", "license-request", "license1-purchase", "notify"} {
				if output, code := simulate(t, server.URL+shopPath, verb, "--debug"); code != tc.want {
					t.Errorf("%s: exit code %d, want %d:\n%s", verb, code, tc.want, output)
				}
			}
		})
	}
}

// Every command but those that serve and play cases has a default for whatever a debug call needs.
func TestSimulateDebugNeedsNoFlags(t *testing.T) {
	t.Setenv(envKitKey, testKitKey)
	s := newShop(t)
	s.clock.SetTime(time.Now())
	server := httptest.NewServer(s)
	defer server.Close()
	for _, verb := range newSimulateCommand().Commands() {
		if verb.Flags().Lookup("debug") == nil {
			continue
		}
		if output, code := simulate(t, server.URL+shopPath, verb.Name(), "--debug"); code != 0 {
			t.Errorf("%s: exit code %d:\n%s", verb.Name(), code, output)
		}
		if verb.GroupID == "" {
			t.Errorf("%s is in no group of the help", verb.Name())
		}
	}
}

func TestSimulateJSONIsOneDocument(t *testing.T) {
	server := httptest.NewServer(newEndpoint(t, ready))
	defer server.Close()
	output, _ := simulate(t, server.URL, "purchase", "--order", "CS1", "-o", "json")
	var got callDocument
	decoder := json.NewDecoder(strings.NewReader(output))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&got); err != nil {
		t.Fatalf("%v in:\n%s", err, output)
	}
	got.Answer.Milliseconds, got.Answer.Body, got.Request.Body = 0, nil, nil
	want := callDocument{
		OK: true, Activity: "newInstance", Calls: 1, Expected: []string{"000000", "000004"}, Problems: []string{},
		Request: &requestDocument{Method: "POST", URL: server.URL},
		Answer: &answerDocument{
			Status: 200, ContentType: "application/json", BodySign: "present",
			ResultCode: "000000", ResultMsg: "success.", InstanceID: testInstance,
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("document (-want +got):\n%s", diff)
	}
}

func TestSimulateWaitsWhileInProgress(t *testing.T) {
	var queries atomic.Int32
	served := newEndpoint(t, func(event marketplace.Event) marketplace.Outcome {
		if queries.Add(1) < 3 {
			return marketplace.Outcome{Instances: []marketplace.Instance{{ID: testInstance, State: marketplace.StateInProgress}}}
		}
		return ready(event)
	})
	server := httptest.NewServer(served)
	defer server.Close()
	output, code := simulate(t, server.URL, "query", "--instance", testInstance, "--wait", "--interval", "1ms")
	if code != 0 || !strings.Contains(output, "after 3 calls") {
		t.Errorf("exit code %d:\n%s", code, output)
	}
}

func TestSimulateEndsWaiting(t *testing.T) {
	server := httptest.NewServer(newEndpoint(t, func(marketplace.Event) marketplace.Outcome {
		return marketplace.Outcome{Instances: []marketplace.Instance{{ID: testInstance, State: marketplace.StateInProgress}}}
	}))
	defer server.Close()
	output, code := simulate(t, server.URL, "query", "--instance", testInstance, "--wait", "--interval", "1ms", "--timeout", "20ms")
	if code != exitAnswer || !strings.Contains(output, "the result code is 000004 (in progress), expected 000000 (success)") {
		t.Errorf("exit code %d:\n%s", code, output)
	}
}

func TestSimulateFindsWhatKooGalleryRefuses(t *testing.T) {
	tests := map[string]struct {
		args   []string
		answer http.HandlerFunc
		want   []string
	}{
		"an answer without Body-Sign": {
			answer: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, `{"resultCode":"000000","resultMsg":"ok","instanceId":"i"}`)
			},
			want: []string{"Verdict: not good", "Body-Sign"},
		},
		"an error page, whose escape sequences do not reach the terminal": {
			answer: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/html")
				w.WriteHeader(http.StatusBadGateway)
				_, _ = io.WriteString(w, "<h1>\x1b[31mBad Gateway</h1>")
			},
			want: []string{"HTTP status   502", "text/html", "not a JSON object", `\u001b[31mBad Gateway`},
		},
		"a code that was not expected": {
			args: []string{"--expect", "000003"},
			answer: func(w http.ResponseWriter, r *http.Request) {
				newEndpoint(t, ready).ServeHTTP(w, r)
			},
			want: []string{"the result code is 000000 (success), expected 000003 (the instance does not exist)"},
		},
		"another key": {
			args: []string{"--access-key", "another"},
			answer: func(w http.ResponseWriter, r *http.Request) {
				newEndpoint(t, ready).ServeHTTP(w, r)
			},
			want: []string{"000001 (authentication failed)"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(tc.answer)
			defer server.Close()
			output, code := simulate(t, server.URL, append([]string{"purchase", "--order", "CS1"}, tc.args...)...)
			if code != exitAnswer {
				t.Errorf("exit code %d, want %d", code, exitAnswer)
			}
			for _, text := range tc.want {
				if !strings.Contains(output, text) {
					t.Errorf("the output lacks %q:\n%s", text, output)
				}
			}
			if strings.Contains(output, "\x1b") {
				t.Error("an escape sequence of the answer is printed")
			}
		})
	}
}

func TestSimulateWithoutAnAnswer(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	url := server.URL
	server.Close()
	output, code := simulate(t, url, "purchase", "--debug", "-o", "json")
	document, _, _ := strings.Cut(output, "\n}")
	if code != exitAnswer || !json.Valid([]byte(document+"\n}")) || !strings.Contains(output, "there was no answer") || strings.Contains(output, "nonce=") {
		t.Errorf("exit code %d:\n%s", code, output)
	}
}

func TestSimulateTrustsTheGivenAuthority(t *testing.T) {
	server := httptest.NewTLSServer(newEndpoint(t, ready))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(file, pemOf(server.Certificate().Raw), 0o600); err != nil {
		t.Fatal(err)
	}
	if output, code := simulate(t, server.URL, "purchase", "--debug", "--ca-file", file); code != 0 {
		t.Errorf("exit code %d:\n%s", code, output)
	}
	if output, code := simulate(t, server.URL, "purchase", "--debug", "--insecure-skip-verify"); code != 0 {
		t.Errorf("exit code %d:\n%s", code, output)
	}
	if output, code := simulate(t, server.URL, "purchase", "--debug"); code != exitAnswer || !strings.Contains(output, "certificate") {
		t.Errorf("an unknown authority: exit code %d:\n%s", code, output)
	}
}

func TestSimulateRefusesWrongFlags(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		args []string
		want string
	}{
		"an unknown flag":                             {[]string{"purchase", "--ordr", "x"}, "unknown flag"},
		"an unknown command":                          {[]string{"buy"}, `unknown command "buy"`},
		"an argument":                                 {[]string{"purchase", "CS1"}, `unexpected argument "CS1"`},
		"no order in a real purchase":                 {[]string{"purchase"}, "--order is required"},
		"a line without an order":                     {[]string{"release", "--instance", "i", "--line", "1"}, "--line requires --order"},
		"no instance in a real call":                  {[]string{"freeze"}, "--instance is required"},
		"no instance in a real query":                 {[]string{"query"}, "--instance is required"},
		"no date in a real renewal":                   {[]string{"renew", "--order", "o", "--instance", "i"}, "--expires is required"},
		"a date that is none":                         {[]string{"renew", "--debug", "--expires", "tomorrow"}, `"tomorrow" is neither`},
		"a length that is none":                       {[]string{"renew", "--debug", "--expires", "+5 days"}, "is not a duration"},
		"an unknown scene":                            {[]string{"renew", "--debug", "--scene", "RENEW"}, "--scene"},
		"a check of nothing":                          {[]string{"check", "--instance", "i"}, "no change is given"},
		"a quantity below zero":                       {[]string{"check", "--debug", "--quantity=-1"}, "--quantity"},
		"an unknown output":                           {[]string{"purchase", "--debug", "-o", "yaml"}, "--output"},
		"a result code that is none":                  {[]string{"freeze", "--instance", "i", "--expect", "ok"}, "is not a result code"},
		"an expected code in a debug call":            {[]string{"freeze", "--debug", "--expect", "000003"}, "are mutually exclusive"},
		"a URL without a scheme":                      {[]string{"purchase", "--debug", "--url", "shop.example.com"}, "--url must begin with https://"},
		"a URL with a query":                          {[]string{"purchase", "--debug", "--url", "https://shop.example.com/?a=b"}, "no query"},
		"two keys":                                    {[]string{"purchase", "--debug", "--access-key", "a", "--access-key-file", empty}, "are mutually exclusive"},
		"a key file that is empty":                    {[]string{"purchase", "--debug", "--access-key-file", empty}, "is empty"},
		"an authority that is none":                   {[]string{"purchase", "--debug", "--ca-file", empty}, "no PEM certificate"},
		"no product in a purchase of V1":              {[]string{"v1-purchase", "--order", "o"}, "--product-id is required"},
		"no order in a renewal of V1":                 {[]string{"v1-renew", "--instance", "i", "--expires", "+1h"}, "--order and --expires are required"},
		"no instance in an expiry of V1":              {[]string{"v1-expire"}, "--instance is required"},
		"no instance in a query of V1":                {[]string{"v1-query"}, "--instance is required"},
		"no specification in an upgrade of V1":        {[]string{"v1-upgrade", "--instance", "i", "--order", "o", "--product-id", "p"}, "--sku-code is required"},
		"an amount of eight digits":                   {[]string{"v1-purchase", "--debug", "--amount", "10000000"}, "--amount must be"},
		"a parameter without a value":                 {[]string{"v1-purchase", "--debug", "--param", "title"}, "is not name=value"},
		"an unknown charging mode":                    {[]string{"v1-purchase", "--debug", "--charging", "free"}, `--charging: "free"`},
		"an acceptance that is no time":               {[]string{"v1-purchase", "--debug", "--accepted", "now"}, "--accepted"},
		"no license code":                             {[]string{"code-freeze"}, "--license is required"},
		"a scene that license codes don't have":       {[]string{"code-renew", "--debug", "--scene", "RENEWAL_CHANGE"}, "--scene"},
		"no date in a renewal of a license code":      {[]string{"code-renew", "--license", "l", "--order", "o"}, "--expires is required"},
		"no event in a request for a license":         {[]string{"license-request", "--instance", "i"}, "--event is required"},
		"an unknown generation":                       {[]string{"conformance", "--generation", "saas-v3"}, `--generation: "saas-v3" must be one of saas-v2, saas-v1`},
		"an unknown product type":                     {[]string{"conformance", "--product-type", "free"}, `--product-type: "free" must be one of one-time`},
		"two license keys":                            {[]string{"conformance", "--license-access-key", "a", "--license-access-key-file", empty}, "--license-access-key and --license-access-key-file are mutually exclusive"},
		"an open API without credentials":             {[]string{"openapi"}, "credentials are required"},
		"an open API on an address that can't be had": {[]string{"openapi", "--ak", "a", "--sk", "b", "--bind-address", "256.0.0.1:0"}, "--bind-address"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			output, code := simulate(t, "http://127.0.0.1:1", tc.args...)
			if code != exitUsage || !strings.Contains(output, tc.want) {
				t.Errorf("exit code %d, want %d with %q:\n%s", code, exitUsage, tc.want, output)
			}
		})
	}
}
