package webhook_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

const kitKey = "the-kit-key"

// newKitStand is a stand whose seller has the joint-operations Kit.
func newKitStand(t *testing.T, objects []client.Object, changes ...func(*stand)) *stand {
	changes = append([]func(*stand){func(s *stand) {
		s.options.MaxBodyOf = koogallery.MaxBodyOf
		keys := callbackSecret(map[string]string{"accessKey": accessKey, "kitAccessKey": kitKey})
		if err := s.world.Update(context.Background(), keys); err != nil {
			s.Fatal(err)
		}
	}}, changes...)
	s := newStand(t, objects, changes...)
	s.caller.AccessKey = kitKey
	return s
}

// calls are the Syncs that are kept, by the name of their owner.
func (s *stand) calls() map[string][]marketplace.Sync {
	s.Helper()
	list := &corev1.SecretList{}
	if err := s.world.List(context.Background(), list, client.MatchingLabels{v1alpha1.CallLabel: string(v1alpha1.CallSync)}); err != nil {
		s.Fatal(err)
	}
	kept := map[string][]marketplace.Sync{}
	for _, secret := range list.Items {
		reader, err := gzip.NewReader(bytes.NewReader(secret.Data[v1alpha1.CallSyncKey]))
		if err != nil {
			s.Fatal(err)
		}
		data, err := io.ReadAll(reader)
		if err != nil {
			s.Fatal(err)
		}
		sync, err := marketplace.DecodeSync(data)
		if err != nil {
			s.Fatal(err)
		}
		if secret.Labels[v1alpha1.EnterpriseLabel] != v1alpha1.EnterpriseHash(sync.EnterpriseID) {
			s.Errorf("labels = %v", secret.Labels)
		}
		owner := secret.OwnerReferences[0]
		kept[owner.Kind+"/"+owner.Name] = append(kept[owner.Kind+"/"+owner.Name], sync)
	}
	return kept
}

func authSync(id string, flag int, names ...string) a {
	return func(ctx context.Context, caller koogallerytest.Caller) (*koogallerytest.Exchange, error) {
		users := koogallerytest.KitUsers{InstanceID: id, TenantID: "t1", AppID: "a1", Flag: flag}
		for _, name := range names {
			users.Users = append(users.Users, koogallerytest.KitUser{UserName: name, Name: "Real Name", Enable: "true", Role: "user"})
		}
		return caller.Kit().AuthSync(ctx, users)
	}
}

func tenantSync(id string, flag int) a {
	return func(ctx context.Context, caller koogallerytest.Caller) (*koogallerytest.Exchange, error) {
		return caller.KitV1().TenantSync(ctx, koogallerytest.KitTenant{
			InstanceID: id, TenantID: "t1", Name: "Real Name", DomainName: "https://login.example.com", Flag: flag,
		})
	}
}

func TestSynchronizationsAreKeptBeforeTheAnswer(t *testing.T) {
	s := newKitStand(t, []client.Object{instance("i1")})
	s.do(tenantSync("", koogallery.FlagAdd), "000000")
	first := s.do(authSync("i1", koogallery.FlagAdd, "u1", "u2"), "000000")
	// At the same instant: told apart by what they say.
	s.do(authSync("i1", koogallery.FlagDelete, "u1", "u2"), "000000")
	s.do(replay(first), "000000")
	s.do(authSync("i1", koogallery.FlagAdd, "u1", "u2"), "000000")
	kept := s.calls()
	if len(kept["Marketplace/koogallery"]) != 1 || len(kept["MarketplaceInstance/i1"]) != 2 || len(kept) != 2 {
		t.Errorf("kept %v", kept)
	}
	if users := kept["MarketplaceInstance/i1"][0].Users; len(users) != 2 || users[0].Name != "Real Name" {
		t.Errorf("kept %d users", len(users))
	}
	if text := s.log.text(); strings.Contains(text, "Real Name") || strings.Contains(text, "u1") {
		t.Errorf("the log tells who they are:\n%s", text)
	}
}

