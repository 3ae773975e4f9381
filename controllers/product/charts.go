package product

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
	"oras.land/oras-go/v2/registry/remote/errcode"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/egress"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/template"
)

// chartLayer is the media type of the chart in an OCI artifact that Helm has pushed.
const chartLayer = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"

var defaultRegistries = egress.Reach{}.Registries()

// chartSource fetches charts.
type chartSource struct {
	// live reads ConfigMaps and Secrets, which are not cached.
	live client.Reader
	// registries speaks to registries; nil means a client of a controller in a pod.
	registries *http.Client
}

// files are those of a template in a ConfigMap; nil for another template. Errors are *report.Verdict, or the API server's.
func (s chartSource) files(ctx context.Context, product *v1alpha1.MarketplaceProduct) (map[string]string, error) {
	name := product.Spec.Template.ConfigMapRef.Name
	if name == "" {
		return nil, nil
	}
	configMap := &corev1.ConfigMap{}
	err := s.live.Get(ctx, types.NamespacedName{Namespace: product.Namespace, Name: name}, configMap)
	if apierrors.IsNotFound(err) {
		return nil, report.Problem(v1alpha1.ReasonTemplateNotFound, fmt.Sprintf(
			"template.configMapRef: ConfigMap %q does not exist in this namespace: create it with `kubectl create configmap %s --from-file=templates/`",
			name, name))
	}
	if err != nil {
		return nil, fmt.Errorf("reading ConfigMap %s: %w", name, err)
	}
	if len(configMap.Data) == 0 {
		return nil, report.Problem(v1alpha1.ReasonInvalidTemplate, fmt.Sprintf(
			"template.configMapRef: ConfigMap %q has no data: each key must be a file name that ends in .yaml, .yml or .tpl", name))
	}
	return configMap.Data, nil
}

// fetch returns a product's chart archive; nothing for a template of another kind. Errors are *report.Verdict, or the API server's.
func (s chartSource) fetch(ctx context.Context, product *v1alpha1.MarketplaceProduct) ([]byte, error) {
	chart := product.Spec.Template.Chart
	switch {
	case chart.ConfigMapRef.Name != "":
		return s.fromConfigMap(ctx, product.Namespace, chart.ConfigMapRef)
	case chart.OCI.Reference != "":
		return s.fromRegistry(ctx, product.Namespace, chart)
	}
	return nil, nil
}

func (s chartSource) fromConfigMap(ctx context.Context, namespace string, ref v1alpha1.ConfigMapKeyReference) ([]byte, error) {
	configMap := &corev1.ConfigMap{}
	err := s.live.Get(ctx, types.NamespacedName{Namespace: namespace, Name: ref.Name}, configMap)
	if apierrors.IsNotFound(err) {
		return nil, report.Problem(v1alpha1.ReasonChartNotFound, fmt.Sprintf(
			"ConfigMap %q does not exist in this namespace: create it with `kubectl create configmap %s --from-file=%s=chart.tgz`",
			ref.Name, ref.Name, ref.Key))
	}
	if err != nil {
		return nil, fmt.Errorf("reading ConfigMap %s: %w", ref.Name, err)
	}
	archive, ok := configMap.BinaryData[ref.Key]
	if !ok {
		return nil, report.Problem(v1alpha1.ReasonChartNotFound, fmt.Sprintf(
			"ConfigMap %q has no key %q in binaryData: it must contain the chart as packaged by `helm package`", ref.Name, ref.Key))
	}
	return archive, nil
}

func (s chartSource) fromRegistry(ctx context.Context, namespace string, chart v1alpha1.Chart) ([]byte, error) {
	name := strings.TrimPrefix(chart.OCI.Reference, "oci://")
	// A tag can't hold a plus sign; Helm pushes versions with an underscore in its place.
	tag := strings.ReplaceAll(chart.OCI.Version, "+", "_")
	repository, err := remote.NewRepository(name)
	if err != nil {
		return nil, report.Problem(v1alpha1.ReasonChartNotFound, fmt.Sprintf(
			"%s is not a repository reference such as oci://registry.example.com/charts/app", chart.OCI.Reference))
	}
	repository.PlainHTTP = chart.OCI.Transport == v1alpha1.TransportHTTP
	authClient := &auth.Client{Client: cmp.Or(s.registries, defaultRegistries), Cache: auth.NewCache()}
	if chart.OCI.PullSecretRef.Name != "" {
		authClient.Credential, err = s.pullCredentials(ctx, namespace, chart.OCI.PullSecretRef.Name)
		if err != nil {
			return nil, err
		}
	}
	repository.Client = authClient
	archive, err := pullChart(ctx, repository, tag)
	if err != nil {
		return nil, registryProblem(chart.OCI, err)
	}
	return archive, nil
}

