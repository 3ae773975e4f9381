package load

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

const (
	accessKey = "the-access-key-of-a-test"
	// memoryLimit is the chart's for the webhook and for the sign-on bridge.
	memoryLimit = 256 << 20
)

// stand is the process that strangers reach, on an API server, and KooGallery before it.
type stand struct {
	cluster client.Client
	process *os.Process
	// callback and metrics are host and port.
	callback, metrics string
	caller            koogallerytest.Caller
}

// number is an environment variable's, or what it is without one.
func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s must be a number, at least 1", name)
	}
	return n
}

func duration(t *testing.T, name string, otherwise time.Duration) time.Duration {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		t.Fatalf("%s must be a duration such as 60s", name)
	}
	return d
}

// flagsOf are those of the processes that strangers reach, besides the flags that all of them have.
var flagsOf = map[string][]string{"webhook": nil, "login": {"--url=https://login.example.com"}}

// newStand starts everything with the webhook; it is skipped unless LOAD=1.
func newStand(t *testing.T) *stand {
	t.Helper()
	return newStandOf(t, "webhook")
}

// newStandOf is the same for a process of flagsOf.
func newStandOf(t *testing.T, command string) *stand {
	t.Helper()
	if os.Getenv("LOAD") != "1" {
		t.Skip("LOAD=1 is not set: it takes minutes")
	}
	allowFiles(t)
	ctrl.SetLogger(logr.Discard())
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	binary := filepath.Join(folder, "stallkeeper")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", binary, "./cmd/stallkeeper")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, output)
	}
	assets := os.Getenv("KUBEBUILDER_ASSETS")
	if assets == "" {
		assets = filepath.Join(root, "bin", "controlplane")
	}
	env := &envtest.Environment{BinaryAssetsDirectory: assets, CRDDirectoryPaths: []string{filepath.Join(root, "config", "crd")}, ErrorIfCRDPathMissing: true}
	config, err := env.Start()
	t.Cleanup(func() {
		if err := env.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	config.QPS, config.Burst = 1000, 1000
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	s := &stand{}
	if s.cluster, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		t.Fatal(err)
	}
	for _, object := range connected() {
		if err := s.cluster.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	kubeconfig := filepath.Join(folder, "kubeconfig")
	if err := os.WriteFile(kubeconfig, env.KubeConfig, 0o600); err != nil {
		t.Fatal(err)
	}
	s.start(t, folder, kubeconfig, binary, command)
	return s
}

// connected is a sales namespace with a connection.
func connected() []client.Object {
	return []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "sales"}},
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "callback-keys"}, Data: map[string][]byte{"accessKey": []byte(accessKey)},
		},
		&v1alpha1.Marketplace{
			ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "koogallery"},
			Spec: v1alpha1.MarketplaceSpec{
				Protocol: v1alpha1.ProtocolKooGallery,
				KooGallery: v1alpha1.KooGallery{
					Site: v1alpha1.KooGalleryInternational, CallbackSecretRef: v1alpha1.SecretReference{Name: "callback-keys"},
					API: v1alpha1.KooGalleryAPI{CredentialsSecretName: "order-api"},
				},
			},
		},
	}
}

// start starts a process, as the chart does, and waits until it is ready.
func (s *stand) start(t *testing.T, folder, kubeconfig, binary, command string) {
	t.Helper()
	certificate, key, pool := writeCertificate(t, folder)
	s.callback, s.metrics = freeAddress(t), freeAddress(t)
	health := freeAddress(t)
	log, err := os.Create(filepath.Join(folder, command+".log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	cmd := exec.Command(binary, command, "--namespaces=sales", "--bind-address="+s.callback, "--metrics-bind-address="+s.metrics,
		"--health-probe-bind-address="+health, "--tls-cert-file="+certificate, "--tls-private-key-file="+key, "--shutdown-delay=0s")
	cmd.Args = append(cmd.Args, flagsOf[command]...)
	cmd.Env = []string{"KUBECONFIG=" + kubeconfig, "HOME=" + folder, "CONTAINER_MEMORY_LIMIT=" + strconv.Itoa(memoryLimit)}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.process = cmd.Process
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
		if t.Failed() {
			content, _ := os.ReadFile(log.Name())
			t.Logf("the end of the log:\n%s", content[max(0, len(content)-4000):])
		}
	})
	s.caller = koogallerytest.Caller{
		URL: "https://" + s.callback + "/v1/sales/koogallery", AccessKey: accessKey, TLS: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
	}
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if answer, err := http.Get("http://" + health + "/readyz"); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the %s has ended: %v", command, err)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("the %s does not become ready", command)
		}
	}
}

// allowFiles lets this process have as many connections as it may.
func allowFiles(t *testing.T) {
	t.Helper()
	var limit syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	if err == nil {
		limit.Cur = limit.Max
		err = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	}
	if err != nil {
		t.Fatalf("raising the number of open files: %v", err)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func writeCertificate(t *testing.T, folder string) (certificate, key string, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "callbacks"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	privateDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certificate, key = filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key")
	for file, block := range map[string]*pem.Block{certificate: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: privateDER}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AddCert(parsed)
	return certificate, key, pool
}

// resident is a field of the process's status in bytes: VmRSS is what it has in memory now, VmHWM the most that it ever had.
func (s *stand) resident(t *testing.T, field string) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.process.Pid))
	if err != nil {
		t.Fatalf("the process is gone: %v", err)
	}
	for line := range strings.Lines(string(status)) {
		if name, value, _ := strings.Cut(line, ":"); name == field {
			kibibytes, err := strconv.Atoi(strings.Fields(value)[0])
			if err != nil {
				t.Fatal(err)
			}
			return kibibytes << 10
		}
	}
	t.Fatalf("no %s", field)
	return 0
}

// gauges are the sums of some metrics over their labels.
func (s *stand) gauges(ctx context.Context, names ...string) (map[string]float64, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.metrics+"/metrics", http.NoBody)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	found := map[string]float64{}
	for lines := bufio.NewScanner(io.LimitReader(answer.Body, 16<<20)); lines.Scan(); {
		for _, name := range names {
			rest, ok := strings.CutPrefix(lines.Text(), name)
			if !ok || rest == "" || rest[0] != ' ' && rest[0] != '{' {
				continue
			}
			value, err := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64)
			if err != nil {
				return nil, err
			}
			found[name] += value
		}
	}
	return found, nil
}
