package product

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kuberuntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/render"
	"github.com/stallkeeper/stallkeeper/controllers/revision"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/controllers/template"
	"github.com/stallkeeper/stallkeeper/controllers/workload"
	"github.com/stallkeeper/stallkeeper/test/apiserver"
)

// The API server is one for all tests of the package. Without binaries the tests that need it are skipped.
var (
	startOnce sync.Once
	theServer *server
	errStart  error
	stopAll   = func() {}
)

func TestMain(m *testing.M) {
	code := m.Run()
	stopAll()
	os.Exit(code)
}

// server is a real API server with a sales namespace.
type server struct {
	client client.Client
	dryRun atomic.Int64
}

func (s *server) wrap(next http.RoundTripper) http.RoundTripper {
	return salestest.RoundTripper(func(req *http.Request) (*http.Response, error) {
		if req.URL.Query().Get("dryRun") != "" {
			s.dryRun.Add(1)
		}
		return next.RoundTrip(req)
	})
}

// widgets is a kind of others with a schema.
func widgets() *apiextensionsv1.CustomResourceDefinition {
	schema := &apiextensionsv1.JSONSchemaProps{Type: "object", Properties: map[string]apiextensionsv1.JSONSchemaProps{
		"spec": {Type: "object", Required: []string{"size"}, Properties: map[string]apiextensionsv1.JSONSchemaProps{
			"size":  {Type: "integer", Maximum: ptr.To(9.0)},
			"color": {Type: "string", Enum: []apiextensionsv1.JSON{{Raw: []byte(`"red"`)}, {Raw: []byte(`"green"`)}}},
		}},
	}}
	return &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "widgets.example.com"},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: "example.com", Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "widgets", Singular: "widget", Kind: "Widget", ListKind: "WidgetList"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true, Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: schema},
			}},
		},
	}
}

func realServer(t *testing.T) *server {
	t.Helper()
	assets := apiserver.Binaries(t)
	startOnce.Do(func() {
		env := &envtest.Environment{
			BinaryAssetsDirectory: assets, CRDDirectoryPaths: []string{filepath.Join("..", "..", "config", "crd")}, ErrorIfCRDPathMissing: true,
			// The API server takes long where other packages' tests share the cores.
			ControlPlaneStartTimeout: 3 * time.Minute, ControlPlaneStopTimeout: time.Minute,
			CRDs: []*apiextensionsv1.CustomResourceDefinition{widgets()},
		}
		config, err := env.Start()
		stopAll = func() { _ = env.Stop() }
		if err != nil {
			errStart = err
			return
		}
		theServer, errStart = newServer(t, config)
	})
	if errStart != nil {
		t.Fatalf("starting the API server: %v", errStart)
	}
	return theServer
}

func newServer(t *testing.T, config *rest.Config) (*server, error) {
	config.QPS = -1
	s := &server{}
	config.Wrap(s.wrap)
	scheme, err := salestest.BothSchemes()
	if err != nil {
		return nil, err
	}
	if s.client, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return nil, err
	}
	return s, s.client.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "sales"}})
}

// stall is a product on the real API server, with its reconciler.
type stall struct {
	*server
	t       *testing.T
	r       *Reconciler
	clock   *clocktesting.FakePassiveClock
	product *v1alpha1.MarketplaceProduct
	serves  []string
}

var stalls atomic.Int64

func newStall(t *testing.T, changes ...salestest.ProductChange) *stall {
	t.Helper()
	s := &stall{server: realServer(t), t: t, clock: clocktesting.NewFakePassiveClock(salestest.Day(0)), serves: []string{"v1", "apps/v1"}}
	s.product = salestest.Product(changes...)
	s.product.ObjectMeta = metav1.ObjectMeta{Namespace: "sales", Name: fmt.Sprintf("p%d", stalls.Add(1))}
	s.restart()
	s.create(s.product)
	return s
}