func TestASynchronizationShowsThatTheMarketplaceKnowsOfTheSale(t *testing.T) {
	s := newKitStand(t, []client.Object{instance("i1", subscribed(awaiting)), instance("i2", subscribed(awaiting)), instance("old")})
	s.do(tenantSync("i1", koogallery.FlagAdd), "000000")
	s.do(tenantSync("old", koogallery.FlagAdd), "000000")
	s.do(tenantSync("", koogallery.FlagAdd), "000000")
	for name, want := range map[string]v1alpha1.AcknowledgementState{
		"i1": v1alpha1.AcknowledgementReceived, "i2": v1alpha1.AcknowledgementAwaited, "old": "",
	} {
		if got := s.stored(name).Spec.Subscription.Acknowledgement.State; got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestSynchronizationsOfUnknownInstances(t *testing.T) {
	s := newKitStand(t, []client.Object{instance("gone", releasedSale)})
	for _, id := range []string{"never", "gone"} {
		s.do(authSync(id, koogallery.FlagAdd, "u1"), "000003")
		s.do(tenantSync(id, koogallery.FlagAdd), "000003")
		s.do(tenantSync(id, koogallery.FlagDelete), "000000")
		s.do(authSync(id, koogallery.FlagDelete, "u1"), "000000")
	}
	if kept := s.calls(); len(kept["MarketplaceInstance/gone"]) != 2 || len(kept) != 1 {
		t.Errorf("kept %v", kept)
	}
}

func TestADebugSynchronizationKeepsNothing(t *testing.T) {
	s := newKitStand(t, nil)
	s.caller = s.caller.With(koogallerytest.Options{Debug: true})
	s.do(authSync("", koogallery.FlagAdd, "u1"), "000000")
	s.do(tenantSync("", koogallery.FlagDelete), "000000")
	s.do(func(ctx context.Context, caller koogallerytest.Caller) (*koogallerytest.Exchange, error) {
		return caller.Kit().AllOrgSync(ctx, "", "t1", koogallerytest.KitDepartment{Code: "d1", Name: "D"})
	}, "000000")
	if kept := s.calls(); len(kept) != 0 {
		t.Errorf("kept %v", kept)
	}
}

func TestASynchronizationThatIsNotKeptIsToBeRepeated(t *testing.T) {
	down := true
	s := newKitStand(t, []client.Object{instance("i1")}, between(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
			if down {
				return away
			}
			return c.Create(ctx, object, options...)
		},
	}))
	failed := s.do(authSync("i1", koogallery.FlagAdd, "u1"), "000005")
	down = false
	s.do(replay(failed), "000000")
	if kept := s.calls(); len(kept["MarketplaceInstance/i1"]) != 1 {
		t.Errorf("kept %v", kept)
	}
}

// 500 users with every field at its full length, in Chinese, go into one Secret.
func TestTheLargestCallFits(t *testing.T) {
	s := newKitStand(t, []client.Object{instance("i1")})
	call := func(ctx context.Context, caller koogallerytest.Caller) (*koogallerytest.Exchange, error) {
		users := koogallerytest.KitUsers{InstanceID: "i1", TenantID: "t1", AppID: "a1", Flag: koogallery.FlagAdd}
		for i := range marketplace.MaxSyncUsers {
			chinese := func(length int) string {
				runes := make([]rune, length)
				for at := range runes {
					// Not to be compressed away.
					runes[at] = rune(0x4E00 + (i*7919+at*104729+at*at)%20000)
				}
				return string(runes)
			}
			users.Users = append(users.Users, koogallerytest.KitUser{
				UserName: fmt.Sprintf("%064d", i), Name: chinese(64), OrgCode: fmt.Sprintf("%064d", i), Position: chinese(64),
				EmployeeCode: fmt.Sprintf("%064d", i), EmployeeType: 1, Role: "user", Enable: "true",
				Mobile: fmt.Sprintf("%032d", i), Email: fmt.Sprintf("%0128d", i), WorkPlace: chinese(128),
			})
		}
		return caller.Kit().AuthSync(ctx, users)
	}
	exchange := s.do(call, "000000")
	if size := len(exchange.RequestBody); size < 600_000 {
		t.Errorf("the body has %d bytes", size)
	}
	if kept := s.calls()["MarketplaceInstance/i1"]; len(kept) != 1 || len(kept[0].Users) != marketplace.MaxSyncUsers {
		t.Errorf("kept %v", kept)
	}
}

// Whether there is such a Marketplace, and whether it has the Kit, nobody learns without a key.
func TestAStrangerLearnsNothingFromTheKitsPaths(t *testing.T) {
	with, without := newKitStand(t, nil), newStand(t, nil)
	for name, header := range map[string]http.Header{
		"nothing":         {},
		"no timestamp":    {"X-Sign": {"00"}, "X-Nonce": {"n"}},
		"a signature":     {"X-Sign": {"00"}, "X-Nonce": {"n"}, "X-Timestamp": {"1680508066618"}},
		"a token":         {"Authtoken": {"AAAA"}},
		"half a V2 of V1": {"X-Sign": {"00"}, "Authtoken": {"AAAA"}},
	} {
		for _, path := range []string{koogallery.KitPath, koogallery.KitV2Path} {
			answers := map[string]bool{}
			for _, base := range []string{with.caller.URL, without.caller.URL, with.caller.URL + "-unknown"} {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+path+"tenantSync", strings.NewReader("{}"))
				if err != nil {
					t.Fatal(err)
				}
				req.Header = header.Clone()
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				if err != nil {
					t.Fatal(err)
				}
				_ = resp.Body.Close()
				answers[string(body)] = true
			}
			if len(answers) != 1 {
				t.Errorf("%s to %s is answered %v", name, path, answers)
			}
		}
	}
}
