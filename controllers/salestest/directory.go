package salestest

import (
	"bytes"
	"compress/gzip"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

// Kept is the Secret of a call about a directory as the callback server makes it. owner is the instance or the Marketplace that it is
// about, kind the owner's kind. A call without an enterprise is about the enterprise t1.
func Kept(t testing.TB, owner client.Object, kind string, s marketplace.Sync) *corev1.Secret {
	t.Helper()
	if s.EnterpriseID == "" {
		s.EnterpriseID = "t1"
	}
	encoded, err := marketplace.EncodeSync(s)
	if err != nil {
		t.Fatal(err)
	}
	var compressed bytes.Buffer
	writer := gzip.NewWriter(&compressed)
	if _, err := writer.Write(encoded); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	labels := map[string]string{v1alpha1.InstanceLabel: owner.GetName(), v1alpha1.InstanceNamespaceLabel: owner.GetNamespace()}
	if kind == "Marketplace" {
		labels = map[string]string{v1alpha1.MarketplaceLabel: owner.GetName()}
	}
	labels[v1alpha1.CallLabel], labels[v1alpha1.EnterpriseLabel] = string(v1alpha1.CallSync), v1alpha1.EnterpriseHash(s.EnterpriseID)
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: owner.GetNamespace(), Name: v1alpha1.CallSecretName(owner.GetName(), owner.GetUID(), string(encoded)), Labels: labels,
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: v1alpha1.GroupVersion.String(), Kind: kind, Name: owner.GetName(), UID: owner.GetUID(),
			}},
		},
		Type: v1alpha1.CallSecretType, Immutable: ptr.To(true), Data: map[string][]byte{v1alpha1.CallSyncKey: compressed.Bytes()},
	}
}

// Authorized is a call about users of the application a1, sent at so many milliseconds since 1970. Without names it is about none.
func Authorized(millis int64, action marketplace.SyncAction, names ...string) marketplace.Sync {
	s := marketplace.Sync{At: time.UnixMilli(millis), Action: action}
	for _, name := range names {
		s.Users = append(s.Users, marketplace.User{
			ApplicationID: "a1", UserName: name, Name: "Real " + name, Role: marketplace.RoleAdmin, Mobile: "13800000000",
		})
	}
	return s
}

// EnterpriseCall is a call that tells of an enterprise, sent at so many milliseconds since 1970.
func EnterpriseCall(millis int64) marketplace.Sync {
	return marketplace.Sync{At: time.UnixMilli(millis), Action: marketplace.SyncPut, Enterprise: &marketplace.Enterprise{
		Code: "hw", Name: "Real Enterprise", DomainName: "https://login.example.com",
	}}
}

// ApplicationCall is a call that tells of the application a1 with its client secret, sent at so many milliseconds since 1970.
func ApplicationCall(millis int64, secret string) marketplace.Sync {
	return marketplace.Sync{At: time.UnixMilli(millis), Action: marketplace.SyncPut, Application: &marketplace.Application{
		ID: "a1", ClientID: "client-1", ClientSecret: secret,
	}}
}

// Forwards makes a product want changes of the directory sent to the tenant's web server.
func Forwards(p *v1alpha1.MarketplaceProduct) {
	p.Spec.Directory.Forward = v1alpha1.DirectoryForward{ServiceRef: v1alpha1.ServicePortReference{Name: "web", Port: 8080}, Path: "/internal/directory"}
}
