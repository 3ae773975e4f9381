package webhook_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

// secretReads counts how often the callback Secret is read, and can take the API server away.
type secretReads struct {
	count atomic.Int32
	away  atomic.Bool
}

func (r *secretReads) watch(s *stand) {
	between(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			if _, ok := object.(*corev1.Secret); ok {
				r.count.Add(1)
				if r.away.Load() {
					return away
				}
			}
			return c.Get(ctx, key, object, options...)
		},
	})(s)
}

func (s *stand) setKeys(keys map[string]string) {
	s.Helper()
	secret := &corev1.Secret{}
	if err := s.world.Get(context.Background(), client.ObjectKeyFromObject(callbackSecret(nil)), secret); err != nil {
		s.Fatal(err)
	}
	secret.Data = callbackSecret(keys).Data
	if err := s.world.Update(context.Background(), secret); err != nil {
		s.Fatal(err)
	}
}

func (s *stand) after(passed time.Duration) { s.clock.SetTime(s.clock.Now().Add(passed)) }

func (s *stand) withKey(key string) koogallerytest.Caller {
	caller := s.caller
	caller.AccessKey = key
	return caller
}

// codeOf makes a query and looks at nothing but the code: an answer without keys can't be signed rightly.
func (s *stand) codeOf(caller koogallerytest.Caller) string {
	s.Helper()
	exchange, err := caller.QueryInstance(context.Background(), "i1")
	if err != nil {
		s.Fatal(err)
	}
	return exchange.ResultCode
}

func TestTwoKeysAreLiveWhileTheyAreRotated(t *testing.T) {
	s := newStand(t, nil)
	s.doWith(s.withKey(accessKey), query("i1"), "000003")

	s.setKeys(map[string]string{"accessKey": accessKey, "accessKeyNext": "second-key"})
	s.after(10 * time.Second)
	s.doWith(s.withKey("second-key"), query("i1"), "000003")
	s.doWith(s.withKey(accessKey), query("i1"), "000003")

	s.setKeys(map[string]string{"accessKey": "second-key"})
	s.after(10 * time.Second)
	s.doWith(s.withKey("second-key"), query("i1"), "000003")
	if code := s.codeOf(s.withKey(accessKey)); code != "000001" {
		t.Errorf("the old key is answered %s, want 000001", code)
	}
}

func TestTheKeysAreReadOnceInTenSeconds(t *testing.T) {
	reads := &secretReads{}
	s := newStand(t, nil, reads.watch)
	var callers sync.WaitGroup
	for range 20 {
		callers.Go(func() { s.codeOf(s.caller) })
	}
	callers.Wait()
	s.after(9 * time.Second)
	s.codeOf(s.caller)
	if got := reads.count.Load(); got != 1 {
		t.Errorf("%d reads within ten seconds, want 1", got)
	}
	s.after(time.Second)
	s.codeOf(s.caller)
	if got := reads.count.Load(); got != 2 {
		t.Errorf("%d reads after ten seconds, want 2", got)
	}
}

func TestTheLastGoodKeysServeWhileTheAPIServerIsAway(t *testing.T) {
	reads := &secretReads{}
	s := newStand(t, nil, reads.watch)
	s.do(query("i1"), "000003")
	reads.away.Store(true)
	s.after(10*time.Minute - time.Second)
	s.do(query("i1"), "000003")
	s.after(10 * time.Second)
	if code := s.codeOf(s.caller); code != "000005" {
		t.Errorf("after ten minutes without the API server: %s, want 000005", code)
	}
	reads.away.Store(false)
	s.after(time.Second)
	s.do(query("i1"), "000003")
}

func TestKeysThatAreTakenAwayCountAtOnce(t *testing.T) {
	tests := map[string]func(*stand){
		"the Secret was deleted": func(s *stand) {
			if err := s.world.Delete(context.Background(), callbackSecret(nil)); err != nil {
				s.Fatal(err)
			}
		},
		"the key was removed": func(s *stand) { s.setKeys(map[string]string{"other": "value"}) },
		"the key was emptied": func(s *stand) { s.setKeys(map[string]string{"accessKey": ""}) },
	}
	for name, takeAway := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, nil)
			s.do(query("i1"), "000003")
			takeAway(s)
			s.after(10 * time.Second)
			if code := s.codeOf(s.caller); code != "000005" {
				t.Errorf("answered %s, want 000005", code)
			}
		})
	}
}

func TestACallerThatHangsUpDoesNotKeepOldKeysInUse(t *testing.T) {
	var hangUp atomic.Pointer[context.CancelFunc]
	s := newStand(t, nil, func(s *stand) {
		between(interceptor.Funcs{
			Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
				if _, ok := object.(*corev1.Secret); ok && hangUp.Load() != nil {
					(*hangUp.Swap(nil))()
					<-ctx.Done()
					return ctx.Err()
				}
				return c.Get(ctx, key, object, options...)
			},
		})(s)
	})
	s.do(query("i1"), "000003")
	s.setKeys(map[string]string{"accessKey": "second-key"})
	s.after(10 * time.Second)

	ctx, cancel := context.WithCancel(context.Background())
	hangUp.Store(&cancel)
	request := signed(s, []byte("{}")).WithContext(ctx)
	s.code(request)
	s.doWith(s.withKey("second-key"), query("i1"), "000003")
}
