package koogallerytest_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

const accessKey = "test-access-key-0001"

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return now }

// seller is the smallest callback server that speaks the protocol. Every instance runs.
type seller struct {
	callbacks *koogallery.Callbacks
	// seen are the events of the calls that were well signed and understood.
	seen []marketplace.Event
	// nonces refuses repeats.
	nonces map[string]bool
}

func (s *seller) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	req := marketplace.Request{Method: r.Method, Query: r.URL.RawQuery, Header: r.Header, Body: body}
	var event marketplace.Event
	proof, err := s.callbacks.Verify(req, now)
	if err == nil && proof.Nonce != "" && s.nonces[proof.Nonce] {
		err = marketplace.ErrReplayed
	}
	if err == nil {
		s.nonces[proof.Nonce] = true
		event, err = s.callbacks.Decode(req)
	}
	outcome := marketplace.Outcome{Err: err}
	if err == nil {
		s.seen = append(s.seen, event)
		outcome = s.record(event)
	}
	answer := s.callbacks.Encode(proof, event, outcome)
	for name, values := range answer.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Status)
	_, _ = w.Write(answer.Body)
}

func (s *seller) record(event marketplace.Event) marketplace.Outcome {
	access := &marketplace.Access{
		FrontEndURL: "https://shop.example.com/", UserName: "admin", Password: "initial-password", Memo: "开始", License: "THE-LICENSE",
	}
	outcome := marketplace.Outcome{Instance: marketplace.Instance{ID: "i-1", State: marketplace.StateReady, Access: access}}
	for _, id := range event.InstanceIDs {
		outcome.Instances = append(outcome.Instances, marketplace.Instance{ID: id, State: marketplace.StateReady, Access: access})
	}
	return outcome
}

func newSeller(t *testing.T) (*seller, koogallerytest.Caller) {
	t.Helper()
	callbacks, err := koogallery.NewCallbacks(
		map[string][]byte{koogallery.KeyAccess: []byte(accessKey)}, koogallery.WithVersions(koogallery.AllVersions()...))
	if err != nil {
		t.Fatal(err)
	}
	s := &seller{callbacks: callbacks, nonces: map[string]bool{}}
	server := httptest.NewTLSServer(s)
	t.Cleanup(server.Close)
	config := server.Client().Transport.(*http.Transport).TLSClientConfig
	return s, koogallerytest.Caller{URL: server.URL + "/v1/sales/koogallery?tenant=1", AccessKey: accessKey, TLS: config, Clock: clock}
}

// activity makes one call of a generation with a body and says what the seller has to understand.
type activity struct {
	call func(ctx context.Context, c koogallerytest.Caller) (*koogallerytest.Exchange, error)
	want marketplace.Event
}

