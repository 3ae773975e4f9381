package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/directory"
	"github.com/stallkeeper/stallkeeper/directory/store"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

const own, former = types.UID("uid-of-sold"), types.UID("uid-of-a-former-one")

func sold() *v1alpha1.MarketplaceInstance {
	return &v1alpha1.MarketplaceInstance{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "sold", UID: own}}
}

func secret(name, key string, data []byte, owners ...types.UID) *corev1.Secret {
	s := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: name}, Data: map[string][]byte{key: data},
	}
	for _, uid := range owners {
		s.OwnerReferences = append(s.OwnerReferences, metav1.OwnerReference{APIVersion: "v1", Kind: "x", Name: "sold", UID: uid})
	}
	return s
}

// folded are the head and the only shard of a directory with one user.
func folded(t *testing.T) (head, shard []byte) {
	t.Helper()
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	d := directory.New()
	err := errors.Join(d.Load(0, nil), d.Fold([]marketplace.Sync{
		{EnterpriseID: "e1", At: at, Action: marketplace.SyncPut, Application: &marketplace.Application{ID: "a1", ClientID: "c1"}},
		{EnterpriseID: "e1", At: at, Action: marketplace.SyncPut, Users: []marketplace.User{{ApplicationID: "a1", UserName: "ann"}}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	if head, err = d.EncodeHead(); err != nil {
		t.Fatal(err)
	}
	if shard, err = d.EncodeShard(0); err != nil {
		t.Fatal(err)
	}
	return head, shard
}

func TestADirectoryIsReadFromItsSecrets(t *testing.T) {
	head, shard := folded(t)
	headName, shardName := v1alpha1.DirectorySecretName("sold"), v1alpha1.DirectoryShardName("sold", 0)
	tests := map[string]struct {
		secrets []client.Object
		want    string
	}{
		"nothing is stored":            {nil, "no head, no user"},
		"a head and its shard":         {[]client.Object{secret(headName, store.HeadKey, head, own), secret(shardName, store.ShardKey, shard, own)}, "ann"},
		"restored without their owner": {[]client.Object{secret(headName, store.HeadKey, head), secret(shardName, store.ShardKey, shard)}, "ann"},
		"a head whose shard is gone":   {[]client.Object{secret(headName, store.HeadKey, head, own)}, "no user"},
		"a shard without a head":       {[]client.Object{secret(shardName, store.ShardKey, shard, own)}, "no head, ann"},
		"a former instance's head":     {[]client.Object{secret(headName, store.HeadKey, head, former)}, "foreign"},
		"a head of two owners":         {[]client.Object{secret(headName, store.HeadKey, head, own, former)}, "foreign"},
		"a former instance's shard": {
			[]client.Object{secret(headName, store.HeadKey, head, own), secret(shardName, store.ShardKey, shard, former)}, "foreign",
		},
		"a head that is broken": {[]client.Object{secret(headName, store.HeadKey, []byte("{private"), own)}, "unreadable " + headName},
		"a shard that is broken": {
			[]client.Object{secret(headName, store.HeadKey, head, own), secret(shardName, store.ShardKey, []byte("private"), own)},
			"unreadable " + shardName,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			reader := fake.NewClientBuilder().WithObjects(tc.secrets...).Build()
			got, err := read(t.Context(), reader)
			if err != nil {
				got = describe(err)
				if strings.Contains(err.Error(), "private") {
					t.Errorf("the error quotes the Secret: %v", err)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// read opens the directory as the controller does, and names the user whom it shows.
func read(ctx context.Context, reader client.Reader) (string, error) {
	stored, err := store.Open(ctx, reader, sold())
	if err != nil {
		return "", err
	}
	var says []string
	if stored.HeadSecret == nil {
		says = append(says, "no head")
		if err := stored.Recover(ctx); err != nil {
			return "", err
		}
	}
	if err := stored.LoadShards(ctx, []int{0}); err != nil {
		return "", err
	}
	who := "no user"
	if slices.Contains(strings.Split(string(stored.Users(0)), `"`), "ann") {
		who = "ann"
	}
	return strings.Join(append(says, who), ", "), nil
}

func describe(err error) string {
	var broken *store.UnreadableError
	switch {
	case errors.As(err, &broken):
		return "unreadable " + broken.Secret
	case errors.Is(err, store.ErrForeign):
		return "foreign"
	}
	return fmt.Sprint(err)
}