func (s *stall) restart() {
	permissions := salestest.Permissions()
	for _, kind := range []schema.GroupKind{
		{Group: "policy", Kind: "PodDisruptionBudget"}, {Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}, {Group: "batch", Kind: "CronJob"},
		{Group: "networking.k8s.io", Kind: "Ingress"}, {Group: "networking.k8s.io", Kind: "NetworkPolicy"}, {Group: "apps", Kind: "DaemonSet"},
		{Group: "example.com", Kind: "Widget"}, {Group: "example.com", Kind: "Gadget"},
	} {
		permissions.Kinds.Insert(kind)
	}
	permissions.TenantRBAC, permissions.RoleRights = true, workload.RoleRights{"configmaps": {"get"}}
	s.r = &Reconciler{
		Client: s.client, APIReader: s.client, Clock: s.clock, Permissions: permissions, DryRun: true, TenantPrefix: v1alpha1.DefaultTenantPrefix,
		Capabilities: func() (template.Capabilities, error) {
			return template.Capabilities{KubeVersion: "v1.37.2", APIVersions: s.serves}, nil
		},
	}
}

func (s *stall) create(objects ...client.Object) {
	s.t.Helper()
	for _, object := range objects {
		if err := s.client.Create(s.t.Context(), object); err != nil {
			s.t.Fatal(err)
		}
	}
}

// pass lets a minute go by and reconciles. It returns the condition Ready as "status reason: message".
func (s *stall) pass() string {
	s.t.Helper()
	s.clock.SetTime(s.clock.Now().Add(queue.ChartRecheck))
	_, _ = s.r.Reconcile(s.t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(s.product)})
	if err := s.client.Get(s.t.Context(), client.ObjectKeyFromObject(s.product), s.product); err != nil {
		s.t.Fatal(err)
	}
	is := meta.FindStatusCondition(s.product.Status.Conditions, v1alpha1.ConditionReady)
	if is == nil {
		return "nothing"
	}
	return fmt.Sprintf("%s %s: %s", is.Status, is.Reason, is.Message)
}

// namespace reads the namespace of the checks; nil if there is none that stays.
func (s *stall) namespace() *corev1.Namespace {
	s.t.Helper()
	namespace := &corev1.Namespace{}
	err := s.client.Get(s.t.Context(), client.ObjectKey{Name: s.r.checkNamespace(s.product)}, namespace)
	if client.IgnoreNotFound(err) != nil {
		s.t.Fatal(err)
	}
	if apierrors.IsNotFound(err) || namespace.DeletionTimestamp != nil {
		return nil
	}
	return namespace
}

// edit returns a template with a part replaced.
func edit(t *testing.T, text, from, to string) string {
	t.Helper()
	before, after, found := strings.Cut(text, from)
	if !found {
		t.Fatalf("the template has no %q", from)
	}
	return before + to + after
}

const (
	job = `apiVersion: batch/v1
kind: CronJob
metadata: {name: j}
spec:
  schedule: "0 3 * * *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
          containers: [{name: a, image: b, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]
`
	database = `apiVersion: v1
kind: Secret
metadata: {name: db}
stringData: {password: {{ randAlphaNum 20 | quote }}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: db
        image: registry.example.com/db:1
        env: [{name: PASSWORD, valueFrom: {secretKeyRef: {name: db, key: password}}}]
        volumeMounts: [{name: data, mountPath: /data}]
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
  volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]
`
	reader = `apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: r}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: r}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: r}
subjects: [{kind: ServiceAccount, name: default}]
`
	widget = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\nspec: {size: 1, color: red}\n"
)

func one(apiVersion, kind, rest string) string {
	return "apiVersion: " + apiVersion + "\nkind: " + kind + "\nmetadata: {name: x}\n" + rest + "\n"
}