func activities() map[string]activity {
	quantity := int32(7)
	expiry := now.AddDate(1, 0, 0)
	return map[string]activity{
		"newInstance": {
			func(ctx context.Context, c koogallerytest.Caller) (*koogallerytest.Exchange, error) {
				return c.NewInstance(ctx, "CS<1>&订", "CS1-000001")
			},
			marketplace.Event{Kind: marketplace.Purchase, OrderID: "CS<1>&订", OrderLineID: "CS1-000001", Lookup: marketplace.LookupPurchase},
		},
		"queryInstance": {
			func(ctx context.Context, c koogallerytest.Caller) (*koogallerytest.Exchange, error) {
				return c.QueryInstance(ctx, "i-1", "i-2")
			},
			marketplace.Event{Kind: marketplace.Query, InstanceIDs: []string{"i-1", "i-2"}},
		},
		"refreshInstance": {
			func(ctx context.Context, c koogallerytest.Caller) (*koogallerytest.Exchange, error) {
				return c.RefreshInstance(ctx, koogallerytest.RefreshOptions{
					Scene: koogallery.SceneRenewal, OrderID: "CS2", OrderLineID: "CS2-000001", InstanceID: "i-1",
					ProductID: "P2", ExpireTime: expiry.In(time.FixedZone("UTC+8", 8*3600)),
				})
			},
			marketplace.Event{
				Kind: marketplace.Renew, Scene: "RENEWAL", OrderID: "CS2", OrderLineID: "CS2-000001", InstanceID: "i-1",
				ProductID: "P2", ExpiresAt: expiry,
			},
		},
		"updateInstanceStatus": {
			func(ctx context.Context, c koogallerytest.Caller) (*koogallerytest.Exchange, error) {
				return c.UpdateInstanceStatus(ctx, "i-1", koogallery.StatusFreeze)
			},
			marketplace.Event{Kind: marketplace.Suspend, Scene: "FREEZE", InstanceID: "i-1"},
		},
		"releaseInstance": {
			func(ctx context.Context, c koogallerytest.Caller) (*koogallerytest.Exchange, error) {
				return c.ReleaseInstance(ctx, "i-1", "", "")
			},
			marketplace.Event{Kind: marketplace.Release, InstanceID: "i-1"},
		},
		"upgradeInstance": {
			func(ctx context.Context, c koogallerytest.Caller) (*koogallerytest.Exchange, error) {
				return c.UpgradeInstance(ctx, "i-1", "CS3", "CS3-000001")
			},
			marketplace.Event{
				Kind: marketplace.Change, OrderID: "CS3", OrderLineID: "CS3-000001", InstanceID: "i-1", Lookup: marketplace.LookupChange,
			},
		},
		"changeInstanceCheck": {
			func(ctx context.Context, c koogallerytest.Caller) (*koogallerytest.Exchange, error) {
				return c.ChangeInstanceCheck(ctx, "i-1", koogallerytest.Product{ProductID: "P1", SKUCode: "S1", LinearValue: &quantity})
			},
			marketplace.Event{Kind: marketplace.Check, InstanceID: "i-1", ProductID: "P1", SKUCode: "S1", Quantity: &quantity},
		},
		"refreshLicenseCode": {
			func(ctx context.Context, c koogallerytest.Caller) (*koogallerytest.Exchange, error) {
				return c.RefreshLicenseCode(ctx, "PL1", koogallerytest.RefreshOptions{
					Scene: koogallery.SceneRenewal, OrderID: "CS2", OrderLineID: "CS2-000001", ExpireTime: expiry,
				})
			},
			marketplace.Event{
				Kind: marketplace.Renew, Scene: "RENEWAL", OrderID: "CS2", OrderLineID: "CS2-000001", License: "PL1", ExpiresAt: expiry,
			},
		},
		"updateLicenseCodeStatus": {
			func(ctx context.Context, c koogallerytest.Caller) (*koogallerytest.Exchange, error) {
				return c.UpdateLicenseCodeStatus(ctx, "PL1", koogallery.StatusUnfreeze)
			},
			marketplace.Event{Kind: marketplace.Resume, Scene: "UNFREEZE", License: "PL1"},
		},
		"releaseLicenseCode": {
			func(ctx context.Context, c koogallerytest.Caller) (*koogallerytest.Exchange, error) {
				return c.ReleaseLicenseCode(ctx, "PL1", "CS9", "CS9-000001")
			},
			marketplace.Event{Kind: marketplace.Release, License: "PL1", OrderID: "CS9", OrderLineID: "CS9-000001"},
		},
		"getLicenseAsync": {
			func(ctx context.Context, c koogallerytest.Caller) (*koogallerytest.Exchange, error) {
				return c.GetLicenseAsync(ctx, koogallerytest.LicenseRequest{
					InstanceID: "i-1", EventID: "E1", EffectiveTime: now, ExpireTime: expiry, DeviceFingerprint: "f",
				})
			},
			marketplace.Event{Kind: marketplace.RequestLicense, InstanceID: "i-1", LicenseRequest: &marketplace.LicenseRequest{
				ID: "E1", EffectiveAt: now, ExpiresAt: expiry, DeviceFingerprint: "f",
			}},
		},
		"orderNotify": {
			func(ctx context.Context, c koogallerytest.Caller) (*koogallerytest.Exchange, error) {
				return c.OrderNotify(ctx, "CS1", "CS1-000001")
			},
			marketplace.Event{Kind: marketplace.Notify, OrderID: "CS1", OrderLineID: "CS1-000001"},
		},
	}
}

