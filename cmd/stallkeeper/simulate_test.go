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

	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

const (
	testKey      = "access-key-of-the-test"
	testPassword = "initial-password-of-the-test"
	testInstance = "saaaaaaaaaaaaaaaaaaaaaaaaaa"
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
	callbacks, err := koogallery.NewCallbacks(map[string][]byte{koogallery.KeyAccess: []byte(testKey)})
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
		FrontEndURL: "https://shop.example.com/", UserName: "admin", Password: testPassword,
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
			if diff := cmp.Diff(tc.want, got); diff != "" {
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
	if code != exitAnswer || !strings.Contains(output, "the result code is 000004 (in progress); expected was 000000 (success)") {
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
			want: []string{"the result code is 000000 (success); expected was 000003 (the instance does not exist)"},
		},
		"another key": {
			args: []string{"--access-key", "another"},
			answer: func(w http.ResponseWriter, r *http.Request) {
				newEndpoint(t, ready).ServeHTTP(w, r)
			},
			want: []string{"000001 (authentication failed)", "Body-Sign is wrong"},
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
		"no order in a real purchase":                 {[]string{"purchase"}, "--order is missing"},
		"a line without an order":                     {[]string{"release", "--instance", "i", "--line", "1"}, "--line needs --order"},
		"no instance in a real call":                  {[]string{"freeze"}, "--instance is missing"},
		"no instance in a real query":                 {[]string{"query"}, "--instance is missing"},
		"no date in a real renewal":                   {[]string{"renew", "--order", "o", "--instance", "i"}, "--expires is missing"},
		"a date that is none":                         {[]string{"renew", "--debug", "--expires", "tomorrow"}, `"tomorrow" is neither`},
		"a length that is none":                       {[]string{"renew", "--debug", "--expires", "+5 days"}, "is no length"},
		"an unknown scene":                            {[]string{"renew", "--debug", "--scene", "RENEW"}, "--scene"},
		"a check of nothing":                          {[]string{"check", "--instance", "i"}, "the change is missing"},
		"a quantity below zero":                       {[]string{"check", "--debug", "--quantity=-1"}, "--quantity"},
		"an unknown output":                           {[]string{"purchase", "--debug", "-o", "yaml"}, "--output"},
		"a result code that is none":                  {[]string{"freeze", "--instance", "i", "--expect", "ok"}, "is no result code"},
		"an expected code in a debug call":            {[]string{"freeze", "--debug", "--expect", "000003"}, "exclude each other"},
		"a URL without a scheme":                      {[]string{"purchase", "--debug", "--url", "shop.example.com"}, "--url must be a URL"},
		"a URL with a query":                          {[]string{"purchase", "--debug", "--url", "https://shop.example.com/?a=b"}, "no query"},
		"two keys":                                    {[]string{"purchase", "--debug", "--access-key", "a", "--access-key-file", empty}, "exclude each other"},
		"a key file that is empty":                    {[]string{"purchase", "--debug", "--access-key-file", empty}, "is empty"},
		"an authority that is none":                   {[]string{"purchase", "--debug", "--ca-file", empty}, "no certificate"},
		"an open API without credentials":             {[]string{"openapi"}, "the credentials are missing"},
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
