package workload

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// What the chart's admission policy would refuse the first buyer, in the words of it that a seller has to see.
func TestBorderProblems(t *testing.T) {
	limits := Limits{
		IngressHostSuffixes: []string{".apps.example.com", ".tenants.example.com"}, OwnHosts: []string{"hooks.apps.example.com"}, PriorityClassNames: []string{"tenants"},
		InlineCSIDrivers: []string{"secrets.example.com"}, CloudIdentityAnnotations: []string{"iam.gke.io/gcp-service-account"},
		HostAnnotations: []string{"external-dns.alpha.kubernetes.io/hostname"},
	}
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
		"configuration by an annotation":       {strings.Replace(ingress("rules: [{host: a.apps.example.com}]"), "{name: web}", "{name: web, annotations: {nginx.ingress.kubernetes.io/server-snippet: x}}", 1), "hostAnnotations"},
		"fields of other shapes than theirs":   {ingress("rules: [1], tls: {a: b}, defaultBackend: null"), ""},
		"a host list of another shape":         {route("hostnames: {a: b}"), "names no host"},
		"a claim template of another shape":    {set("volumeName: 5"), ""},
		"an annotation that nobody knows yet":  {service("example.com/a: b", ""), ""},
	} {
		t.Run(name, func(t *testing.T) {
			object := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte(tc.object), &object.Object); err != nil {
				t.Fatal(err)
			}
			got := strings.Join(limits.BorderProblems([]*unstructured.Unstructured{object}), "; ")
			if (tc.want == "") != (got == "") || !strings.Contains(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