// Both sides of the protocol are ours: the vectors hold each of them to KooGallery, and this holds them together.
func TestSellerUnderstandsEveryCall(t *testing.T) {
	options := map[string]koogallerytest.Options{
		"ordinary":  {},
		"lower hex": {LowerHex: true},
		"seconds":   {Seconds: true},
		"reordered": {Reordered: true},
		"debug":     {Debug: true},
		"skewed":    {Skew: -50 * time.Second},
	}
	for name, tc := range activities() {
		for variant, option := range options {
			t.Run(name+" "+variant, func(t *testing.T) {
				s, caller := newSeller(t)
				exchange, err := tc.call(t.Context(), caller.With(option))
				if err != nil {
					t.Fatal(err)
				}
				if len(exchange.Problems) > 0 || !exchange.Success() {
					t.Errorf("code %s, problems: %q", exchange.ResultCode, exchange.Problems)
				}
				want := tc.want
				want.Activity, want.Test, want.SentAt = name, option.Debug, now.Add(option.Skew)
				if diff := cmp.Diff([]marketplace.Event{want}, s.seen); diff != "" {
					t.Errorf("events (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestRefusedCalls(t *testing.T) {
	tests := map[string]struct {
		options  koogallerytest.Options
		wantCode string
	}{
		"a wrong key":  {koogallerytest.Options{WrongKey: true}, "000001"},
		"a late call":  {koogallerytest.Options{Skew: -2 * time.Minute}, "000002"},
		"an early one": {koogallerytest.Options{Skew: 2 * time.Minute}, "000002"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s, caller := newSeller(t)
			exchange, err := caller.With(tc.options).NewInstance(t.Context(), "CS1", "CS1-000001")
			if err != nil {
				t.Fatal(err)
			}
			if exchange.ResultCode != tc.wantCode || len(exchange.Problems) > 0 {
				t.Errorf("code %s, problems: %q", exchange.ResultCode, exchange.Problems)
			}
			if len(s.seen) > 0 {
				t.Errorf("the seller believed %+v", s.seen)
			}
		})
	}
}

func TestReplaySendsTheSameBytes(t *testing.T) {
	s, caller := newSeller(t)
	first, err := caller.ReleaseInstance(t.Context(), "i-1", "", "")
	if err != nil {
		t.Fatal(err)
	}
	second, err := caller.Replay(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	if second.ResultCode != "000001" || len(s.seen) != 1 {
		t.Errorf("code %s after %d events", second.ResultCode, len(s.seen))
	}
}

func TestSendTakesAnyBody(t *testing.T) {
	_, caller := newSeller(t)
	exchange, err := caller.Send(t.Context(), []byte("\xff{"))
	if err != nil {
		t.Fatal(err)
	}
	if exchange.ResultCode != "000002" || !strings.Contains(exchange.ResultMsg, "not UTF-8") {
		t.Errorf("code %s, message %q", exchange.ResultCode, exchange.ResultMsg)
	}
}

func TestExchangeShowsNoSecrets(t *testing.T) {
	_, caller := newSeller(t)
	exchange, err := caller.QueryInstance(t.Context(), "i-1")
	if err != nil {
		t.Fatal(err)
	}
	if exchange.Info[0].AppInfo.Password != "initial-password" {
		t.Errorf("the exchange itself lacks the password: %+v", exchange.Info)
	}
	shown, err := json.Marshal(exchange.Redacted())
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"initial-password", "?signature=", "&signature=", "timestamp=", "nonce=", accessKey} {
		if strings.Contains(string(shown), secret) {
			t.Errorf("%q is in %s", secret, shown)
		}
	}
	if !strings.Contains(exchange.URL, "tenant=1") {
		t.Errorf("URL = %s", exchange.URL)
	}
	if exchange.Info[0].AppInfo.Password != "initial-password" {
		t.Error("Redacted changed the exchange")
	}
}

func TestNoAnswerIsAnError(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	t.Cleanup(silent.Close)
	tests := map[string]koogallerytest.Caller{
		"nobody listens":       {URL: server.URL},
		"nobody answers":       {URL: silent.URL, Timeout: 50 * time.Millisecond},
		"no URL":               {URL: "://"},
		"another scheme":       {URL: "ftp://localhost"},
		"an unknown authority": {URL: strings.Replace(silent.URL, "http:", "https:", 1), TLS: &tls.Config{MinVersion: tls.VersionTLS12}},
	}
	for name, caller := range tests {
		t.Run(name, func(t *testing.T) {
			caller.AccessKey = accessKey
			exchange, err := caller.NewInstance(t.Context(), "CS1", "CS1-000001")
			if err == nil {
				t.Fatalf("exchange = %+v", exchange)
			}
			for _, secret := range []string{"signature", accessKey} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%q is in %v", secret, err)
				}
			}
		})
	}
}
