package product

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/sirupsen/logrus"
	helmregistry "helm.sh/helm/v4/pkg/registry"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"oras.land/oras-go/v2"
	contentmemory "oras.land/oras-go/v2/content/memory"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/egress"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/controllers/template"
)

const (
	registryUser     = "puller"
	registryPassword = "s3cret-of-the-registry"
)

// registry is an OCI registry in this process.
type registry struct {
	host string
	mu   sync.Mutex
	// private refuses whoever has no account.
	private bool
	blobs   int
}

func newRegistry(t *testing.T) *registry {
	t.Helper()
	// The registry logs through the process's own logger.
	logrus.SetOutput(io.Discard)
	config := &configuration.Configuration{Storage: configuration.Storage{
		"inmemory": {}, "maintenance": {"uploadpurging": map[any]any{"enabled": false}},
	}}
	config.Log.Level, config.Log.AccessLog.Disabled = "panic", true
	r := &registry{}
	app := handlers.NewApp(t.Context(), config)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !r.admits(req) {
			w.Header().Set("WWW-Authenticate", `Basic realm="charts"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		app.ServeHTTP(w, req)
	}))
	t.Cleanup(server.Close)
	r.host = strings.TrimPrefix(server.URL, "http://")
	return r
}

func (r *registry) admits(req *http.Request) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if req.Method == http.MethodGet && strings.Contains(req.URL.Path, "/blobs/") {
		r.blobs++
	}
	user, password, _ := req.BasicAuth()
	return !r.private || (user == registryUser && password == registryPassword)
}

func (r *registry) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.private = true
}

// downloads is how many blobs were asked for.
func (r *registry) downloads() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.blobs
}

// push pushes a chart as `helm push` does.
func (r *registry) push(t *testing.T, archive []byte, ref string) {
	t.Helper()
	c, err := helmregistry.NewClient(helmregistry.ClientOptPlainHTTP(), helmregistry.ClientOptWriter(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Push(archive, r.host+"/"+ref); err != nil {
		t.Fatal(err)
	}
}

// pushLayer pushes an artifact of one layer.
func (r *registry) pushLayer(t *testing.T, name, tag, mediaType string, data []byte) {
	t.Helper()
	store := contentmemory.New()
	layer, err := oras.PushBytes(t.Context(), store, mediaType, data)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := oras.PackManifest(t.Context(), store, oras.PackManifestVersion1_1, "application/vnd.example.thing",
		oras.PackManifestOptions{Layers: []ocispec.Descriptor{layer}})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Tag(t.Context(), manifest, tag); err != nil {
		t.Fatal(err)
	}
	repository, err := remote.NewRepository(r.host + "/" + name)
	if err != nil {
		t.Fatal(err)
	}
	repository.PlainHTTP, repository.Client = true, &auth.Client{}
	if _, err := oras.Copy(t.Context(), store, tag, repository, tag, oras.DefaultCopyOptions); err != nil {
		t.Fatal(err)
	}
}

// fromOCI takes the product's chart from the registry.
func (r *registry) fromOCI(name, version, pullSecret string) salestest.ProductChange {
	return func(p *v1alpha1.MarketplaceProduct) {
		p.Spec.Template = v1alpha1.ProductTemplate{Chart: v1alpha1.Chart{OCI: v1alpha1.OCIChart{
			Reference: "oci://" + r.host + "/" + name, Version: version, Transport: v1alpha1.TransportHTTP,
		}}}
		p.Spec.Template.Chart.OCI.PullSecretRef.Name = pullSecret
	}
}

// dockerConfig is a Secret as `kubectl create secret docker-registry` makes it.
func dockerConfig(t *testing.T, name, host, user, password string) *corev1.Secret {
	t.Helper()
	raw, err := json.Marshal(map[string]any{"auths": map[string]any{host: map[string]any{"username": user, "password": password}}})
	if err != nil {
		t.Fatal(err)
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: name}, Type: corev1.SecretTypeDockerConfigJson,
		Data: map[string][]byte{corev1.DockerConfigJsonKey: raw},
	}
}

func TestChartsFromARegistry(t *testing.T) {
	archive := salestest.ChartArchive(t, "app", "1.2.0", salestest.Web, "greeting: hi\n")
	built := salestest.ChartArchive(t, "app", "1.2.0+b5", salestest.Web, "greeting: hi\n")
	r := newRegistry(t)
	r.push(t, archive, "charts/app:1.2.0")
	r.push(t, built, "charts/app:1.2.0+b5")
	r.pushLayer(t, "charts/image", "1.0.0", "application/vnd.oci.image.layer.v1.tar+gzip", []byte("layer"))
	r.pushLayer(t, "charts/huge", "1.0.0", chartLayer, make([]byte, template.MaxChartBytes+1))
	closed := newRegistry(t)
	closed.push(t, archive, "charts/app:1.2.0")
	closed.close()
	down := &registry{host: "127.0.0.1:1"}

	secrets := []client.Object{
		dockerConfig(t, "good", closed.host, registryUser, registryPassword),
		dockerConfig(t, "wrong", closed.host, registryUser, "guess-of-a-password"),
		dockerConfig(t, "elsewhere", "registry.example.com", registryUser, registryPassword),
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "opaque"}},
	}
	tests := map[string]struct {
		from   salestest.ProductChange
		want   []byte
		reason string
		says   string
	}{
		"a chart that Helm has pushed":           {from: r.fromOCI("charts/app", "1.2.0", ""), want: archive},
		"a version with a plus sign":             {from: r.fromOCI("charts/app", "1.2.0+b5", ""), want: built},
		"a version that is not there":            {from: r.fromOCI("charts/app", "9.9.9", ""), reason: v1alpha1.ReasonChartNotFound, says: "9.9.9"},
		"a repository that is not there":         {from: r.fromOCI("charts/none", "1.2.0", ""), reason: v1alpha1.ReasonChartNotFound, says: "helm push"},
		"a name that is none":                    {from: r.fromOCI("Charts/APP", "1.2.0", ""), reason: v1alpha1.ReasonChartNotFound, says: "oci://"},
		"an artifact that is no chart":           {from: r.fromOCI("charts/image", "1.0.0", ""), reason: v1alpha1.ReasonInvalidTemplate, says: "not a Helm chart"},
		"a chart that is too large":              {from: r.fromOCI("charts/huge", "1.0.0", ""), reason: v1alpha1.ReasonChartTooLarge, says: "4194304"},
		"a private registry with the account":    {from: closed.fromOCI("charts/app", "1.2.0", "good"), want: archive},
		"a private registry without an account":  {from: closed.fromOCI("charts/app", "1.2.0", ""), reason: v1alpha1.ReasonChartUnavailable, says: "asks for a login: name a Secret"},
		"a private registry and a wrong account": {from: closed.fromOCI("charts/app", "1.2.0", "wrong"), reason: v1alpha1.ReasonChartUnavailable, says: `does not take the account in Secret "wrong"`},
		"the account of another registry":        {from: closed.fromOCI("charts/app", "1.2.0", "elsewhere"), reason: v1alpha1.ReasonChartUnavailable, says: `Secret "elsewhere" of template.chart.oci.pullSecretRef has no account for this host`},
		"a pull secret that is not there":        {from: closed.fromOCI("charts/app", "1.2.0", "none"), reason: v1alpha1.ReasonChartUnavailable, says: `"none"`},
		"a pull secret of another type":          {from: closed.fromOCI("charts/app", "1.2.0", "opaque"), reason: v1alpha1.ReasonChartUnavailable, says: "docker-registry"},
		"a registry that is down":                {from: down.fromOCI("charts/app", "1.2.0", ""), reason: v1alpha1.ReasonChartUnavailable, says: "connection refused"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			source := chartSource{live: fake.NewClientBuilder().WithObjects(secrets...).Build(), registries: http.DefaultClient}
			got, err := source.fetch(t.Context(), salestest.Product(tc.from))
			checkFetched(t, got, err, tc.want, tc.reason, tc.says)
		})
	}
	t.Run("what is too large is not downloaded", func(t *testing.T) {
		before := r.downloads()
		source := chartSource{live: fake.NewClientBuilder().Build(), registries: http.DefaultClient}
		_, err := source.fetch(t.Context(), salestest.Product(r.fromOCI("charts/huge", "1.0.0", "")))
		if err == nil || r.downloads() != before {
			t.Errorf("error %v after %d downloads, want one and none", err, r.downloads()-before)
		}
	})
}

// checkFetched compares a chart, or what is said about its absence, which must not repeat an account.
func checkFetched(t *testing.T, got []byte, err error, want []byte, reason, says string) {
	t.Helper()
	var problem *report.Verdict
	switch {
	case reason == "" && err != nil:
		t.Fatalf("error %v, want the chart", err)
	case reason == "":
		if !bytes.Equal(got, want) {
			t.Errorf("got %d bytes, want the %d that were pushed", len(got), len(want))
		}
		return
	case !errors.As(err, &problem):
		t.Fatalf("error %v is no problem of the product", err)
	}
	if problem.Reason != reason || !strings.Contains(problem.Message, says) {
		t.Errorf("%s: %s; want %s with %q", problem.Reason, problem.Message, reason, says)
	}
	for _, secret := range []string{registryPassword, "guess-of-a-password"} {
		if strings.Contains(problem.Message, secret) {
			t.Errorf("the message repeats a password: %s", problem.Message)
		}
	}
}

func TestChartsFromAConfigMap(t *testing.T) {
	from := func(name, key string) salestest.ProductChange {
		return func(p *v1alpha1.MarketplaceProduct) {
			p.Spec.Template = v1alpha1.ProductTemplate{Chart: v1alpha1.Chart{
				ConfigMapRef: v1alpha1.ConfigMapKeyReference{Name: name, Key: key},
			}}
		}
	}
	archive := salestest.ChartArchive(t, "app", "1.2.0", salestest.Web, "")
	charts := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "charts"},
		BinaryData: map[string][]byte{"app.tgz": archive}, Data: map[string]string{"text.tgz": "text"},
	}
	elsewhere := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "other", Name: "theirs"}, BinaryData: map[string][]byte{"app.tgz": archive},
	}
	tests := map[string]struct {
		from   salestest.ProductChange
		want   []byte
		reason string
		says   string
	}{
		"a chart":                        {from: from("charts", "app.tgz"), want: archive},
		"no ConfigMap":                   {from: from("none", "app.tgz"), reason: v1alpha1.ReasonChartNotFound, says: "kubectl create configmap none"},
		"no such key":                    {from: from("charts", "x.tgz"), reason: v1alpha1.ReasonChartNotFound, says: `"x.tgz"`},
		"a text instead of an archive":   {from: from("charts", "text.tgz"), reason: v1alpha1.ReasonChartNotFound, says: "binaryData"},
		"a ConfigMap of somebody else's": {from: from("theirs", "app.tgz"), reason: v1alpha1.ReasonChartNotFound, says: "this namespace"},
		"an inline template has none":    {from: salestest.Inline(salestest.Web)},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			source := chartSource{live: fake.NewClientBuilder().WithObjects(charts, elsewhere).Build()}
			got, err := source.fetch(t.Context(), salestest.Product(tc.from))
			checkFetched(t, got, err, tc.want, tc.reason, tc.says)
		})
	}
}

// Tools give up on what is stalled, so that is said only of what stays until a person acts.
func TestOnlyWhatStaysIsAProblem(t *testing.T) {
	status := func(code int) error { return &errcode.ErrorResponse{StatusCode: code} }
	for name, tc := range map[string]struct {
		err  error
		want metav1.ConditionStatus
	}{
		"a registry that is down":           {syscall.ECONNREFUSED, metav1.ConditionUnknown},
		"a registry that is slow":           {context.DeadlineExceeded, metav1.ConditionUnknown},
		"a network without a route":         {syscall.EHOSTUNREACH, metav1.ConditionUnknown},
		"a connection that was cut":         {io.ErrUnexpectedEOF, metav1.ConditionUnknown},
		"a DNS server that does not answer": {&net.DNSError{Name: "r", IsTimeout: true}, metav1.ConditionUnknown},
		"a registry that fails":             {status(http.StatusBadGateway), metav1.ConditionUnknown},
		"too many requests":                 {status(http.StatusTooManyRequests), metav1.ConditionUnknown},
		"a host that does not exist":        {&net.DNSError{Name: "r", IsNotFound: true}, metav1.ConditionFalse},
		"a wrong account":                   {status(http.StatusUnauthorized), metav1.ConditionFalse},
		"a wrong request":                   {status(http.StatusBadRequest), metav1.ConditionFalse},
		"an unknown authority":              {x509.UnknownAuthorityError{}, metav1.ConditionFalse},
		"a chart that is not there":         {errdef.ErrNotFound, metav1.ConditionFalse},
	} {
		t.Run(name, func(t *testing.T) {
			var said *report.Verdict
			err := registryProblem(v1alpha1.OCIChart{Reference: "oci://r.example.com/app", Version: "1.0.0"}, fmt.Errorf("pulling: %w", tc.err))
			if !errors.As(err, &said) || said.Status != tc.want {
				t.Fatalf("it is %v, want %s", said, tc.want)
			}
			if retried := strings.Contains(said.Message, "retrying"); retried != (tc.want == metav1.ConditionUnknown) {
				t.Errorf("%s: %s", said.Status, said.Message)
			}
			p := salestest.Product()
			setConditions(&p.Status.Conditions, *said, 1)
			if stalled := meta.IsStatusConditionTrue(p.Status.Conditions, v1alpha1.ConditionStalled); stalled != (tc.want == metav1.ConditionFalse) {
				t.Errorf("Stalled is %t", stalled)
			}
		})
	}
}

func TestRegistryProblemRepeatsNothing(t *testing.T) {
	err := fmt.Errorf("pulling with password %s: %w", registryPassword, context.DeadlineExceeded)
	got := registryProblem(v1alpha1.OCIChart{Reference: "oci://r.example.com/app", Version: "1.0.0"}, err)
	checkFetched(t, nil, got, nil, v1alpha1.ReasonChartUnavailable, "oci://r.example.com/app with version 1.0.0")
}

// Each cause is told apart, in words of ours: what a registry says may hold anything.
func TestTheCauseOfARegistryThatCannotBeAskedIsSaid(t *testing.T) {
	answering := func(status int) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"errors":[{"code":"X","message":"`+registryPassword+`"}]}`)
		}))
		t.Cleanup(server.Close)
		return strings.TrimPrefix(server.URL, "http://")
	}
	selfSigned := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(selfSigned.Close)
	selfSigned.Config.ErrorLog = log.New(io.Discard, "", 0)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	// odd is a registry with one chart, whose parts are answered by the handler.
	const manifest = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"a/b","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":0},` +
		`"layers":[{"mediaType":"application/vnd.cncf.helm.chart.content.v1.tar+gzip","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":4}]}`
	odd := func(answer http.HandlerFunc) string {
		server := httptest.NewServer(answer)
		t.Cleanup(server.Close)
		return strings.TrimPrefix(server.URL, "http://")
	}
	blob := func(answer http.HandlerFunc) string {
		return odd(func(w http.ResponseWriter, req *http.Request) {
			if strings.Contains(req.URL.Path, "/blobs/") {
				answer(w, req)
				return
			}
			w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
			_, _ = io.WriteString(w, manifest)
		})
	}
	for name, tc := range map[string]struct {
		host      string
		transport v1alpha1.ChartTransport
		secret    string
		reason    string
		says      []string
	}{
		"nothing listens":                  {"127.0.0.1:1", v1alpha1.TransportHTTP, "", v1alpha1.ReasonChartUnavailable, []string{"connection refused", "check the port"}},
		"a host name without an address":   {"registry.invalid", v1alpha1.TransportHTTP, "", v1alpha1.ReasonChartUnavailable, []string{`"registry.invalid" has no address`, "correct the reference"}},
		"a certificate that nobody trusts": {strings.TrimPrefix(selfSigned.URL, "https://"), "", "", v1alpha1.ReasonChartUnavailable, []string{"unknown authority"}},
		"no TLS where it is expected":      {strings.TrimPrefix(plain.URL, "http://"), "", "", v1alpha1.ReasonChartUnavailable, []string{"does not use TLS", "template.chart.oci.transport"}},
		"a login is asked for":             {answering(401), v1alpha1.TransportHTTP, "", v1alpha1.ReasonChartUnavailable, []string{"asks for a login"}},
		"an account that may not":          {answering(403), v1alpha1.TransportHTTP, "account", v1alpha1.ReasonChartUnavailable, []string{"403", `Secret "account" may not read it`}},
		"nothing may be read without one":  {answering(403), v1alpha1.TransportHTTP, "", v1alpha1.ReasonChartUnavailable, []string{"403", "name a Secret"}},
		"nothing there":                    {answering(404), v1alpha1.TransportHTTP, "", v1alpha1.ReasonChartNotFound, []string{"helm push"}},
		"too large for it or its proxy":    {answering(413), v1alpha1.TransportHTTP, "", v1alpha1.ReasonChartUnavailable, []string{"413", "raise the limit"}},
		"a chart with another digest": {blob(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "abcd") }), v1alpha1.TransportHTTP, "",
			v1alpha1.ReasonChartUnavailable, []string{"has not the digest", "push the chart again"}},
		"a chart of another size": {blob(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "abcdefgh") }), v1alpha1.TransportHTTP, "",
			v1alpha1.ReasonChartUnavailable, []string{"has not the digest or size"}},
		"a chart that breaks off": {blob(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "4")
			_, _ = io.WriteString(w, "ab")
		}), v1alpha1.TransportHTTP, "", v1alpha1.ReasonChartUnavailable, []string{"closed in the middle", "retrying"}},
		"a web page": {odd(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html>"+registryPassword)
		}), v1alpha1.TransportHTTP, "", v1alpha1.ReasonInvalidTemplate, []string{"not a Helm chart"}},
		"a redirect to itself": {odd(func(w http.ResponseWriter, req *http.Request) { http.Redirect(w, req, req.URL.Path, http.StatusFound) }), v1alpha1.TransportHTTP, "",
			v1alpha1.ReasonChartUnavailable, []string{"redirects in a circle"}},
		"a redirect to nowhere": {odd(func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, "http://nowhere.invalid/", http.StatusTemporaryRedirect)
		}), v1alpha1.TransportHTTP, "", v1alpha1.ReasonChartUnavailable, []string{`"nowhere.invalid" has no address`}},
		"an answer that nobody knows": {answering(418), v1alpha1.TransportHTTP, "", v1alpha1.ReasonChartUnavailable, []string{"418", "correct reference"}},
	} {
		t.Run(name, func(t *testing.T) {
			product := salestest.Product(func(p *v1alpha1.MarketplaceProduct) {
				p.Spec.Template = v1alpha1.ProductTemplate{Chart: v1alpha1.Chart{OCI: v1alpha1.OCIChart{
					Reference: "oci://" + tc.host + "/charts/app", Version: "1.0.0", Transport: tc.transport,
				}}}
				p.Spec.Template.Chart.OCI.PullSecretRef.Name = tc.secret
			})
			account := dockerConfig(t, "account", tc.host, registryUser, registryPassword)
			source := chartSource{live: fake.NewClientBuilder().WithObjects(account).Build(), registries: egress.Reach{Loopback: true}.Registries()}
			_, err := source.fetch(t.Context(), product)
			for _, says := range tc.says {
				checkFetched(t, nil, err, nil, tc.reason, says)
			}
			if status := tc.says[0]; (status == "413" || status == "418" || strings.HasPrefix(status, "unknown")) && strings.Contains(err.Error(), "retrying") {
				t.Errorf("it promises that trying again helps: %v", err)
			}
		})
	}
	for status, says := range map[int]string{429: "too many requests", 503: "see the registry's logs"} {
		// oras waits between its own repeats of these, so they are not made here.
		if cause, remedy, passes := ofStatus(status); !strings.Contains(cause+remedy, says) || !passes {
			t.Errorf("%d: %s; %s, passes %t", status, cause, remedy, passes)
		}
	}
}
