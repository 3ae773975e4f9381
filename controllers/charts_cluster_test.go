package controllers

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/product"
	"github.com/stallkeeper/stallkeeper/controllers/render"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

// workers are processes that render, as the operator has them.
func workers(t *testing.T) render.Renderer {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	pool := render.NewPool(func() *exec.Cmd {
		command := exec.Command(self)
		command.Env = []string{workerVariable + "=1"}
		return command
	}, 1, render.Limits{Time: time.Minute})
	t.Cleanup(pool.Close)
	return pool
}

// random makes its passwords in each of the ways that charts use.
const random = `
{{- define "once" -}}{{- if not (index .Values "_once") }}{{ $_ := set .Values "_once" (randAlphaNum 12) }}{{ end }}{{ index .Values "_once" }}{{- end }}
{{- $found := lookup "v1" "Secret" .Release.Namespace "looked-up" }}
apiVersion: v1
kind: Secret
metadata: {name: looked-up}
data:
  {{- if $found }}
  password: {{ index $found.data "password" }}
  {{- else }}
  password: {{ randAlphaNum 20 | b64enc }}
  {{- end }}
---
{{- $password := randAlphaNum 16 }}
{{- $ca := genCA "ca" 365 }}
{{- $cert := genSignedCert "db" nil (list "db") 365 $ca }}
apiVersion: v1
kind: Secret
metadata: {name: plain}
stringData:
  password: {{ $password | quote }}
  url: "postgres://app:{{ $password }}@db/app"
  htpasswd: {{ htpasswd "admin" $password | quote }}
  bcrypt: {{ bcrypt $password | quote }}
  ascii: {{ randAscii 12 | b64enc | quote }}
  bytes: {{ randBytes 16 | quote }}
  number: {{ randInt 1000 999999 | quote }}
  shuffled: {{ shuffle "0123456789abcdefghij" | quote }}
  secret: {{ encryptAES "a key" "some text" | quote }}
  derived: {{ derivePassword 1 "long" "master" "user" "example.com" | quote }}
  once: {{ include "once" . }}
  again: {{ include "once" . }}
  ca.crt: {{ $ca.Cert | quote }}
  tls.crt: {{ $cert.Cert | quote }}
  tls.key: {{ $cert.Key | quote }}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {id: {{ uuidv4 | quote }}, erlang: {{ randAlpha 8 | quote }}}
`

// held is all that a tenant has of random values: its Secrets and its ConfigMap, by name and key.
func (x *shop) held(namespace string) map[string]string {
	all := map[string]string{}
	for _, name := range []string{"looked-up", "plain"} {
		secret := &corev1.Secret{}
		x.Expect(x.client.Get(x.t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, secret)).To(Succeed())
		for key, value := range secret.Data {
			all[name+"/"+key] = string(value)
		}
	}
	settings := &corev1.ConfigMap{}
	x.Expect(x.client.Get(x.t.Context(), client.ObjectKey{Namespace: namespace, Name: "settings"}, settings)).To(Succeed())
	for key, value := range settings.Data {
		all["settings/"+key] = value
	}
	return all
}

// keptOf are the names of the values that are kept for an instance.
func (x *shop) keptOf(name string) (*corev1.Secret, map[string]json.RawMessage) {
	secret := &corev1.Secret{}
	x.Expect(x.client.Get(x.t.Context(), client.ObjectKey{Namespace: x.name, Name: v1alpha1.AccessSecretName(name)}, secret)).To(Succeed())
	kept := map[string]json.RawMessage{}
	x.Expect(json.Unmarshal(secret.Data[v1alpha1.AccessKeptKey], &kept)).To(Succeed())
	return secret, kept
}