// pullChart reads an artifact's manifest and its chart layer. Sizes are checked before anything is downloaded.
func pullChart(ctx context.Context, repository *remote.Repository, tag string) ([]byte, error) {
	const maxManifest = 1 << 20
	descriptor, manifest, err := oras.FetchBytes(ctx, repository, tag, oras.FetchBytesOptions{MaxBytes: maxManifest})
	if err != nil {
		return nil, err
	}
	var parsed ocispec.Manifest
	if err := json.Unmarshal(manifest, &parsed); err != nil {
		return nil, fmt.Errorf("the manifest %s is not one: %w", descriptor.Digest, errdef.ErrUnsupported)
	}
	for _, layer := range parsed.Layers {
		if layer.MediaType != chartLayer {
			continue
		}
		if layer.Size > template.MaxChartBytes {
			return nil, template.ErrChartTooLarge
		}
		return content.FetchAll(ctx, repository, layer)
	}
	return nil, fmt.Errorf("%s holds no Helm chart: %w", descriptor.Digest, errdef.ErrUnsupported)
}

// registryProblem words an error of a registry. What the registry itself said is left out: it may repeat credentials.
func registryProblem(chart v1alpha1.OCIChart, err error) error {
	where := fmt.Sprintf("chart %s with version %s", chart.Reference, chart.Version)
	switch {
	case errors.Is(err, template.ErrChartTooLarge):
		return report.Problem(v1alpha1.ReasonChartTooLarge, fmt.Sprintf(
			"The %s has more than %d bytes: remove what the templates do not need", where, template.MaxChartBytes))
	case errors.Is(err, errdef.ErrNotFound):
		return report.Problem(v1alpha1.ReasonChartNotFound, fmt.Sprintf(
			"The registry has no %s: push it with `helm push`, or correct the reference and version", where))
	case errors.Is(err, errdef.ErrUnsupported):
		return report.Problem(v1alpha1.ReasonInvalidTemplate, fmt.Sprintf(
			"The registry's %s is not a Helm chart", where))
	}
	if refused := registryRefusal(chart.PullSecretRef.Name, err); refused != "" {
		return report.Problem(v1alpha1.ReasonChartUnavailable, fmt.Sprintf("The registry denies access to %s: %s", where, refused))
	}
	cause, remedy, passes := registryCause(err)
	if passes {
		return report.Passing(v1alpha1.ReasonChartUnavailable, fmt.Sprintf("Can't fetch %s: %s; %s; retrying", where, cause, remedy))
	}
	return report.Problem(v1alpha1.ReasonChartUnavailable, fmt.Sprintf("Can't fetch %s: %s; %s", where, cause, remedy))
}

// registryRefusal says what account a registry wants; empty when it wants none.
func registryRefusal(pullSecret string, err error) string {
	var response *errcode.ErrorResponse
	status := 0
	if errors.As(err, &response) {
		status = response.StatusCode
	}
	switch {
	case status == http.StatusForbidden && pullSecret != "":
		return fmt.Sprintf("it answered 403, so the account in Secret %q may not read it: give it the right to pull, or name the Secret of"+
			" another account in template.chart.oci.pullSecretRef", pullSecret)
	case status == http.StatusForbidden:
		return fmt.Sprintf("it answered 403 to a request without an account: name a Secret of type %s with one in"+
			" template.chart.oci.pullSecretRef", corev1.SecretTypeDockerConfigJson)
	case errors.Is(err, auth.ErrBasicCredentialNotFound) && pullSecret != "":
		return fmt.Sprintf("it asks for a login, and Secret %q of template.chart.oci.pullSecretRef has no account for this host: add it", pullSecret)
	case status == http.StatusUnauthorized && pullSecret != "":
		return fmt.Sprintf("it does not take the account in Secret %q of template.chart.oci.pullSecretRef: correct user and password", pullSecret)
	case status == http.StatusUnauthorized, errors.Is(err, auth.ErrBasicCredentialNotFound):
		return fmt.Sprintf("it asks for a login: name a Secret of type %s with an account in template.chart.oci.pullSecretRef",
			corev1.SecretTypeDockerConfigJson)
	}
	return ""
}