// What the API server takes is a product that is ready, and nothing of it is stored.
func TestWhatTheAPIServerTakesIsReady(t *testing.T) {
	for name, text := range map[string]string{
		"a web server":                    salestest.Web + salestest.Settings,
		"a database with its password":    database,
		"a CronJob":                       job,
		"a Role for the pods":             reader,
		"a custom resource":               widget,
		"a budget and an autoscaler":      one("policy/v1", "PodDisruptionBudget", "spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}") + scaler,
		"a Service to a port without pod": one("v1", "Service", "spec: {selector: {app: web}, ports: [{port: 80, targetPort: nosuch}]}"),
		"an Ingress": one("networking.k8s.io/v1", "Ingress",
			"spec: {rules: [{host: '{{ .Values.stallkeeper.instance.name }}.example.com', http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}]}}]}"),
		"a NetworkPolicy":      one("networking.k8s.io/v1", "NetworkPolicy", "spec: {podSelector: {}, egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}"),
		"a claim of its own":   one("v1", "PersistentVolumeClaim", "spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}"),
		"a hook before others": edit(t, edit(t, job, "CronJob\nmetadata: {name: j}", "CronJob\nmetadata: {name: j}"), "0 3", "0 4"),
	} {
		t.Run(name, func(t *testing.T) {
			s := newStall(t, salestest.Inline(text))
			if ready := s.pass(); !strings.HasPrefix(ready, "True ProductReady: ") {
				t.Fatal(ready)
			}
			namespace := s.namespace()
			if namespace == nil || namespace.Labels["pod-security.kubernetes.io/enforce"] != "restricted" || namespace.Labels[v1alpha1.DeletionProtectionLabel] != "" {
				t.Errorf("the namespace is %v", namespace)
			}
			for _, kind := range []schema.GroupVersionKind{
				{Version: "v1", Kind: "ConfigMapList"}, {Version: "v1", Kind: "SecretList"}, {Version: "v1", Kind: "ServiceList"},
				{Group: "apps", Version: "v1", Kind: "DeploymentList"}, {Group: "apps", Version: "v1", Kind: "StatefulSetList"}, {Group: "example.com", Version: "v1", Kind: "WidgetList"},
			} {
				list := &unstructured.UnstructuredList{}
				list.SetGroupVersionKind(kind)
				if err := s.client.List(t.Context(), list, client.InNamespace(namespace.Name)); err != nil || len(list.Items) > 0 {
					t.Errorf("%s: %d are stored, error %v", kind.Kind, len(list.Items), err)
				}
			}
		})
	}
}

