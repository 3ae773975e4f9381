package connection

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/google/go-cmp/cmp"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

func TestASaleIsForgottenWhenNoCallCanBeThatOld(t *testing.T) {
	w := watch(t)
	start := w.clock.Now()
	keep := func(name, of string, kind corev1.SecretType, at time.Time) {
		secret := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: "sales", Name: name, UID: types.UID(name), CreationTimestamp: metav1.NewTime(at), Labels: map[string]string{v1alpha1.SoldLabel: of},
			},
			Type: kind,
		}
		if err := w.client.Create(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
	}
	keep("sold-due", "koogallery", v1alpha1.SoldSecretType, start.Add(-soldKept))
	keep("sold-young", "koogallery", v1alpha1.SoldSecretType, start.Add(-soldKept+time.Minute))
	keep("of-another", "other", v1alpha1.SoldSecretType, start.Add(-2*soldKept))
	keep("no-sale", "koogallery", corev1.SecretTypeOpaque, start.Add(-2*soldKept))
	w.pass()
	if diff := cmp.Diff([]string{"no-sale", "of-another", "sold-young"}, w.remembered()); diff != "" {
		t.Errorf("remembered:\n%s", diff)
	}
	w.clock.SetTime(salestest.Day(1).Add(queue.SoldRecheck))
	w.pass()
	if diff := cmp.Diff([]string{"no-sale", "of-another"}, w.remembered()); diff != "" {
		t.Errorf("remembered an hour later:\n%s", diff)
	}
}

// remembered are the Secrets with the label of a remembered sale.
func (w *watched) remembered() []string {
	w.Helper()
	secrets := &corev1.SecretList{}
	if err := w.client.List(w.Context(), secrets, client.HasLabels{v1alpha1.SoldLabel}); err != nil {
		w.Fatal(err)
	}
	var names []string
	for _, secret := range secrets.Items {
		names = append(names, secret.Name)
	}
	return names
}
