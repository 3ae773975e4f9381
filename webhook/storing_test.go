package webhook_test

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/webhook"
)

func TestWhatIsNotStoredIsNotAcknowledgedAndCanBeSentAgain(t *testing.T) {
	changing := every(soldName)
	delete(changing, "queryInstance")
	delete(changing, "changeInstanceCheck")
	for name, call := range changing {
		t.Run(name, func(t *testing.T) {
			down := true
			s := newStand(t, nil, between(interceptor.Funcs{
				Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
					if down {
						return away
					}
					return c.Create(ctx, object, options...)
				},
				Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
					if down {
						return away
					}
					return c.Patch(ctx, object, patch, options...)
				},
			}))
			want := "000004"
			if name != "newInstance" {
				want = "000000"
				if err := s.world.Create(context.Background(), instance(soldName)); err != nil {
					t.Fatal(err)
				}
			}
			failed := s.do(call, "000005")
			down = false
			// The very same bytes: their nonce must not count as used.
			s.do(replay(failed), want)
		})
	}
}

// hangs is an API server that takes requests and never answers, as a stopped process does.
func hangs(when func(client.Object) bool) func(*stand) {
	return func(s *stand) {
		s.options.AnswerTimeout = 50 * time.Millisecond
		between(interceptor.Funcs{
			Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
				if !when(object) {
					return c.Get(ctx, key, object, options...)
				}
				<-ctx.Done()
				return ctx.Err()
			},
			List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
				if !when(nil) {
					return c.List(ctx, list, options...)
				}
				<-ctx.Done()
				return ctx.Err()
			},
			Create: func(ctx context.Context, _ client.WithWatch, _ client.Object, _ ...client.CreateOption) error {
				<-ctx.Done()
				return ctx.Err()
			},
			Patch: func(ctx context.Context, _ client.WithWatch, _ client.Object, _ client.Patch, _ ...client.PatchOption) error {
				<-ctx.Done()
				return ctx.Err()
			},
		})(s)
	}
}

func TestEveryCallIsAnsweredWhenTheAPIServerHangs(t *testing.T) {
	parts := map[string]func(client.Object) bool{
		"for Marketplaces": func(object client.Object) bool { _, ok := object.(*v1alpha1.Marketplace); return ok },
		"for Secrets":      func(object client.Object) bool { _, ok := object.(*corev1.Secret); return ok },
		"for instances": func(object client.Object) bool {
			_, ok := object.(*v1alpha1.MarketplaceInstance)
			return ok || object == nil
		},
		"for writes": func(client.Object) bool { return false },
	}
	for part, hanging := range parts {
		for name, call := range every(soldName) {
			if part == "for writes" && (name == "queryInstance" || name == "changeInstanceCheck") {
				continue
			}
			t.Run(name+" "+part, func(t *testing.T) {
				s := newStand(t, []client.Object{instance(soldName)}, hangs(hanging))
				exchange, err := call(context.Background(), s.caller)
				if err != nil {
					t.Fatal(err)
				}
				// Without keys the answer can't carry the right Body-Sign, so the code alone is looked at.
				if exchange.ResultCode != "000005" {
					t.Errorf("answered %s, want 000005", exchange.ResultCode)
				}
			})
		}
	}
}