// What the API server refuses is said at the product with plan, file, object, field and remedy.
func TestWhatTheAPIServerRefusesIsSaidAtTheProduct(t *testing.T) {
	web := func(from, to string) string { return edit(t, salestest.Web, from, to) }
	container := func(more string) string { return web("image: registry", more+"\n        image: registry") }
	pod := func(more string) string { return web("      containers:", "      "+more+"\n      containers:") }
	const lost = "is not served by the cluster"
	for name, tc := range map[string]struct{ template, object, says string }{
		"a budget of an old version":          {one("policy/v1beta1", "PodDisruptionBudget", "spec: {minAvailable: 1}"), "PodDisruptionBudget/x", "write it for policy/v1"},
		"an autoscaler of an old version":     {one("autoscaling/v2beta1", "HorizontalPodAutoscaler", "spec: {maxReplicas: 1, scaleTargetRef: {kind: Deployment, name: web}}"), "HorizontalPodAutoscaler/x", lost},
		"a kind that is not installed":        {one("example.com/v1", "Gadget", "spec: {}"), "Gadget/x", "install the CustomResourceDefinition of Gadget.example.com"},
		"a version that is not installed":     {one("example.com/v2", "Widget", "spec: {size: 1}"), "Widget/x", "write it for example.com/v1"},
		"an unknown field of a resource":      {edit(t, widget, "color: red", "colour: red"), "Widget/w", "spec.colour"},
		"a wrong type in a resource":          {edit(t, widget, "size: 1", "size: one"), "Widget/w", "spec.size"},
		"an enum of a resource":               {edit(t, widget, "red", "blue"), "Widget/w", "spec.color"},
		"a number of a resource too large":    {edit(t, widget, "size: 1", "size: 10"), "Widget/w", "spec.size"},
		"a resource without what it needs":    {edit(t, widget, "size: 1, ", ""), "Widget/w", "spec.size"},
		"an unknown field far down":           {pod("affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpression: []}]}}}"), "Deployment/web", "matchExpression"},
		"a pull policy that there is not":     {container("imagePullPolicy: Sometimes"), "Deployment/web", "imagePullPolicy"},
		"a Service type that there is not":    {one("v1", "Service", "spec: {type: Nodeport, ports: [{port: 80}]}"), "Service/x", "spec.type"},
		"a probe with two handlers":           {container("livenessProbe: {tcpSocket: {port: 80}, httpGet: {path: /, port: 80}}"), "Deployment/web", "livenessProbe"},
		"a probe without one":                 {container("readinessProbe: {periodSeconds: 3}"), "Deployment/web", "readinessProbe"},
		"a schedule that is none":             {edit(t, job, "0 3 * * *", "every day"), "CronJob/j", "spec.schedule"},
		"a time zone that is none":            {edit(t, job, "schedule:", "timeZone: Mars/Base\n  schedule:"), "CronJob/j", "spec.timeZone"},
		"a concurrency that there is not":     {edit(t, job, "schedule:", "concurrencyPolicy: Never\n  schedule:"), "CronJob/j", "concurrencyPolicy"},
		"an autoscaler with max below min":    {edit(t, scaler, "maxReplicas: 3", "minReplicas: 5, maxReplicas: 3"), "HorizontalPodAutoscaler/web", "spec.maxReplicas"},
		"a claim without a size":              {one("v1", "PersistentVolumeClaim", "spec: {accessModes: [ReadWriteOnce]}"), "PersistentVolumeClaim/x", "spec.resources"},
		"a claim template without modes":      {edit(t, database, "accessModes: [ReadWriteOnce], ", ""), "StatefulSet/db", "accessModes"},
		"a network that is none":              {one("networking.k8s.io/v1", "NetworkPolicy", "spec: {podSelector: {}, egress: [{to: [{ipBlock: {cidr: 10.0.0.300/8}}]}]}"), "NetworkPolicy/x", "cidr"},
		"a range of ports upside down":        {one("networking.k8s.io/v1", "NetworkPolicy", "spec: {podSelector: {}, egress: [{ports: [{port: 90, endPort: 80}]}]}"), "NetworkPolicy/x", "endPort"},
		"a budget with min and max":           {one("policy/v1", "PodDisruptionBudget", "spec: {minAvailable: 1, maxUnavailable: 1}"), "PodDisruptionBudget/x", "spec"},
		"a Service with a port twice":         {one("v1", "Service", "spec: {ports: [{name: a, port: 80}, {name: b, port: 80}]}"), "Service/x", "spec.ports"},
		"a cluster IP that is none":           {one("v1", "Service", "spec: {clusterIP: nowhere, ports: [{port: 80}]}"), "Service/x", "clusterIP"},
		"a strategy with leftovers":           {web("selector:", "strategy: {type: Recreate, rollingUpdate: {maxSurge: 1}}\n  selector:"), "Deployment/web", "spec.strategy"},
		"replicas below zero":                 {web("replicas: 2", "replicas: -1"), "Deployment/web", "spec.replicas"},
		"a volume of two kinds":               {pod("volumes: [{name: v, emptyDir: {}, configMap: {name: c}}]"), "Deployment/web", "volumes[0]"},
		"a volume of no kind, wrongly named":  {pod("volumes: [{name: My_Volume, emptyDir: {}}]"), "Deployment/web", "volumes[0].name"},
		"a variable with value and source":    {container("env: [{name: A, value: a, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]"), "Deployment/web", "env[0]"},
		"a source of variables without one":   {container("envFrom: [{prefix: A_}]"), "Deployment/web", "envFrom"},
		"a resource that there is not":        {container("resources: {limits: {memori: 1Gi}}"), "Deployment/web", "memori"},
		"a policy for the last words":         {container("terminationMessagePolicy: Nowhere"), "Deployment/web", "terminationMessagePolicy"},
		"a selector without values":           {web("matchLabels: {app: web}}", "matchLabels: {app: web}, matchExpressions: [{key: a, operator: In}]}"), "Deployment/web", "matchExpressions"},
		"a spread that there is not":          {pod("topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: Perhaps}]"), "Deployment/web", "whenUnsatisfiable"},
		"a toleration that there is not":      {pod("tolerations: [{key: a, operator: Likes}]"), "Deployment/web", "tolerations[0]"},
		"an Ingress of nothing":               {one("networking.k8s.io/v1", "Ingress", "spec: {}"), "Ingress/x", "spec"},
		"a path's type in lower case":         {one("networking.k8s.io/v1", "Ingress", "spec: {rules: [{host: a.example.com, http: {paths: [{path: /, pathType: prefix, backend: {service: {name: s, port: {number: 80}}}}]}}]}"), "Ingress/x", "pathType"},
		"a path without a slash":              {one("networking.k8s.io/v1", "Ingress", "spec: {rules: [{host: a.example.com, http: {paths: [{path: a, pathType: Prefix, backend: {service: {name: s, port: {number: 80}}}}]}}]}"), "Ingress/x", "path"},
		"a TLS Secret without its key":        {one("v1", "Secret", "type: kubernetes.io/tls\nstringData: {tls.crt: a}"), "Secret/x", "data[tls.key]"},
		"annotations that are too large":      {one("v1", "ConfigMap", "data: {a: b}") + "---\n" + edit(t, one("v1", "Service", "spec: {ports: [{port: 80}]}"), "{name: x}", `{name: big, annotations: {a: "{{ range until 3 }}{{ repeat 100000 "x" }}{{ end }}"}}`), "Service/big", "metadata.annotations"},
		"a ConfigMap with a key in both":      {one("v1", "ConfigMap", "data: {a: b}\nbinaryData: {a: Yg==}"), "ConfigMap/x", "a"},
		"a protocol that there is not":        {one("v1", "Service", "spec: {ports: [{port: 80, protocol: HTTP}]}"), "Service/x", "protocol"},
		"no image":                            {web("image: registry.example.com/web:1", "imagePullPolicy: Always"), "Deployment/web", "image"},
		"a variable twice":                    {container("env: [{name: A, value: a}, {name: A, value: b}]"), "Deployment/web", `"A"`},
		"a subject of another kind":           {edit(t, reader, "kind: ServiceAccount", "kind: Robot"), "RoleBinding/r", "subject"},
		"pods that the level does not let in": {container("ports: [{containerPort: 80, hostPort: 80}]"), "Deployment/web", "hostPort"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStall(t, salestest.Inline(tc.template))
			ready := s.pass()
			t.Log(ready)
			for _, part := range []string{"False ", `lan "small"`, tc.object, tc.says} {
				if !strings.Contains(ready, part) {
					t.Errorf("%s: want %q in it", ready, part)
				}
			}
			if s.product.Status.LatestRevision != "" {
				t.Error("it has become a revision")
			}
		})
	}
}

