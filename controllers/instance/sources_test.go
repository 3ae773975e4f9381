package instance

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

func TestAChangedSecretWakesTheTenantsThatWereRenderedWithIt(t *testing.T) {
	of := func(name string) types.NamespacedName { return types.NamespacedName{Namespace: "sales", Name: name} }
	smtp := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "smtp"}, Data: map[string][]byte{"values.yaml": []byte("a: b")}}
	c := fake.NewClientBuilder().WithObjects(smtp, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "other"}}).Build()
	sources := &secretSources{Reader: c}
	render := func(instance string, secrets ...string) {
		t.Helper()
		reader := noting{c, versions{}}
		for _, secret := range secrets {
			if err := client.IgnoreNotFound(reader.Get(t.Context(), of(secret), &corev1.Secret{})); err != nil {
				t.Fatal(err)
			}
		}
		sources.rendered(of(instance), reader.seen)
	}
	woken := func(want ...string) {
		t.Helper()
		var got []string
		for _, instance := range sources.look(t.Context()) {
			got = append(got, instance.Name)
			if !sources.stale(instance) {
				t.Errorf("%s is woken and would change nothing", instance.Name)
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("woken (-want +got):\n%s", diff)
		}
	}

	render("one", "smtp", "other")
	render("two", "smtp")
	render("three", "other", "not-there-yet")
	render("four")
	woken()

	smtp.Data["values.yaml"] = []byte("a: c")
	if err := c.Update(t.Context(), smtp); err != nil {
		t.Fatal(err)
	}
	// One that was rendered since has the new values.
	render("two", "smtp")
	woken("one")
	woken()
	render("one", "smtp", "other")
	if sources.stale(of("one")) {
		t.Error("a tenant that was rendered anew is stale")
	}

	if err := c.Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "not-there-yet"}}); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(t.Context(), smtp); err != nil {
		t.Fatal(err)
	}
	woken("one", "three", "two")

	for _, instance := range []string{"one", "two", "three", "four"} {
		sources.rendered(of(instance), nil)
	}
	if left := sources.secrets(); len(left) != 0 {
		t.Errorf("Secrets of no tenant are looked at: %v", left)
	}
}