func TestAnInstanceIsPatchedInItsSubscriptionOnly(t *testing.T) {
	var patches []map[string]any
	record := interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			data, err := patch.Data(object)
			if err != nil {
				return err
			}
			content := map[string]any{}
			if err := json.Unmarshal(data, &content); err != nil {
				return err
			}
			patches = append(patches, content)
			if patch.Type() != types.MergePatchType {
				t.Errorf("patched as %s", patch.Type())
			}
			return c.Patch(ctx, object, patch, options...)
		},
	}
	s := newStand(t, []client.Object{instance("i1", provisioned, withCredentials)}, between(record))
	s.do(renewUntil("i1", "R1", day(60)), "000000")
	s.do(status("i1", koogallery.StatusFreeze), "000000")
	s.do(upgradeOf("i1"), "000000")
	s.do(releaseOf("i1"), "000000")
	if len(patches) != 4 {
		t.Fatalf("%d patches, want 4", len(patches))
	}
	for _, patch := range patches {
		metadata, _ := patch["metadata"].(map[string]any)
		spec, _ := patch["spec"].(map[string]any)
		got := map[string][]string{
			"":         slices.Sorted(maps.Keys(patch)),
			"metadata": slices.Sorted(maps.Keys(metadata)),
			"spec":     slices.Sorted(maps.Keys(spec)),
		}
		want := map[string][]string{"": {"metadata", "spec"}, "metadata": {"resourceVersion"}, "spec": {"subscription"}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}

func TestAWriteInBetweenIsKept(t *testing.T) {
	var once sync.Once
	s := newStand(t, []client.Object{instance("i1")}, func(s *stand) {
		between(interceptor.Funcs{
			Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
				once.Do(func() {
					mpi := s.stored("i1")
					mpi.Spec.Subscription.CustomerID = "set-in-between"
					if err := s.world.Update(ctx, mpi); err != nil {
						s.Error(err)
					}
				})
				return c.Patch(ctx, object, patch, options...)
			},
		})(s)
	})
	s.do(renewUntil("i1", "R1", day(60)), "000000")
	sub := s.stored("i1").Spec.Subscription
	if sub.CustomerID != "set-in-between" || !sub.ExpiryTime.Time.Equal(day(60)) {
		t.Errorf("customer %q, expires %s", sub.CustomerID, sub.ExpiryTime)
	}
}

func TestConflictsThatDoNotEndAreToBeRepeated(t *testing.T) {
	s := newStand(t, []client.Object{instance("i1")}, func(s *stand) {
		s.options.AnswerTimeout = 50 * time.Millisecond
		between(interceptor.Funcs{
			Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
				if err := ctx.Err(); err != nil {
					return err
				}
				return c.Get(ctx, key, object, options...)
			},
			List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
				if err := ctx.Err(); err != nil {
					return err
				}
				return c.List(ctx, list, options...)
			},
			Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
				mpi := s.stored("i1")
				mpi.Spec.Subscription.CustomerID += "x"
				if err := s.world.Update(ctx, mpi); err != nil {
					return err
				}
				return c.Patch(ctx, object, patch, options...)
			},
		})(s)
	})
	s.do(renewUntil("i1", "R1", day(60)), "000005")
}

// staleCache shows instances as they were when the stand was made.
func staleCache(s *stand) {
	old := &v1alpha1.MarketplaceInstanceList{}
	if err := s.world.List(context.Background(), old); err != nil {
		s.Fatal(err)
	}
	builder := newStand(s.T, nil).world
	for i := range old.Items {
		item := old.Items[i].DeepCopy()
		item.ResourceVersion = ""
		if err := builder.Create(context.Background(), item); err != nil {
			s.Fatal(err)
		}
	}
	s.options.Client = interceptor.NewClient(s.world, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			if _, ok := object.(*v1alpha1.MarketplaceInstance); ok {
				return builder.Get(ctx, key, object, options...)
			}
			return c.Get(ctx, key, object, options...)
		},
		List: func(ctx context.Context, _ client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			return builder.List(ctx, list, options...)
		},
	})
}