// A person who changes what stood in the way need not touch the product.
func TestARefusedSampleIsTriedAgain(t *testing.T) {
	s := newStall(t, salestest.Inline(one("v1", "Secret", "stringData: {password: {{ randAlphaNum 30 | quote }}, fixed: swordfish}")))
	policy := &admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: s.product.Name},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionv1.MatchResources{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{v1alpha1.ProductLabel: s.product.Name}},
				ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
					Operations: []admissionv1.OperationType{admissionv1.Create}, Rule: admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps", "secrets"}},
				}}},
			},
			Validations: []admissionv1.Validation{{Expression: "false", MessageExpression: "'no to ' + object.metadata.name"}},
		},
	}
	binding := &admissionv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: policy.ObjectMeta,
		Spec:       admissionv1.ValidatingAdmissionPolicyBindingSpec{PolicyName: policy.Name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny}},
	}
	probe := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.product.Name + "-probe", Labels: map[string]string{v1alpha1.ProductLabel: s.product.Name}}}
	s.create(policy, binding, probe)
	// A sample that was taken before the policy is in force is not tried again.
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		tried := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: probe.Name, Name: "tried"}}
		return s.client.Create(ctx, tried, client.DryRunAll) != nil, nil
	})
	if err != nil {
		t.Fatal("the policy is not in force")
	}
	s.until("False NotPermitted: ", func() {})
	for range int(queue.RefusedSampleRetry/queue.ChartRecheck) - 2 {
		before := s.dryRun.Load()
		s.pass()
		if s.dryRun.Load() != before {
			t.Error("it asks again in every pass")
		}
	}
	for _, object := range []client.Object{binding, policy} {
		if err := s.client.Delete(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	s.until("True ProductReady: ", func() {})
}

// until passes until Ready begins as wanted. What the API server's caches do not show yet comes with another pass.
func (s *stall) until(want string, before func()) {
	s.t.Helper()
	const most = 300
	ready := ""
	for range most {
		before()
		if ready = s.pass(); strings.HasPrefix(ready, want) {
			return
		}
	}
	s.t.Fatalf("Ready is %s, want %s", ready, want)
}

// absentWebhook is one that can't be reached, for the objects of a product's checks.
func absentWebhook(product string) *admissionv1.ValidatingWebhookConfiguration {
	return &admissionv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: product},
		Webhooks: []admissionv1.ValidatingWebhook{{
			Name: "absent.example.com", AdmissionReviewVersions: []string{"v1"}, SideEffects: ptr.To(admissionv1.SideEffectClassNone),
			ClientConfig:      admissionv1.WebhookClientConfig{URL: ptr.To("https://127.0.0.1:1/")},
			FailurePolicy:     ptr.To(admissionv1.Fail),
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{v1alpha1.ProductLabel: product}},
			Rules: []admissionv1.RuleWithOperations{{
				Operations: []admissionv1.OperationType{admissionv1.Create}, Rule: admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
			}},
		}},
	}
}