// A database is born with its password. It stays through whatever happens to a tenant, until its seller takes it out.
func TestRandomValuesStayForALifetime(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-random")
	x.renderer = workers(t)
	x.operate()
	p := x.sells(salestest.Inline(salestest.Web+"---"+random), missingIsFine)
	x.bought("acme")
	_, ns := x.ready("acme")
	born := x.held(ns)
	x.Expect(born).To(HaveLen(18))
	for key, value := range born {
		x.Expect(value).NotTo(Or(BeEmpty(), ContainSubstring("stallkeeper.io/changes")), key)
	}
	x.Expect(born["plain/url"]).To(ContainSubstring(born["plain/password"]))
	x.Expect(born["plain/once"]).To(Equal(born["plain/again"]), "a helper that makes it once")
	isSignedBy(x, born["plain/tls.crt"], born["plain/tls.key"], born["plain/ca.crt"])
	_, names := x.keptOf("acme")
	x.Expect(slices.Collect(maps.Keys(names))).To(ContainElements("Secret/looked-up/password", "Secret/plain/password", "Secret/plain/tls.crt", "ConfigMap/settings/data.id"))

	x.freezes("acme")
	x.says("acme", v1alpha1.ConditionSuspended, isFrozen)
	x.unfreezes("acme")
	x.ready("acme")
	x.Expect(x.held(ns)).To(Equal(born), "suspended and resumed")

	x.running.stop()
	x.renderer = workers(t)
	x.operate()
	x.awaitPass(func() { x.touch("acme", "restarted") })
	x.Expect(x.held(ns)).To(Equal(born), "after a restart")

	before := x.instance("acme").Status.Revision
	parts := strings.Split(random, "\n---\n")
	slices.Reverse(parts[1:])
	moved := strings.ReplaceAll(strings.Join(parts, "\n---\n"), "apiVersion: v1\nkind: ConfigMap", "# a comment more\napiVersion: v1\nkind: ConfigMap")
	moved = strings.ReplaceAll(moved, `{{ randAlpha 8 | quote }}`, `{{ randAlpha 10 | quote }}`)
	moved = strings.ReplaceAll(moved, "  password: {{ $password | quote }}\n", "")
	moved = strings.ReplaceAll(moved, "  bytes: ", "  password: {{ $password | quote }}\n  more: {{ randAlphaNum 9 | quote }}\n  bytes: ")
	change(x, p, func(p *v1alpha1.MarketplaceProduct) {
		p.Spec.Template.Inline = "---" + moved + "\n---\n" + salestest.Web
	})
	x.eventually(func() string {
		x.Expect(x.client.Get(t.Context(), client.ObjectKeyFromObject(p), p)).To(Succeed())
		return fmt.Sprint(p.Status.LatestRevision != before, p.Status.Conditions)
	}).Should(HavePrefix("true"), "the product's new revision")
	x.moves("acme", before)
	x.ready("acme")
	upgraded := x.held(ns)
	x.Expect(upgraded["plain/more"]).To(HaveLen(9))
	delete(upgraded, "plain/more")
	x.Expect(upgraded).To(Equal(born), "moved within its file and upgraded")

	secret, kept := x.keptOf("acme")
	delete(kept, "Secret/looked-up/password")
	change(x, secret, func(s *corev1.Secret) { s.Data[v1alpha1.AccessKeptKey], _ = json.Marshal(kept) })
	x.eventually(func() string { return x.held(ns)["looked-up/password"] }).ShouldNot(Equal(born["looked-up/password"]), "made anew")
	anew := x.held(ns)
	for _, changed := range []map[string]string{anew, born} {
		delete(changed, "looked-up/password")
		delete(changed, "plain/more")
	}
	x.Expect(anew).To(Equal(born), "and no other one")
}

func missingIsFine(p *v1alpha1.MarketplaceProduct) {
	p.Spec.Template.MissingValues = v1alpha1.MissingValuesWarn
}

func isSignedBy(x *shop, cert, key, ca string) {
	_, err := tls.X509KeyPair([]byte(cert), []byte(key))
	x.Expect(err).NotTo(HaveOccurred())
	roots := x509.NewCertPool()
	x.Expect(roots.AppendCertsFromPEM([]byte(ca))).To(BeTrue())
	block, _ := pem.Decode([]byte(cert))
	parsed, err := x509.ParseCertificate(block.Bytes)
	x.Expect(err).NotTo(HaveOccurred())
	_, err = parsed.Verify(x509.VerifyOptions{Roots: roots, DNSName: "db"})
	x.Expect(err).NotTo(HaveOccurred())
}