func TestACacheThatIsBehindLosesNothing(t *testing.T) {
	tests := map[string]struct {
		cached *v1alpha1.MarketplaceInstance
		change func(*v1alpha1.Subscription)
		call   a
		want   string
		state  v1alpha1.EntitlementState
	}{
		"a freeze of one that the cache still shows frozen": {
			cached: instance("i1", subscribed(frozen(v1alpha1.EntitlementByPerson, -5))),
			change: active(-4), call: status("i1", koogallery.StatusFreeze), want: "000000", state: v1alpha1.EntitlementFrozen,
		},
		"a freeze of one that the cache still shows released": {
			cached: instance("i1", releasedSale), change: active(-1),
			call: status("i1", koogallery.StatusFreeze), want: "000000", state: v1alpha1.EntitlementFrozen,
		},
		"a freeze of one that the cache does not show released yet": {
			cached: instance("i1"), change: entitled(v1alpha1.EntitlementReleased, v1alpha1.EntitlementByMarketplace, 0),
			call: status("i1", koogallery.StatusFreeze), want: "000003", state: v1alpha1.EntitlementReleased,
		},
		"a freeze of one that the cache does not have yet": {
			call: status("i1", koogallery.StatusFreeze), want: "000000", state: v1alpha1.EntitlementFrozen,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var cached []client.Object
			if tc.cached != nil {
				cached = append(cached, tc.cached)
			}
			s := newStand(t, cached, staleCache)
			if tc.cached == nil {
				if err := s.world.Create(context.Background(), instance("i1")); err != nil {
					t.Fatal(err)
				}
			} else {
				mpi := s.stored("i1")
				tc.change(mpi.Spec.Subscription)
				if err := s.world.Update(context.Background(), mpi); err != nil {
					t.Fatal(err)
				}
			}
			s.do(tc.call, tc.want)
			if state := s.stored("i1").Spec.Subscription.Entitlement.State; state != tc.state {
				t.Errorf("stored as %s, want %s", state, tc.state)
			}
		})
	}
}

// What was confirmed is not contradicted, however far the cache is behind.
func TestAQueryAfterAReleaseKnowsOfIt(t *testing.T) {
	seen := func(mpi *v1alpha1.MarketplaceInstance) { mpi.UID, mpi.Generation = "uid-i1", 1 }
	s := newStand(t, []client.Object{instance("i1", provisioned, withFrontEnd, seen)}, staleCache, func(s *stand) {
		s.options.Client = interceptor.NewClient(s.options.Client.(client.WithWatch), interceptor.Funcs{
			// An API server counts the changes of the spec, and the fake one does not.
			Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
				err := c.Patch(ctx, object, patch, options...)
				object.SetGeneration(object.GetGeneration() + 1)
				return err
			},
		})
	})
	s.do(query("i1"), "000000")
	s.do(releaseOf("i1"), "000000")
	s.do(query("i1"), "000003")
}

func TestAQueryAsksTheAPIServerForWhatTheCacheDoesNotHaveYet(t *testing.T) {
	s := newStand(t, nil, staleCache)
	if err := s.world.Create(context.Background(), instance("i1")); err != nil {
		t.Fatal(err)
	}
	s.do(query("i1"), "000004")
}

func TestAMarketplaceThatTheCacheDoesNotHaveYetIsFound(t *testing.T) {
	s := newStand(t, nil, func(s *stand) {
		cache := fakeWithoutObjects(s)
		s.options.Client = interceptor.NewClient(s.world, interceptor.Funcs{
			Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
				if _, ok := object.(*v1alpha1.Marketplace); ok {
					return cache.Get(ctx, key, object, options...)
				}
				return c.Get(ctx, key, object, options...)
			},
		})
	})
	s.do(newInstance, "000004")
}

// fakeWithoutObjects is a cache that knows the kinds and holds nothing.
func fakeWithoutObjects(s *stand) client.Client {
	world := newStand(s.T, nil).world
	for _, object := range []client.Object{connection("koogallery")} {
		if err := world.Delete(context.Background(), object); err != nil {
			s.Fatal(err)
		}
	}
	return world
}

func TestNewHandlerNamesWhatIsMissing(t *testing.T) {
	if _, err := webhook.NewHandler(webhook.Options{}); err == nil {
		t.Error("a handler without anything was made")
	}
}