func TestAWebhookThatIsAwayIsNoVerdict(t *testing.T) {
	const away = "could not be asked about the objects, and is asked again: inline.yaml: ConfigMap/settings of plan \"small\": the API server can't reach the admission webhook absent.example.com"
	s := newStall(t)
	if ready := s.pass(); !strings.HasPrefix(ready, "True ") {
		t.Fatal(ready)
	}
	first := s.product.Status.LatestRevision
	webhook := absentWebhook(s.product.Name)
	s.create(webhook)

	t.Run("what is sold stays ready", func(*testing.T) {
		s.serves = append(s.serves, "new.example.com/v1")
		s.until("True ProductReady: All plans render and may run. The API server could not be asked", func() { s.serves = append(s.serves, "again/v1") })
		if ready := s.pass(); !strings.Contains(ready, away) {
			t.Errorf("%s: want %s", ready, away)
		}
	})
	t.Run("a new revision waits, and the last good one stays", func(t *testing.T) {
		s.product.Spec.Template.Inline += "  more: b\n"
		if err := s.client.Update(t.Context(), s.product); err != nil {
			t.Fatal(err)
		}
		if ready := s.pass(); !strings.HasPrefix(ready, "Unknown Progressing: ") || !strings.Contains(ready, away) || s.product.Status.LatestRevision != first {
			t.Errorf("%s, %s", ready, s.product.Status.LatestRevision)
		}
	})
	if err := s.client.Delete(t.Context(), webhook); err != nil {
		t.Fatal(err)
	}
	s.until("True ProductReady: ", func() {})
	if s.product.Status.LatestRevision == first {
		t.Error("the new revision was not cut")
	}
}

// The API server is asked once for what a plan becomes, and again when the cluster serves something else.
func TestTheAPIServerIsAskedOnce(t *testing.T) {
	s := newStall(t)
	asked := func(want bool) {
		t.Helper()
		before := s.dryRun.Load()
		if ready := s.pass(); !strings.HasPrefix(ready, "True ") {
			t.Fatal(ready)
		}
		if is := s.dryRun.Load() != before; is != want {
			t.Errorf("it was asked: %t, want %t", is, want)
		}
	}
	asked(true)
	asked(false)
	s.restart()
	asked(false)
	s.serves = append(s.serves, "new.example.com/v1")
	asked(true)
	s.restart()
	asked(false)
	s.product.Spec.Plans[0].Values = &kuberuntime.RawExtension{Raw: []byte(`{"a": 1}`)}
	if err := s.client.Update(t.Context(), s.product); err != nil {
		t.Fatal(err)
	}
	asked(true)
}

func TestTheNamespaceOfChecksFollowsItsProduct(t *testing.T) {
	s := newStall(t)
	s.pass()
	s.product.Spec.Isolation.PodSecurityLevel = v1alpha1.PodSecurityBaseline
	if err := s.client.Update(t.Context(), s.product); err != nil {
		t.Fatal(err)
	}
	s.pass()
	if level := s.namespace().Labels["pod-security.kubernetes.io/enforce"]; level != "baseline" {
		t.Errorf("its level is %s", level)
	}
	if err := s.client.Delete(t.Context(), s.product); err != nil {
		t.Fatal(err)
	}
	if _, err := s.r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(s.product)}); err != nil {
		t.Fatal(err)
	}
	if s.namespace() != nil {
		t.Error("it stays after its product")
	}
}

// A namespace that happens to have the name is not written to.
func TestANamespaceOfOthersIsLeftAlone(t *testing.T) {
	s := newStall(t)
	s.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.r.checkNamespace(s.product)}})
	before := s.dryRun.Load()
	ready := s.pass()
	if !strings.HasPrefix(ready, "True ") || !strings.Contains(ready, "was not asked about the objects, because of the namespace") {
		t.Error(ready)
	}
	if s.dryRun.Load() != before {
		t.Error("it was asked all the same")
	}
	if namespace := s.namespace(); namespace == nil || namespace.Labels[v1alpha1.InstanceLabel] != "" {
		t.Errorf("the namespace is %v", namespace)
	}
}

