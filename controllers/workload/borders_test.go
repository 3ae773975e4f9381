package workload

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// What the chart's admission policy would refuse the first buyer, in the words of it that a seller has to see: the policy refuses the same, and
// nothing else.
func TestBorderProblems(t *testing.T) {
	limits := Limits{
		IngressHostSuffixes: []string{".apps.example.com", ".tenants.example.com"}, OwnHosts: []string{"hooks.apps.example.com"}, PriorityClassNames: []string{"tenants"},
		InlineCSIDrivers: []string{"secrets.example.com"}, CloudIdentityAnnotations: []string{"iam.gke.io/gcp-service-account"},
		HostAnnotations: []string{"external-dns.alpha.kubernetes.io/hostname"},
	}
	policy := tenantsPolicy(t, limits)
	ingress := func(rest string) string {
		return "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web}\nspec: {" + rest + "}"
	}
	route := func(rest string) string {
		return "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: web}\nspec: {" + rest + "}"
	}
	gateway := func(annotation, rest string) string {
		return "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: web, annotations: {" + annotation + "}}\nspec: {" + rest + "}"
	}
	service := func(annotation, rest string) string {
		return "apiVersion: v1\nkind: Service\nmetadata: {name: web, annotations: {" + annotation + "}}\nspec: {" + rest + "}"
	}
	pods := func(annotation, rest string) string {
		return "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: web}\nspec: {jobTemplate: {spec: {template: {metadata: {annotations: {" + annotation +
			"}}, spec: {containers: [{name: a, image: a}], " + rest + "}}}}}"
	}
	set := func(rest string) string {
		return "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db}\nspec: {template: {spec: {containers: [{name: a, image: a}]}}, volumeClaimTemplates: [{spec: {" + rest + "}}]}"
	}
	claims := func(metadata string) string {
		return strings.Replace(set(""), "[{spec:", "[{metadata: {"+metadata+"}, spec:", 1)
	}
	scaled := func(rest string) string {
		return "apiVersion: keda.sh/v1alpha1\nkind: ScaledJob\nmetadata: {name: web}\nspec: {jobTargetRef: {template: {spec: {containers: [{name: a, image: a}], " + rest + "}}}}"
	}
	annotated := func(annotation string) string {
		return strings.Replace(ingress("rules: [{host: a.apps.example.com}]"), "{name: web}", "{name: web, annotations: {"+annotation+"}}", 1)
	}
	const others = "labelSelector: {}, topologyKey: kubernetes.io/os, "
	required := func(kind, term string) string {
		return pods("", "affinity: {"+kind+": {requiredDuringSchedulingIgnoredDuringExecution: [{"+term+"}]}}")
	}
	preferred := func(kind, term string) string {
		return pods("", "affinity: {"+kind+": {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {"+term+"}}]}}")
	}
	const address = "an address of their own"
	account := func(annotation string) string {
		return "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a, annotations: {" + annotation + "}}"
	}
	for name, tc := range map[string]struct{ object, want string }{
		"a host that fits":                     {ingress("rules: [{host: a.apps.example.com}], tls: [{hosts: [a.apps.example.com]}]"), ""},
		"another host":                         {ingress("rules: [{host: a.apps.example.com}, {host: www.example.com}]"), "does not end with"},
		"a certificate of another host":        {ingress("rules: [{host: a.apps.example.com}], tls: [{hosts: [www.example.com]}]"), "does not end with"},
		"the callbacks' host":                  {ingress("rules: [{host: hooks.apps.example.com}]"), "Stallkeeper's own"},
		"many hosts, the callbacks' among":     {ingress("rules: [{host: '*.apps.example.com'}]"), "Stallkeeper's own"},
		"no host":                              {ingress("rules: [{http: {paths: []}}]"), "names no host"},
		"a default backend":                    {ingress("defaultBackend: {service: {name: web}}"), "names no host"},
		"a route that fits":                    {route("hostnames: [a.apps.example.com]"), ""},
		"a route of another host":              {route("hostnames: [www.example.com]"), "does not end with"},
		"a route of every host":                {route("parentRefs: [{name: g}]"), "names no host"},
		"a Gateway":                            {gateway("", "listeners: [{name: a, hostname: a.apps.example.com}, {name: b}]"), ""},
		"a Gateway of another host":            {gateway("", "listeners: [{name: a, hostname: www.example.com}]"), "does not end with"},
		"a Gateway of the callbacks' host":     {gateway("", "listeners: [{name: a, hostname: hooks.apps.example.com}]"), "Stallkeeper's own"},
		"a Gateway of many hosts":              {gateway("", "listeners: [{name: a, hostname: '*.apps.example.com'}]"), "Stallkeeper's own"},
		"a Gateway of a chosen address":        {gateway("", "addresses: [{value: 192.0.2.1}]"), "spec.addresses"},
		"a name by a Gateway's annotation":     {gateway("external-dns.alpha.kubernetes.io/target: a", ""), "hostAnnotations"},
		"a certificate of more hosts":          {gateway("cert-manager.io/alt-names: www.example.com", ""), "hostAnnotations"},
		"a certificate by a common name":       {gateway("cert-manager.io/common-name: www.example.com", ""), "hostAnnotations"},
		"an issuer of certificates":            {gateway("cert-manager.io/cluster-issuer: le", ""), ""},
		"another controller's snippets":        {gateway("nginx.org/server-snippets: x", ""), "hostAnnotations"},
		"another controller's aliases":         {gateway("konghq.com/host-aliases: www.example.com", ""), "hostAnnotations"},
		"a cloud's conditions":                 {gateway("alb.ingress.kubernetes.io/conditions.web: x", ""), "hostAnnotations"},
		"aliases by an expression":             {gateway("haproxy-ingress.github.io/server-alias-regex: x", ""), "hostAnnotations"},
		"configuration of an older controller": {gateway("ingress.kubernetes.io/config-backend: x", ""), "hostAnnotations"},
		"another host that is redirected":      {gateway("nginx.ingress.kubernetes.io/from-to-www-redirect: 'true'", ""), "hostAnnotations"},
		"what the controller asks for it":      {gateway("nginx.ingress.kubernetes.io/auth-url: 'http://10.0.0.1/'", ""), "hostAnnotations"},
		"how the controller asks":              {gateway("nginx.ingress.kubernetes.io/auth-method: 'GET; x'", ""), "hostAnnotations"},
		"what the controller sends elsewhere":  {gateway("nginx.ingress.kubernetes.io/mirror-target: 'http://10.0.0.1/'", ""), "hostAnnotations"},
		"a balancer that goes by hosts":        {gateway("alb.ingress.kubernetes.io/group.name: tenants", ""), ""},
		"a Secret of its own":                  {gateway("nginx.ingress.kubernetes.io/auth-secret: users", ""), ""},
		"a Secret of others":                   {gateway("nginx.ingress.kubernetes.io/auth-secret: tenant-other/users", ""), "another namespace"},
		"a ConfigMap of others":                {gateway("nginx.ingress.kubernetes.io/auth-proxy-set-headers: tenant-other/config", ""), "another namespace"},
		"an address by an annotation":          {service("metallb.universe.tf/loadBalancerIPs: 192.0.2.1", ""), "hostAnnotations"},
		"an address that is shared":            {service("metallb.io/allow-shared-ip: key", ""), "hostAnnotations"},
		"a balancer whose listeners it takes":  {service("service.beta.kubernetes.io/alibaba-cloud-loadbalancer-id: lb-1", ""), "hostAnnotations"},
		"a balancer whose free ports it gets":  {service("kubernetes.io/elb.id: 3c7caa5a-a641-4bff-801a-feace27424b6", ""), ""},
		"a balancer of its own":                {service("kubernetes.io/elb.autocreate: '{}'", ""), ""},
		"names of all tenants":                 {ingress("rules: [{host: '*.tenants.example.com'}]"), "takes those of all tenants"},
		"names below one of its own":           {ingress("rules: [{host: '*.a.tenants.example.com'}]"), ""},
		"a path that ends its line":            {ingress(`rules: [{host: a.apps.example.com, http: {paths: [{path: "/x\nlocation"}]}}]`), "a path has"},
		"a path that ends its directive":       {ingress(`rules: [{host: a.apps.example.com, http: {paths: [{path: "/x;y"}]}}]`), "a path has"},
		"a path that is an expression":         {ingress(`rules: [{host: a.apps.example.com, http: {paths: [{path: "/x(/|$)[^a-c]{2}\\d.*"}]}}]`), ""},
		"a Service":                            {service("", "ports: [{port: 80}]"), ""},
		"a name that is allowed":               {service("external-dns.alpha.kubernetes.io/hostname: a", ""), ""},
		"a target of others":                   {service("external-dns.alpha.kubernetes.io/target: a", ""), "hostAnnotations"},
		"another host's name":                  {service("", "type: ExternalName, externalName: metadata"), "ExternalName"},
		"an address":                           {service("", "type: LoadBalancer, loadBalancerIP: 192.0.2.1"), "loadBalancerIP"},
		"a class that is allowed":              {pods("", "priorityClassName: tenants"), ""},
		"another class":                        {pods("", "priorityClassName: system-node-critical"), "priorityClassNames"},
		"a node":                               {pods("", "nodeName: node-1"), "nodeSelector"},
		"every taint":                          {pods("", "tolerations: [{operator: Exists}]"), "kept for the cluster itself"},
		"the control plane's taint":            {pods("", "tolerations: [{key: node-role.kubernetes.io/control-plane}]"), "kept for the cluster itself"},
		"the tenants' taint":                   {pods("", "tolerations: [{key: tenants, operator: Exists}]"), ""},
		"an inline volume that is allowed":     {pods("", "volumes: [{name: v, csi: {driver: secrets.example.com}}]"), ""},
		"another inline volume":                {pods("", "volumes: [{name: v, csi: {driver: host.example.com}}]"), "inlineCSIDrivers"},
		"a cloud account of pods":              {pods("iam.amazonaws.com/role: a", ""), "cloudIdentityAnnotations"},
		"a cloud account":                      {account("eks.amazonaws.com/role-arn: a"), "cloudIdentityAnnotations"},
		"a cloud account that is allowed":      {account("iam.gke.io/gcp-service-account: a"), ""},
		"a chosen volume of a set":             {set("volumeName: pv"), "volumeClaimTemplates"},
		"a set":                                {set("storageClassName: fast"), ""},
		"a chosen volume":                      {"apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: c}\nspec: {volumeName: pv}", "spec.volumeName"},
		"a claim":                              {"apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: c}\nspec: {storageClassName: fast}", ""},
		"configuration by an annotation":       {annotated("nginx.ingress.kubernetes.io/server-snippet: x"), "hostAnnotations"},
		"such an annotation in other letters":  {annotated("Nginx.Ingress.Kubernetes.io/Server-Snippet: x"), "hostAnnotations"},
		"paths by an annotation":               {annotated("traefik.ingress.kubernetes.io/router.pathmatcher: PathRegexp"), "hostAnnotations"},
		"a place before others":                {annotated("traefik.ingress.kubernetes.io/router.priority: '9999'"), "hostAnnotations"},
		"a certificate of other hosts":         {annotated("traefik.ingress.kubernetes.io/router.tls.domains.0.main: www.example.com"), "hostAnnotations"},
		"any route":                            {service("haproxy.org/route-acl: 'hdr(host) -m found'", ""), "hostAnnotations"},
		"a balancer's own backend":             {annotated("alb.ingress.kubernetes.io/actions.web: x"), "hostAnnotations"},
		"conditions of a Service named so":     {annotated("alb.ingress.kubernetes.io/conditions.health-check-type: x"), "hostAnnotations"},
		"conditions of a Service, elsewhere":   {annotated("kubernetes.io/elb.conditions.session-a: x"), "hostAnnotations"},
		"a place before others, elsewhere":     {annotated("kubernetes.io/elb.ingress-order: '1'"), "hostAnnotations"},
		"a balancer that stands":               {annotated("kubernetes.io/ingress.existLbId: lb-1"), "hostAnnotations"},
		"a reserved address":                   {annotated("kubernetes.io/ingress.regional-static-ip-name: a"), "hostAnnotations"},
		"an address in other letters":          {service("kube-vip.io/loadbalancerIPs: 192.0.2.1", ""), "hostAnnotations"},
		"a balancer by its name":               {service("load-balancer.hetzner.cloud/name: shared", ""), "hostAnnotations"},
		"a balancer by its number":             {service("service.beta.kubernetes.io/linode-loadbalancer-nodebalancer-id: '1'", ""), "hostAnnotations"},
		"what is new in a controller's domain": {annotated("nginx.ingress.kubernetes.io/takes-all: 'true'"), "hostAnnotations"},
		"a class":                              {annotated("kubernetes.io/ingress.class: nginx"), ""},
		"how a balancer checks":                {service("kubernetes.io/elb.health-check-flag: 'on'", ""), ""},
		"how a session stays":                  {service("traefik.ingress.kubernetes.io/service.sticky.cookie: 'true'", ""), ""},
		"a balancer of a cloud": {
			service("service.beta.kubernetes.io/aws-load-balancer-type: nlb, service.beta.kubernetes.io/azure-load-balancer-internal: 'true',"+
				" service.beta.kubernetes.io/aws-load-balancer-ssl-cert: a, load-balancer.hetzner.cloud/location: a", ""), "",
		},
		"what most Ingresses have": {
			annotated("nginx.ingress.kubernetes.io/rewrite-target: /$1, nginx.ingress.kubernetes.io/proxy-body-size: 8m, nginx.ingress.kubernetes.io/ssl-redirect: 'true'," +
				" nginx.ingress.kubernetes.io/proxy-read-timeout: '60', nginx.ingress.kubernetes.io/limit-rps: '5', nginx.ingress.kubernetes.io/enable-cors: 'true'," +
				" nginx.ingress.kubernetes.io/whitelist-source-range: 10.0.0.0/8, traefik.ingress.kubernetes.io/router.entrypoints: websecure, kubernetes.io/tls-acme: 'true'"), "",
		},
		"how an Ingress ends TLS and answers": {
			annotated("nginx.ingress.kubernetes.io/ssl-passthrough: 'true', nginx.ingress.kubernetes.io/ssl-ciphers: HIGH, nginx.ingress.kubernetes.io/ssl-prefer-server-ciphers: 'true'," +
				" nginx.ingress.kubernetes.io/relative-redirects: 'true', nginx.ingress.kubernetes.io/auth-tls-error-page: 'https://a.apps.example.com/error'," +
				" nginx.ingress.kubernetes.io/global-rate-limit: '5', nginx.ingress.kubernetes.io/global-rate-limit-window: 1m, nginx.ingress.kubernetes.io/global-rate-limit-key: $remote_addr," +
				" nginx.org/server-tokens: 'false', nginx.org/max-fails: '1', nginx.org/fail-timeout: 5s, nginx.org/keepalive: '8'"), "",
		},
		"what goes with a sign-on": {
			annotated("nginx.ingress.kubernetes.io/auth-signin: 'https://a.apps.example.com/start', nginx.ingress.kubernetes.io/auth-response-headers: X-User," +
				" nginx.ingress.kubernetes.io/auth-cache-key: $cookie_a, nginx.ingress.kubernetes.io/auth-cache-duration: 200 5m," +
				" nginx.ingress.kubernetes.io/auth-request-redirect: /, nginx.ingress.kubernetes.io/auth-proxy-set-headers: tenant-sold/config"), "",
		},
		"how its certificate is made": {
			annotated("cert-manager.io/subject-organizations: a, cert-manager.io/subject-organizationalunits: a, cert-manager.io/subject-countries: a," +
				" cert-manager.io/subject-provinces: a, cert-manager.io/subject-localities: a, cert-manager.io/subject-postalcodes: a," +
				" cert-manager.io/subject-streetaddresses: a, cert-manager.io/subject-serialnumber: a, cert-manager.io/renew-before-percentage: '30'," +
				" acme.cert-manager.io/http01-ingress-ingressclassname: nginx, acme.cert-manager.io/http01-ingress-class: nginx"), "",
		},
		"how a balancer reaches the nodes": {
			service("service.beta.kubernetes.io/aws-load-balancer-manage-backend-security-group-rules: 'true',"+
				" service.beta.kubernetes.io/aws-load-balancer-target-node-labels: a=b", ""), "",
		},
		"what is another's of Traefik's":      {annotated("traefik.ingress.kubernetes.io/router.middlewares: 'tenant-sold-a@kubernetescrd, tenant-other-b@kubernetescrd'"), "another namespace"},
		"what is its own of Traefik's":        {annotated("traefik.ingress.kubernetes.io/router.middlewares: 'tenant-sold-a@kubernetescrd, b@file'"), ""},
		"how another connects":                {service("traefik.ingress.kubernetes.io/service.serverstransport: tenant-other-a@kubernetescrd", ""), "another namespace"},
		"options of another":                  {annotated("traefik.ingress.kubernetes.io/router.tls.options: tenant-other-a@kubernetescrd"), "another namespace"},
		"a certificate of others":             {service("haproxy.org/server-crt: tenant-other/tls", ""), "another namespace"},
		"an authority of others":              {service("haproxy.org/server-ca: tenant-other/tls", ""), "another namespace"},
		"a certificate of others, elsewhere":  {annotated("haproxy-ingress.github.io/secure-crt-secret: tenant-other/tls"), "another namespace"},
		"a name that could be another host":   {service("", "type: ClusterIP, externalName: metadata, ports: [{port: 80}]"), "ExternalName"},
		"a route of no host":                  {route("hostnames: []"), "names no host"},
		"pods away from its own":              {required("podAntiAffinity", "labelSelector: {matchLabels: {app: a}}, topologyKey: kubernetes.io/hostname"), ""},
		"pods near to its own":                {preferred("podAffinity", "namespaces: [tenant-sold], "+others), ""},
		"pods away from all":                  {required("podAntiAffinity", others+"namespaceSelector: {}"), "affinity"},
		"pods rather away from all":           {preferred("podAntiAffinity", others+"namespaceSelector: {}"), "affinity"},
		"pods near to another's":              {required("podAffinity", others+"namespaces: [tenant-sold, tenant-other]"), "affinity"},
		"pods rather near to another's":       {preferred("podAffinity", others+"namespaces: [tenant-other]"), "affinity"},
		"pods away from a few namespaces":     {required("podAntiAffinity", others+"namespaceSelector: {matchLabels: {a: b}}"), "affinity"},
		"Jobs by a queue away from all":       {scaled("affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{" + others + "namespaceSelector: {}}]}}"), "affinity"},
		"pods spread over nodes":              {pods("", "topologySpreadConstraints: [{maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule, labelSelector: {}}]"), ""},
		"Jobs by a queue on a node":           {scaled("nodeName: node-1"), "nodeSelector"},
		"Jobs by a queue of another class":    {scaled("priorityClassName: system-node-critical"), "priorityClassNames"},
		"Jobs by a queue":                     {scaled("nodeSelector: {a: b}"), ""},
		"a volume for as long as the pod":     {pods("", "volumes: [{name: v, ephemeral: {volumeClaimTemplate: {spec: {storageClassName: fast}}}}]"), ""},
		"such a volume that is chosen":        {pods("", "volumes: [{name: v, ephemeral: {volumeClaimTemplate: {spec: {volumeName: pv}}}}]"), "ephemeral volume v: volumeName"},
		"pods that can't go":                  {strings.Replace(pods("", ""), "metadata: {annotations", "metadata: {finalizers: [example.com/a], annotations", 1), "finalizers"},
		"pods that go with another object":    {strings.Replace(pods("", ""), "metadata: {annotations", "metadata: {ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: a, uid: u}], annotations", 1), "ownerReferences"},
		"claims that can't go":                {claims("finalizers: [example.com/a]"), "volumeClaimTemplates: metadata.finalizers"},
		"claims that go with another object":  {claims("ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: a, uid: u}]"), "ownerReferences"},
		"pods of another network":             {pods("k8s.v1.cni.cncf.io/networks: host", ""), address},
		"pods of another first network":       {pods("v1.multus-cni.io/default-network: host", ""), address},
		"pods of a chosen address":            {pods("cni.projectcalico.org/ipAddrs: '[\"192.0.2.1\"]'", ""), address},
		"pods of a cloud's security group":    {pods("yangtse.io/security-group-ids: a", ""), address},
		"pods of a chosen address in a net":   {pods("ovn.kubernetes.io/ip_address: 192.0.2.1", ""), address},
		"pods of a chosen pool":               {pods("ipam.cilium.io/ip-pool: a", ""), address},
		"an annotation that nobody knows yet": {service("example.com/a: b", ""), ""},
	} {
		t.Run(name, func(t *testing.T) {
			object := parsed(t, tc.object)
			got := strings.Join(limits.BorderProblems([]*unstructured.Unstructured{object}), "; ")
			if (tc.want == "") != (got == "") || !strings.Contains(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if refused := policy.refuses(t, object, nil); (len(refused) > 0) != (tc.want != "") {
				t.Errorf("the policy says %q, want %q", refused, tc.want)
			}
		})
	}
}

// What the provider shares with all tenants can be named where the chart's value says so, by that annotation and no other.
func TestHostAnnotationsNameWhatIsShared(t *testing.T) {
	limits := Limits{HostAnnotations: []string{"traefik.ingress.kubernetes.io/router.middlewares"}}
	policy := tenantsPolicy(t, limits)
	for annotation, want := range map[string]string{
		"traefik.ingress.kubernetes.io/router.middlewares: traefik-redirect-https@kubernetescrd": "",
		"traefik.ingress.kubernetes.io/router.tls.options: traefik-strict@kubernetescrd":         "another namespace",
		"nginx.ingress.kubernetes.io/auth-secret: tenant-other/users":                            "another namespace",
	} {
		object := parsed(t, "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web, annotations: {"+annotation+"}}\nspec: {rules: [{host: a.example.com}]}")
		got := strings.Join(limits.BorderProblems([]*unstructured.Unstructured{object}), "; ")
		refused := strings.Join(policy.refuses(t, object, nil), "; ")
		for by, said := range map[string]string{"the product's check": got, "the policy": refused} {
			if (want == "") != (said == "") || !strings.Contains(said, want) {
				t.Errorf("%s: %s says %q, want %q", annotation, by, said, want)
			}
		}
	}
}

// What has another shape than its kind's is the API server's to refuse.
func TestBordersOfOtherShapes(t *testing.T) {
	for name, tc := range map[string]struct{ object, want string }{
		"an Ingress":       {"apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web}\nspec: {rules: [1], tls: {a: b}, defaultBackend: null}", ""},
		"a host list":      {"apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: web}\nspec: {hostnames: {a: b}}", "names no host"},
		"a claim template": {"apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db}\nspec: {template: {spec: {}}, volumeClaimTemplates: [{spec: {volumeName: 5}}, 1]}", ""},
	} {
		got := strings.Join(Limits{}.BorderProblems([]*unstructured.Unstructured{parsed(t, tc.object)}), "; ")
		if (tc.want == "") != (got == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}

// The policy looks at what a request changes, so that what stood before a rule can still be stopped, and brings nothing else in.
func TestWhatStoodBeforeTheBorders(t *testing.T) {
	policy := tenantsPolicy(t, Limits{})
	service := func(spec string) string {
		return "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}], " + spec + "}"
	}
	workload := func(replicas, metadata, spec string) string {
		return "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: " + replicas + ", template: {metadata: {" + metadata +
			"}, spec: {containers: [{name: a, image: a}], " + spec + "}}}"
	}
	pod := func(metadata, spec string) string {
		return "apiVersion: v1\nkind: Pod\nmetadata: {name: a, " + metadata + "}\nspec: {containers: [{name: a, image: a}], " + spec + "}"
	}
	annotated := func(key, value string) string {
		return "apiVersion: v1\nkind: Service\nmetadata: {name: web, annotations: {" + key + ": '" + value + "'}}\nspec: {ports: [{port: 80}]}"
	}
	route := func(hosts string) string {
		return "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: web}\nspec: {hostnames: " + hosts + "}"
	}
	const (
		away = "affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: kubernetes.io/os, namespaceSelector: {}}]}}"
		nfs  = "volumes: [{name: v, nfs: {server: 10.0.0.1, path: /}}]"
		keep = "finalizers: [example.com/keep]"
	)
	for name, tc := range map[string]struct {
		before, after, want string
	}{
		"another host stays":                     {service("type: ExternalName, externalName: a"), service("type: ExternalName, externalName: a"), ""},
		"another host becomes a third":           {service("type: ExternalName, externalName: a"), service("type: ExternalName, externalName: b"), "ExternalName"},
		"a name becomes another host":            {service("type: ClusterIP, externalName: a"), service("type: ExternalName, externalName: a"), "ExternalName"},
		"a name stays":                           {service("type: ClusterIP, externalName: a"), service("type: ClusterIP, externalName: a"), ""},
		"a name comes":                           {service("type: ClusterIP"), service("type: ClusterIP, externalName: a"), "ExternalName"},
		"another host goes":                      {service("type: ExternalName, externalName: a"), service("type: ClusterIP"), ""},
		"pods that keep others away are stopped": {workload("1", "", away), workload("0", "", away), ""},
		"pods begin to keep others away":         {workload("1", "", ""), workload("1", "", away), "affinity"},
		"pods with network volumes are stopped":  {workload("1", "", nfs), workload("0", "", nfs), ""},
		"pods get a network volume":              {workload("1", "", ""), workload("1", "", nfs), "mount a volume of this type"},
		"pods of a network volume":               {"", pod("", nfs), "mount a volume of this type"},
		"pods that can't go are stopped":         {workload("1", keep, ""), workload("0", keep, ""), ""},
		"pods get what keeps them":               {workload("1", "", ""), workload("1", keep, ""), "finalizers"},
		"a pod that can't go":                    {"", pod(keep, ""), "finalizers"},
		"a pod that a Job counts":                {"", pod("finalizers: [batch.kubernetes.io/job-tracking]", ""), ""},
		"a pod of an owner":                      {"", pod("ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: a, uid: u}]", ""), ""},
		"a pod that keeps others away":           {"", pod("", away), "affinity"},
		"an annotation stays":                    {annotated("kube-vip.io/loadbalancerIPs", "192.0.2.1"), annotated("kube-vip.io/loadbalancerIPs", "192.0.2.1"), ""},
		"an annotation changes":                  {annotated("kube-vip.io/loadbalancerIPs", "192.0.2.1"), annotated("kube-vip.io/loadbalancerIPs", "192.0.2.2"), "the annotation takes"},
		"an annotation without a text":           {"", annotated("kube-vip.io/loadbalancerIPs", ""), "the annotation takes"},
		"a route of all hosts stays":             {route("[]"), "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: web}\nspec: {}", ""},
		"a route loses its hosts":                {route("[a.example.com]"), route("[]"), "must name its hosts"},
		"a route of all hosts goes":              {route("[]"), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := policy.refuses(t, parsed(t, tc.after), parsed(t, tc.before))
			if (tc.want == "") != (len(got) == 0) || !strings.Contains(strings.Join(got, "; "), tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
	policy.level = "privileged"
	if got := policy.refuses(t, parsed(t, workload("1", "", nfs)), nil); len(got) > 0 {
		t.Errorf("where everything is allowed a network volume is refused: %q", got)
	}
}

// What a tenant may write is judged within what the API server spends on a policy, or it would be refused whatever it holds.
func TestTheBordersAreWithinTheBudget(t *testing.T) {
	limits := Limits{IngressHostSuffixes: []string{".apps.example.com"}}
	object := parsed(t, "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web}\nspec: {rules: [{host: a.apps.example.com}]}")
	annotations := map[string]string{}
	for i := range 200 {
		annotations[fmt.Sprintf("nginx.ingress.kubernetes.io/an-annotation-whose-name-is-long-and-that-passes-%d-cert-id", i)] = strings.Repeat("v", 500)
	}
	object.SetAnnotations(annotations)
	if got := tenantsPolicy(t, limits).refuses(t, object, nil); len(got) > 0 {
		t.Errorf("an Ingress with many annotations is refused: %q", got)
	}
}

// parsed is an object of the tenant tenant-sold; nil for no text.
func parsed(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	if text == "" {
		return nil
	}
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &object.Object); err != nil {
		t.Fatal(err)
	}
	object.SetNamespace("tenant-sold")
	return object
}