// registryCause says why a registry could not be asked, without a word of the registry's own, and what helps. passes says that it may
// pass by itself: a registry or a network that is down.
func registryCause(err error) (cause, remedy string, passes bool) {
	var (
		dns      *net.DNSError
		timeout  net.Error
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		invalid  x509.CertificateInvalidError
		record   tls.RecordHeaderError
		response *errcode.ErrorResponse
	)
	switch {
	case errors.As(err, &response):
		return ofStatus(response.StatusCode)
	case errors.As(err, &dns):
		return fmt.Sprintf("the host name %q has no address", report.Cut(dns.Name, 253)), "correct the reference, or the cluster's DNS", !dns.IsNotFound
	case errors.Is(err, egress.ErrNear):
		return "it is at an address of the controller's own machine, of the cloud or of the cluster, or redirects to one",
			"have the registry at an address of its own", false
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused", "check the port and that the registry is running", true
	case errors.As(err, &unknown):
		return "its certificate is signed by an unknown authority", "give the registry a certificate that the controller's image trusts", false
	case errors.As(err, &hostname):
		return "its certificate is for another host name", "correct the reference, or the registry's certificate", false
	case errors.As(err, &invalid):
		return "its certificate is invalid (expired, or not meant for this use)", "renew the registry's certificate", false
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return "it does not use TLS", "set template.chart.oci.transport to HTTP if that is intended", false
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "the connection timed out", "check network policies and firewalls between the controller and the registry", true
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "the host can't be reached", "check network policies and routes", true
	}
	return ofAnswer(err)
}

// ofAnswer words what is wrong with an answer that came, and else that none did.
func ofAnswer(err error) (cause, remedy string, passes bool) {
	var lost *url.Error
	switch {
	case errors.Is(err, egress.ErrRedirects):
		return "it redirects in a circle", "correct the reference, or the registry's own address in its configuration", false
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return "the connection was closed in the middle", "check the registry, and the proxies before it", true
	case errors.As(err, &lost):
		return "the connection failed", "check the registry and the network", true
	case errors.Is(err, content.ErrMismatchedDigest), errors.Is(err, content.ErrTrailingData), strings.Contains(err.Error(), "mismatch"):
		return "what arrived has not the digest or size that the registry gave for it",
			"push the chart again, or empty the cache of the proxy before the registry", false
	}
	return "what answers is no registry", "correct the reference, or have the proxy before the registry pass its answers on", false
}

// ofStatus words a status of HTTP.
func ofStatus(status int) (cause, remedy string, passes bool) {
	cause = fmt.Sprintf("the registry responded with %d", status)
	switch {
	case status == http.StatusTooManyRequests:
		return cause + " (too many requests)", "name an account with a higher limit in template.chart.oci.pullSecretRef", true
	case status == http.StatusRequestEntityTooLarge:
		return cause + " (too large)", "raise the limit of the registry, or of the proxy before it", false
	case status >= http.StatusInternalServerError:
		return cause, "see the registry's logs", true
	default:
		return cause, "correct reference, version and transport", false
	}
}

// pullCredentials reads a Secret of type kubernetes.io/dockerconfigjson.
func (s chartSource) pullCredentials(ctx context.Context, namespace, name string) (auth.CredentialFunc, error) {
	secret := &corev1.Secret{}
	err := s.live.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, secret)
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("reading Secret %s: %w", name, err)
	}
	store, parseErr := credentials.NewMemoryStoreFromDockerConfig(secret.Data[corev1.DockerConfigJsonKey])
	if err != nil || parseErr != nil {
		return nil, report.Problem(v1alpha1.ReasonChartUnavailable, fmt.Sprintf(
			"Secret %q in this namespace is missing or not of type %s: create it with `kubectl create secret docker-registry`",
			name, corev1.SecretTypeDockerConfigJson))
	}
	return credentials.Credential(store), nil
}