// The values of a Secret are compared with none of the others, and of too many none is looked for.
func TestManySecretValuesAreBounded(t *testing.T) {
	values := map[string]any{}
	for i := range 100_000 {
		values[fmt.Sprint(i)] = fmt.Sprintf("value-%d", i)
	}
	of := secrets{}
	of.addFrom(&unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Secret", "stringData": values}})
	of.add("swordfish")
	if len(of.texts) != maxSecrets || !of.many {
		t.Errorf("%d are kept, many: %t", len(of.texts), of.many)
	}
	err := apierrors.NewInvalid(schema.GroupKind{Group: "apps", Kind: "Deployment"}, "web", nil)
	err.ErrStatus.Message = "denied: swordfish"
	if text := of.without(err).Error(); strings.Contains(text, "swordfish") || !strings.Contains(text, "more than 10000 secret values") {
		t.Error(text)
	}
}

// Whatever plans print, no more than one sample is in memory: thirty-two plans may print as much as the controller has.
func TestTheSamplesOfAllPlansAreNeverTogether(t *testing.T) {
	const maps, plans = 4, 12
	text := ""
	for i := range maps {
		text += fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c%d}\ndata: {a: '{{ .Values.stallkeeper.plan }}"+
			"{{ repeat 90 (repeat 10000 \"x\") }}'}\n---\n", i)
	}
	product := salestest.Product(salestest.Inline(text), func(p *v1alpha1.MarketplaceProduct) {
		for i := range plans {
			plan := *p.Spec.Plans[0].DeepCopy()
			plan.Name = fmt.Sprintf("plan-%d", i)
			p.Spec.Plans = append(p.Spec.Plans, plan)
		}
		p.Spec.Plans = p.Spec.Plans[len(p.Spec.Plans)-plans:]
	})
	var asked atomic.Int64
	var most, before runtime.MemStats
	heap := func(into *runtime.MemStats) uint64 {
		debug.FreeOSMemory()
		runtime.ReadMemStats(into)
		return into.HeapAlloc
	}
	plain := fake.NewClientBuilder().WithScheme(salestest.NewTestScheme(t)).Build()
	c := interceptor.NewClient(plain, interceptor.Funcs{
		Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			if asked.Add(1) == maps*plans-maps+1 {
				heap(&most)
			}
			return nil
		},
	})
	r := &Reconciler{Client: c, APIReader: c, TenantPrefix: v1alpha1.DefaultTenantPrefix}
	of := check{
		permissions: salestest.Permissions(), renderer: render.InProcess{},
		trial: &trial{r: r, product: product, seen: map[[sha256.Size]byte]bool{}},
	}
	data, found := cutOn0(product, nil), findings{noted: map[string]bool{}}
	rev, err := revision.Parse(t.Context(), of.renderer, "shop-1", data)
	if err != nil {
		t.Fatal(err)
	}
	heap(&before)
	for _, plan := range data.Plans {
		if err := (planCheck{check: of, product: product, rev: rev, plan: plan, found: &found, kept: &template.Kept{}}).run(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
	if len(found.plans) != plans {
		t.Errorf("%d plans were looked at", len(found.plans))
	}
	if got, err := of.trial.said.result(); err != nil || len(got) > 0 || asked.Load() < maps*plans {
		t.Errorf("%d objects were tried: %v, %v", asked.Load(), got, err)
	}
	if grown := int64(most.HeapAlloc) - int64(before.HeapAlloc); grown > 25<<20 {
		t.Errorf("with the last plan, %d MiB are in use", grown>>20)
	}
}

// The API server quotes the values that it refuses, and so do policies.
func TestARefusalNamesNoSecret(t *testing.T) {
	of := secrets{}
	of.addFrom(&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "data": map[string]any{"a": "c3dvcmRmaXNo"}, "stringData": map[string]any{"b": "line\nbreak"},
	}})
	err := apierrors.NewInvalid(schema.GroupKind{Group: "apps", Kind: "Deployment"}, "web", nil)
	err.ErrStatus.Message = `denied: swordfish, c3dvcmRmaXNo, "line\nbreak"`
	err.ErrStatus.Details.Causes = []metav1.StatusCause{{Field: "spec", Message: "must not be swordfish"}}
	cut := of.without(err)
	status, _ := cut.(apierrors.APIStatus)
	text := cut.Error() + status.Status().Details.Causes[0].Message
	for _, secret := range []string{"swordfish", "c3dvcmRmaXNo", "line"} {
		if strings.Contains(text, secret) {
			t.Errorf("%s has %s", text, secret)
		}
	}
	if !strings.Contains(text, "denied: (secret)") {
		t.Error(text)
	}
}