// A chart that is too large for one object is stored in several, which live as long as the revision.
func TestALargeChartRunsFromItsParts(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-large")
	o := x.operate()
	filler := make([]byte, 1<<20)
	for i := range filler {
		filler[i] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"[rand.IntN(64)]
	}
	archive := salestest.ChartArchive(t, "large", "1.0.0", salestest.Web+"\n{{/* "+string(filler)+" */}}\n", "a: b")
	charts := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: x.name, Name: "charts"}, BinaryData: map[string][]byte{"large.tgz": archive}}
	x.create(charts)
	p := x.sells(func(p *v1alpha1.MarketplaceProduct) {
		p.Spec.Template = v1alpha1.ProductTemplate{Chart: v1alpha1.Chart{ConfigMapRef: v1alpha1.ConfigMapKeyReference{Name: "charts", Key: "large.tgz"}}}
	})
	whole, second := p.Status.LatestRevision, p.Status.LatestRevision+"-part-2"
	all := []string{whole, whole + "-part-1", second}
	x.Expect(x.revisions()).To(ConsistOf(all))
	shown := &v1alpha1.MarketplaceRevisionList{}
	x.Expect(x.client.List(t.Context(), shown, client.InNamespace(x.name))).To(Succeed())
	x.Expect(shown.Items).To(HaveLen(1), "a part is no revision")
	x.bought("acme")
	_, ns := x.ready("acme")

	part := &appsv1.ControllerRevision{ObjectMeta: metav1.ObjectMeta{Namespace: x.name, Name: second}}
	x.Expect(x.client.Delete(t.Context(), part)).To(Succeed())
	o.stop()
	x.operate("instance")
	x.passOver("acme")
	x.Expect(condition(x.instance("acme"), v1alpha1.ConditionProvisioned).Reason).To(Equal(v1alpha1.ReasonProvisioned), "a finalizer keeps what was deleted")
	x.running.stop()

	change(x, part, func(part *appsv1.ControllerRevision) { part.Finalizers = nil })
	x.operate("instance")
	mpi := x.says("acme", v1alpha1.ConditionProvisioned, "False "+v1alpha1.ReasonRevisionNotFound)
	x.Expect(condition(mpi, v1alpha1.ConditionProvisioned).Message).To(ContainSubstring("its part 2 of 2, ControllerRevision %q, is gone", second))
	x.freezes("acme")
	x.says("acme", v1alpha1.ConditionSuspended, isFrozen)
	x.Expect(x.replicas(ns, "web")).To(BeZero(), "it is stopped all the same")
	x.unfreezes("acme")
	x.running.stop()

	x.operate()
	x.eventually(x.revisions).Should(ConsistOf(all), "the product has the chart, and stores the part again")
	x.touch("acme", "again")
	x.says("acme", v1alpha1.ConditionProvisioned, isHealthy)
	x.ready("acme")
	x.running.stop()

	x.Expect(x.client.Delete(t.Context(), p)).To(Succeed())
	x.Expect(x.client.Delete(t.Context(), x.instance("acme"))).To(Succeed())
	x.operate("instance", "order")
	x.namespaceGoes(ns)
	x.eventually(func() *v1alpha1.MarketplaceInstance { return x.instance("acme") }).Should(BeNil())
	x.running.stop()
	r := &product.Reconciler{
		Client: x.client, APIReader: x.client, Clock: clocktesting.NewFakePassiveClock(time.Now().Add(time.Hour)), Permissions: salestest.Permissions(),
	}
	_, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(p)})
	x.Expect(err).NotTo(HaveOccurred())
	x.Expect(x.revisions()).To(BeEmpty(), "parts go with their revision")
}
