package permissions_test

import (
	"strings"
	"testing"
)

func TestNamespacesOfTenants(t *testing.T) {
	const (
		labels      = "are written by Stallkeeper's controller only. For another level"
		annotations = "but for stallkeeper.io/adopt"
		own         = "may not write its own namespace"
		sold        = "/api/v1/namespaces/tenant-sold"
	)
	change := func(who, path, metadata string) request { return as(who, "MERGE "+path, "metadata: {"+metadata+"}") }
	create := func(who, metadata string) request {
		return as(who, "POST /api/v1/namespaces", "{apiVersion: v1, kind: Namespace, metadata: {name: tenant-new, "+metadata+"}}")
	}
	const tenants = "labels: {stallkeeper.io/instance: new, stallkeeper.io/instance-namespace: sales, pod-security.kubernetes.io/enforce: restricted}"
	try(t, map[string]attempt{
		"one's own labels":                                {change(admin, sold, "labels: {team: a}"), ""},
		"one's own annotations":                           {change(admin, sold, "annotations: {note: a}"), ""},
		"no other Pod Security level":                     {change(admin, sold, "labels: {pod-security.kubernetes.io/enforce: privileged}"), labels},
		"no other version of it":                          {change(admin, sold, "labels: {pod-security.kubernetes.io/enforce-version: v1.0}"), labels},
		"no level removed":                                {change(admin, sold, "labels: {pod-security.kubernetes.io/enforce: null}"), labels},
		"no other instance":                               {change(admin, sold, "labels: {stallkeeper.io/instance: other}"), labels},
		"no instance removed":                             {change(admin, sold, "labels: {stallkeeper.io/instance: null}"), labels},
		"no other sales namespace":                        {change(admin, sold, "labels: {stallkeeper.io/instance-namespace: other}"), labels},
		"no other revision":                               {change(admin, sold, "labels: {stallkeeper.io/revision: shop-9}"), labels},
		"no protection lifted":                            {change(admin, sold, "labels: {stallkeeper.io/deletion-protection: null}"), labels},
		"not by its status":                               {change(admin, sold+"/status", "labels: {pod-security.kubernetes.io/enforce: privileged}"), labels},
		"not by its finalizers":                           {as(admin, "PUT "+sold+"/finalize", "{apiVersion: v1, kind: Namespace, metadata: {name: tenant-sold}, spec: {finalizers: [kubernetes]}}"), labels},
		"nor by who restores others":                      {change(gitOps, sold, "labels: {pod-security.kubernetes.io/enforce: privileged}"), labels},
		"an adoption is agreed to":                        {change(admin, sold, "annotations: {stallkeeper.io/adopt: Allow}"), ""},
		"an adoption is not agreed to otherwise":          {change(admin, sold, "annotations: {stallkeeper.io/adopt: 'yes'}"), annotations},
		"hooks run again":                                 {change(admin, sold, "annotations: {stallkeeper.io/hooks: null}"), ""},
		"hooks are not called done":                       {change(admin, sold, "annotations: {stallkeeper.io/hooks: x}"), annotations},
		"the owner is not changed":                        {change(admin, sold, "annotations: {stallkeeper.io/instance-uid: other}"), annotations},
		"the retention is not shortened":                  {change(admin, sold, "annotations: {stallkeeper.io/lifecycle: '{\"retention\":0}'}"), annotations},
		"the retention is not forgotten":                  {change(admin, sold, "annotations: {stallkeeper.io/lifecycle: null}"), annotations},
		"the consent to a restore is given":               {change(admin, sold, "annotations: {stallkeeper.io/restore: Allow}"), ""},
		"consent and change do not come in one write":     {change(admin, sold, "annotations: {stallkeeper.io/restore: Allow}, labels: {stallkeeper.io/revision: shop-9}"), labels},
		"with the consent labels are restored":            {change(admin, "/api/v1/namespaces/tenant-back", "labels: {stallkeeper.io/revision: shop-1}"), ""},
		"a backup tool restores labels":                   {change(restorer, sold, "labels: {stallkeeper.io/revision: shop-1}"), ""},
		"a person makes no tenant's namespace":            {create(admin, tenants), labels},
		"a tenant's namespace is restored":                {create(admin, tenants+", annotations: {stallkeeper.io/restore: Allow, stallkeeper.io/instance-uid: u}"), ""},
		"a backup tool restores a namespace":              {create(restorer, tenants), ""},
		"a namespace is not made a tenant's":              {change(admin, "/api/v1/namespaces/elsewhere", "labels: {stallkeeper.io/instance: sold}"), labels},
		"a namespace of no tenant is its owner's":         {change(admin, "/api/v1/namespaces/elsewhere", "labels: {pod-security.kubernetes.io/enforce: baseline}"), ""},
		"another release's tenant is its own affair":      {change(admin, "/api/v1/namespaces/tenant-foreign", "labels: {pod-security.kubernetes.io/enforce: baseline}"), ""},
		"a tenant lifts no Pod Security from itself":      {change(tenant, sold, "labels: {pod-security.kubernetes.io/enforce: privileged}"), own},
		"a tenant changes nothing of its namespace":       {change(tenant, sold, "labels: {team: a}"), own},
		"a tenant gives itself no consent":                {change(tenant, sold, "annotations: {stallkeeper.io/restore: Allow}"), own},
		"a tenant does not delete its namespace":          {as(tenant, "DELETE "+sold), byPolicy},
		"nor where it is not protected":                   {as(freeTenant, "DELETE /api/v1/namespaces/tenant-free"), own},
		"the namespace controller finishes what it began": {as(collector, "PUT /api/v1/namespaces/tenant-free/finalize", "{apiVersion: v1, kind: Namespace, metadata: {name: tenant-free, labels: {kubernetes.io/metadata.name: tenant-free, stallkeeper.io/instance: free, stallkeeper.io/instance-namespace: sales, pod-security.kubernetes.io/enforce: restricted}}, spec: {finalizers: []}}"), ""},
	})
}

func TestObjectsOfTenants(t *testing.T) {
	const (
		core     = "/api/v1/namespaces/tenant-sold"
		apps     = "/apis/apps/v1/namespaces/tenant-sold"
		batch    = "/apis/batch/v1/namespaces/tenant-sold"
		net      = "/apis/networking.k8s.io/v1/namespaces/tenant-sold"
		routes   = "/apis/gateway.networking.k8s.io/v1/namespaces/tenant-sold"
		anyHost  = "must name its hosts"
		hostName = "must name hosts that end with .apps.example.com"
		shared   = "takes hosts, addresses or configuration"
		cloud    = "gives the tenant a cloud account's rights"
		named    = "may not choose a volume"
		csi      = "an inline CSI volume"
		class    = "leave priorityClassName out"
		affinity = "a term of the pods' affinity reaches pods of other namespaces"
		mounted  = "the node would mount a volume of this type"
		kept     = "finalizers of a tenant's pods or claims"
		keda     = "/apis/keda.sh/v1alpha1/namespaces/tenant-sold"
		away     = "affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: kubernetes.io/os, labelSelector: {}, namespaceSelector: {}}]}}"
	)
	apply := func(path, body string) request { return as(controller, "APPLY "+path, body) }
	workload := func(pod string) string {
		return `{spec: {selector: {matchLabels: {app: app}}, template: {metadata: {labels: {app: app}}, spec: {containers: [{name: app, image: app}], ` + pod + `}}}}`
	}
	job := func(pod string) string {
		return `{spec: {schedule: "0 0 * * *", jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: app, image: app}], ` + pod + `}}}}}}`
	}
	// As Pod Security lets it in.
	const pod = "securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}, containers: [{name: app, image: app, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]"
	ingress := func(spec string) string { return "spec: {" + spec + "}" }
	const backend = "http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}"
	claim := func(more string) string {
		return "spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}" + more + "}"
	}
	set := func(more string) string {
		return `{spec: {serviceName: db, selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db}}, spec: {containers: [{name: db, image: db}]}},
			volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}` + more + `}}]}}`
	}
	made := func(metadata, more string) request {
		return as(tenant, "POST "+core+"/pods", "{apiVersion: v1, kind: Pod, metadata: {name: p, "+metadata+"}, spec: {"+more+pod+"}}")
	}
	scaled := func(spec string) request {
		return apply(keda+"/scaledjobs/web", "spec: {jobTargetRef: {template: {spec: {containers: [{name: app, image: app}], "+spec+"}}}}")
	}
	annotated := func(annotation string) request {
		return apply(net+"/ingresses/web", "metadata: {annotations: {"+annotation+"}}\n"+ingress("rules: [{host: a.apps.example.com, "+backend+"}]"))
	}
	labelled := func(metadata string) string {
		return `{spec: {selector: {matchLabels: {app: app}}, template: {metadata: {labels: {app: app}, ` + metadata + `}, spec: {containers: [{name: app, image: app}]}}}}`
	}
	try(t, map[string]attempt{
		"no pods that keep others away":                   {apply(apps+"/deployments/web", workload(away)), affinity},
		"no pods from time to time that keep others away": {apply(batch+"/cronjobs/web", job(away)), affinity},
		"no such pods by a queue":                         {scaled(away), affinity},
		"a tenant's account makes no such pod":            {made("", away+", "), affinity},
		"no pods that rather keep others away":            {apply(apps+"/deployments/web", workload("affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {topologyKey: kubernetes.io/os, labelSelector: {}, namespaces: [tenant-free]}}]}}")), affinity},
		"no pods near to another tenant's":                {apply(apps+"/deployments/web", workload("affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: kubernetes.io/os, labelSelector: {}, namespaces: [tenant-free]}]}}")), affinity},
		"pods away from each other":                       {apply(apps+"/deployments/web", workload("affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: app}}, namespaces: [tenant-sold]}]}}")), ""},
		"pods by a queue":                                 {scaled("nodeSelector: {a: b}"), ""},
		"no pods by a queue on a node":                    {scaled("nodeName: node-1"), "use nodeSelector"},
		"no paths by an annotation":                       {annotated("traefik.ingress.kubernetes.io/router.pathmatcher: PathRegexp"), shared},
		"no place before others by an annotation":         {annotated("traefik.ingress.kubernetes.io/router.priority: '9999'"), shared},
		"no annotation of a controller that is unknown":   {annotated("nginx.ingress.kubernetes.io/takes-all: 'true'"), shared},
		"no balancer that stands by an annotation":        {annotated("kubernetes.io/ingress.existLbId: lb-1"), shared},
		"what most Ingresses have":                        {annotated("nginx.ingress.kubernetes.io/rewrite-target: /, nginx.ingress.kubernetes.io/proxy-body-size: 8m, kubernetes.io/ingress.class: nginx"), ""},
		"nothing of Traefik's of others":                  {annotated("traefik.ingress.kubernetes.io/router.middlewares: tenant-free-a@kubernetescrd"), "in another namespace"},
		"what is its own of Traefik's":                    {annotated("traefik.ingress.kubernetes.io/router.middlewares: tenant-sold-a@kubernetescrd"), ""},
		"no route of all by an annotation":                {apply(core+"/services/web", "metadata: {annotations: {haproxy.org/route-acl: x}}\nspec: {ports: [{port: 80}]}"), shared},
		"no chosen address in other letters":              {apply(core+"/services/web", "metadata: {annotations: {kube-vip.io/loadbalancerIPs: 192.0.2.1}}\nspec: {ports: [{port: 80}]}"), shared},
		"no balancer by its name":                         {apply(core+"/services/web", "metadata: {annotations: {load-balancer.hetzner.cloud/name: a}}\nspec: {ports: [{port: 80}]}"), shared},
		"no certificate of others for a Service":          {apply(core+"/services/web", "metadata: {annotations: {haproxy.org/server-crt: tenant-free/tls}}\nspec: {ports: [{port: 80}]}"), "in another namespace"},
		"no Service that could become another host":       {apply(core+"/services/web", "spec: {ports: [{port: 80}], externalName: metadata.google.internal}"), "ExternalName"},
		"no Route of no host":                             {apply(routes+"/httproutes/web", "spec: {hostnames: []}"), anyHost},
		"a volume for as long as the pod":                 {apply(apps+"/deployments/web", workload("volumes: [{name: v, ephemeral: {volumeClaimTemplate: {"+claim("")+"}}}]")), ""},
		"no such volume that is chosen":                   {apply(apps+"/deployments/web", workload("volumes: [{name: v, ephemeral: {volumeClaimTemplate: {"+claim(", volumeName: pv-1")+"}}}]")), named},
		"no volume of an address":                         {apply(apps+"/deployments/web", workload("volumes: [{name: v, nfs: {server: 10.0.0.1, path: /}}]")), mounted},
		"volumes of the cluster's own":                    {apply(apps+"/deployments/web", workload("volumes: [{name: a, emptyDir: {}}, {name: b, configMap: {name: b}}, {name: c, secret: {secretName: c}}, {name: d, persistentVolumeClaim: {claimName: d}}]")), ""},
		"where everything is allowed, an address":         {as(controller, "APPLY /apis/apps/v1/namespaces/tenant-open/deployments/web", workload("volumes: [{name: v, nfs: {server: 10.0.0.1, path: /}}]")), ""},
		"no pods that can't go":                           {apply(apps+"/deployments/web", labelled("finalizers: [example.com/keep]")), kept},
		"no claims that can't go":                         {apply(apps+"/statefulsets/db", strings.Replace(set(""), "{name: data}", "{name: data, finalizers: [example.com/keep]}", 1)), kept},
		"a tenant's account makes no pod that can't go":   {made("finalizers: [example.com/keep]", ""), kept},
		"no network of its own":                           {apply(apps+"/deployments/web", labelled("annotations: {k8s.v1.cni.cncf.io/networks: host}")), "an address of their own"},
		"a Service":                                       {apply(core+"/services/web", "spec: {ports: [{port: 80}]}"), ""},
		"no Service with external addresses":              {apply(core+"/services/web", "spec: {ports: [{port: 80}], externalIPs: [10.0.0.1]}"), "externalIPs"},
		"no Service that is another host":                 {apply(core+"/services/web", "spec: {type: ExternalName, externalName: metadata.google.internal}"), "ExternalName"},
		"a Service from before the rule":                  {as(controller, "MERGE "+core+"/services/old", "metadata: {annotations: {a: b}}"), ""},
		"no more addresses for it":                        {as(controller, "MERGE "+core+"/services/old", "spec: {externalIPs: [192.0.2.1, 192.0.2.2]}"), "externalIPs"},
		"a person may":                                    {as(admin, "MERGE "+core+"/services/old", "spec: {externalIPs: [192.0.2.1, 192.0.2.2]}"), ""},
		"an Ingress of a tenant's host":                   {apply(net+"/ingresses/web", ingress("rules: [{host: a.apps.example.com, "+backend+"}], tls: [{hosts: [a.apps.example.com]}]")), ""},
		"no Ingress of another host":                      {apply(net+"/ingresses/web", ingress("rules: [{host: www.example.com, "+backend+"}]")), hostName},
		"no certificate of another host":                  {apply(net+"/ingresses/web", ingress("rules: [{host: a.apps.example.com, "+backend+"}], tls: [{hosts: [www.example.com]}]")), hostName},
		"no Ingress of every host":                        {apply(net+"/ingresses/web", ingress("rules: [{"+backend+"}]")), anyHost},
		"no Ingress with a default backend":               {apply(net+"/ingresses/web", ingress("defaultBackend: {service: {name: web, port: {number: 80}}}")), anyHost},
		"no Ingress of the callbacks' host":               {apply(net+"/ingresses/web", ingress("rules: [{host: hooks.apps.example.com, "+backend+"}]")), "a host of Stallkeeper itself"},
		"no Ingress of many hosts with the callbacks'":    {apply(net+"/ingresses/web", ingress("rules: [{host: '*.apps.example.com', "+backend+"}]")), "a host of Stallkeeper itself"},
		"no Ingress of the sign-on's host":                {apply(net+"/ingresses/web", ingress("rules: [{host: login.example.com, "+backend+"}]")), "a host of Stallkeeper itself"},
		"no Route of another host":                        {apply(routes+"/httproutes/web", "spec: {hostnames: [www.example.com]}"), hostName},
		"no Route of every host":                          {apply(routes+"/httproutes/web", "spec: {}"), anyHost},
		"no Route of the callbacks' host":                 {apply(routes+"/httproutes/web", "spec: {hostnames: [hooks.apps.example.com]}"), "a host of Stallkeeper itself"},
		"a Route of a tenant's host":                      {apply(routes+"/httproutes/web", "spec: {hostnames: [a.apps.example.com]}"), ""},
		"no other Route of another host":                  {apply(routes+"/grpcroutes/web", "spec: {hostnames: [www.example.com]}"), hostName},
		"no Route of TLS of another host":                 {apply(routes+"/tlsroutes/web", "spec: {hostnames: [www.example.com]}"), hostName},
		"no Route of every connection":                    {apply(routes+"/tcproutes/web", "spec: {}"), anyHost},
		"a Gateway":                                       {apply(routes+"/gateways/web", "spec: {listeners: [{name: a, hostname: a.apps.example.com}, {name: b}]}"), ""},
		"no Gateway of another host":                      {apply(routes+"/gateways/web", "spec: {listeners: [{name: a, hostname: www.example.com}]}"), hostName},
		"no Gateway of the callbacks' host":               {apply(routes+"/gateways/web", "spec: {listeners: [{name: a, hostname: hooks.apps.example.com}]}"), "a host of Stallkeeper itself"},
		"no Gateway of an address":                        {apply(routes+"/gateways/web", "spec: {addresses: [{value: 192.0.2.1}]}"), "spec.addresses"},
		"no certificate by an annotation":                 {apply(net+"/ingresses/web", "metadata: {annotations: {cert-manager.io/alt-names: www.example.com}}\n"+ingress("rules: [{host: a.apps.example.com, "+backend+"}]")), shared},
		"no snippets of another controller":               {apply(net+"/ingresses/web", "metadata: {annotations: {nginx.org/server-snippets: x}}\n"+ingress("rules: [{host: a.apps.example.com, "+backend+"}]")), shared},
		"a certificate of an issuer":                      {apply(net+"/ingresses/web", "metadata: {annotations: {cert-manager.io/cluster-issuer: le}}\n"+ingress("rules: [{host: a.apps.example.com, "+backend+"}]")), ""},
		"no host by an annotation":                        {apply(net+"/ingresses/web", "metadata: {annotations: {nginx.ingress.kubernetes.io/server-alias: www.example.com}}\n"+ingress("rules: [{host: a.apps.example.com, "+backend+"}]")), shared},
		"no configuration by an annotation":               {apply(net+"/ingresses/web", "metadata: {annotations: {nginx.ingress.kubernetes.io/configuration-snippet: x}}\n"+ingress("rules: [{host: a.apps.example.com, "+backend+"}]")), shared},
		"no name of others by an annotation":              {apply(core+"/services/web", "metadata: {annotations: {external-dns.alpha.kubernetes.io/hostname: www.example.com}}\nspec: {ports: [{port: 80}]}"), shared},
		"no question to others by an annotation":          {apply(net+"/ingresses/web", "metadata: {annotations: {nginx.ingress.kubernetes.io/auth-url: 'http://10.0.0.1'}}\n"+ingress("rules: [{host: a.apps.example.com, "+backend+"}]")), shared},
		"no balancer of others by an annotation":          {apply(core+"/services/web", "metadata: {annotations: {service.beta.kubernetes.io/alibaba-cloud-loadbalancer-id: a}}\nspec: {ports: [{port: 80}]}"), shared},
		"no Secret of others by an annotation":            {apply(net+"/ingresses/web", "metadata: {annotations: {nginx.ingress.kubernetes.io/auth-secret: tenant-other/users}}\n"+ingress("rules: [{host: a.apps.example.com, "+backend+"}]")), "in another namespace"},
		"a Secret of its own by an annotation":            {apply(net+"/ingresses/web", "metadata: {annotations: {nginx.ingress.kubernetes.io/auth-secret: tenant-sold/users}}\n"+ingress("rules: [{host: a.apps.example.com, "+backend+"}]")), ""},
		"no hosts of all tenants":                         {apply(net+"/ingresses/web", ingress("rules: [{host: '*.tenants.example.com', "+backend+"}]")), "the hosts of all tenants"},
		"hosts below one of its own":                      {apply(net+"/ingresses/web", ingress("rules: [{host: '*.a.tenants.example.com', "+backend+"}]")), ""},
		"no path that ends its line":                      {apply(net+"/ingresses/web", ingress(`rules: [{host: a.apps.example.com, `+strings.Replace(backend, "{path: /", `{path: "/x\nlocation"`, 1)+"}]")), "a path of a tenant's Ingress"},
		"a path that is an expression":                    {apply(net+"/ingresses/web", ingress(`rules: [{host: a.apps.example.com, `+strings.Replace(backend, "{path: /", `{path: "/x(/|$)(.*)"`, 1)+"}]")), ""},
		"no address of others":                            {apply(core+"/services/web", "spec: {type: LoadBalancer, loadBalancerIP: 192.0.2.1, ports: [{port: 80}]}"), "loadBalancerIP"},
		"no pods on the nodes of the cluster itself":      {apply(apps+"/deployments/web", workload("tolerations: [{key: node-role.kubernetes.io/control-plane, operator: Exists}]")), "kept for the cluster itself"},
		"no pods on every node":                           {apply(apps+"/deployments/web", workload("tolerations: [{operator: Exists}]")), "kept for the cluster itself"},
		"pods on the nodes for tenants":                   {apply(apps+"/deployments/web", workload("tolerations: [{key: tenants, operator: Exists}]")), ""},
		"a tenant's account makes no pod of a class":      {as(tenant, "POST "+core+"/pods", "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {priorityClassName: system-cluster-critical, "+pod+"}}"), class},
		"a tenant's account makes no pod on a node":       {as(tenant, "POST "+core+"/pods", "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {nodeName: node-1, "+pod+"}}"), "use nodeSelector"},
		"no pods on a chosen node":                        {apply(apps+"/deployments/web", workload("nodeName: node-1")), "use nodeSelector"},
		"no pods on a chosen node from time to time":      {apply(batch+"/cronjobs/web", job("nodeName: node-1")), "use nodeSelector"},
		"pods of a class that is allowed":                 {apply(apps+"/deployments/web", workload("priorityClassName: tenants")), ""},
		"no pods of another class":                        {apply(apps+"/deployments/web", workload("priorityClassName: system-cluster-critical")), class},
		"no such pods from time to time":                  {apply(batch+"/cronjobs/web", job("priorityClassName: system-cluster-critical")), class},
		"an inline volume that is allowed":                {apply(apps+"/deployments/web", workload("volumes: [{name: v, csi: {driver: secrets.example.com}}]")), ""},
		"no other inline volume":                          {apply(apps+"/deployments/web", workload("volumes: [{name: v, csi: {driver: hostpath.example.com}}]")), csi},
		"a Deployment from before the rules is stopped":   {as(controller, "MERGE "+apps+"/deployments/old", "spec: {replicas: 0}"), ""},
		"a Deployment from before gets no other node":     {as(controller, "MERGE "+apps+"/deployments/old", "spec: {template: {spec: {nodeName: node-2}}}"), "use nodeSelector"},
		"a claim":                                         {apply(core+"/persistentvolumeclaims/data", claim("")), ""},
		"no claim of a chosen volume":                     {apply(core+"/persistentvolumeclaims/data", claim(", volumeName: pv-1")), named},
		"a StatefulSet":                                   {apply(apps+"/statefulsets/db", set("")), ""},
		"no StatefulSet of a chosen volume":               {apply(apps+"/statefulsets/db", set(", volumeName: pv-1")), named},
		"a ServiceAccount":                                {apply(core+"/serviceaccounts/new", "metadata: {annotations: {a: b}}"), ""},
		"a cloud account that is allowed":                 {apply(core+"/serviceaccounts/new", "metadata: {annotations: {iam.gke.io/gcp-service-account: a}}"), ""},
		"no other cloud account":                          {apply(core+"/serviceaccounts/new", "metadata: {annotations: {eks.amazonaws.com/role-arn: a}}"), cloud},
		"no cloud account of pods":                        {apply(apps+"/deployments/web", `{spec: {selector: {matchLabels: {app: app}}, template: {metadata: {labels: {app: app}, annotations: {iam.amazonaws.com/role: a}}, spec: {containers: [{name: app, image: app}]}}}}`), cloud},
		"elsewhere people do as they are allowed":         {as(admin, "APPLY /api/v1/namespaces/elsewhere/serviceaccounts/new", "metadata: {annotations: {eks.amazonaws.com/role-arn: a}}"), ""},
		"a tenant's own account writes its configuration": {as(tenant, "APPLY "+core+"/configmaps/c", "data: {}"), ""},
		"a tenant's own account writes its Secrets":       {as(tenant, "APPLY "+core+"/secrets/own", "stringData: {a: b}"), ""},
		"it makes no token that outlives its pods":        {as(tenant, "POST "+core+"/secrets", "{apiVersion: v1, kind: Secret, metadata: {name: token, annotations: {kubernetes.io/service-account.name: default}}, type: kubernetes.io/service-account-token}"), "whose token never ends"},
		"nor does the controller for it":                  {apply(core+"/secrets/token", "metadata: {annotations: {kubernetes.io/service-account.name: default}}\ntype: kubernetes.io/service-account-token"), "whose token never ends"},
		"a tenant's own account opens no host":            {as(tenant, "APPLY "+net+"/ingresses/web", ingress("rules: [{host: www.example.com, "+backend+"}]")), hostName},
		"a tenant's own account opens no wall":            {as(tenant, "DELETE "+net+"/networkpolicies/deny"), "by which the tenant is bounded"},
		"a tenant's own account makes no wall's twin":     {as(tenant, "APPLY "+net+"/networkpolicies/open", "spec: {podSelector: {}, ingress: [{}]}"), "by which the tenant is bounded"},
		"the controller removes a wall":                   {as(controller, "DELETE "+net+"/networkpolicies/deny"), ""},
	})
}

func TestRolesOfTenants(t *testing.T) {
	const (
		rbac    = "/apis/rbac.authorization.k8s.io/v1/namespaces/tenant-sold"
		refused = "a tenant's Role may have no *"
	)
	role := func(who, group, resources, verbs string) request {
		return as(who, "APPLY "+rbac+"/roles/r", "rules: [{apiGroups: ['"+group+"'], resources: ["+resources+"], verbs: ["+verbs+"]}]")
	}
	try(t, map[string]attempt{
		"a Role of configuration":                {role(controller, "", "configmaps", "list, create, patch"), ""},
		"a Role that reads walls":                {role(controller, "networking.k8s.io", "networkpolicies", "list, watch"), ""},
		"no Role on its namespace":               {role(controller, "", "namespaces", "get, patch, delete"), refused},
		"no Role that writes walls":              {role(controller, "networking.k8s.io", "networkpolicies", "delete"), refused},
		"no Role that writes quotas":             {role(controller, "", "resourcequotas", "patch"), refused},
		"no Role that writes limits":             {role(controller, "", "limitranges", "patch"), refused},
		"no Role that writes accounts":           {role(controller, "", "serviceaccounts", "patch"), refused},
		"no Role that writes a quota's status":   {role(controller, "", "resourcequotas/status", "patch"), refused},
		"no Role that writes a wall's status":    {role(controller, "networking.k8s.io", "networkpolicies/status", "patch"), refused},
		"no Role that binds pods":                {role(controller, "", "pods/binding", "create"), refused},
		"no Role of bindings":                    {role(controller, "", "bindings", "create"), refused},
		"no Role that writes a Service's status": {role(controller, "", "services/status", "patch"), refused},
		"a Role that reads a Service's status":   {role(controller, "", "services/status", "get"), ""},
		"no Role that asks for tokens":           {role(controller, "", "serviceaccounts/token", "create"), refused},
		"no Role on Roles":                       {role(controller, "rbac.authorization.k8s.io", "roles", "get"), refused},
		"no Role of every verb":                  {role(controller, "", "pods", "'*'"), refused},
		"no Role of every resource":              {role(controller, "", "'*'", "get"), refused},
		"no Role of every group":                 {role(controller, "*", "pods", "get"), refused},
		"no Role that impersonates":              {role(controller, "", "serviceaccounts", "impersonate"), refused},
		"no Role of what is not listed":          {role(controller, "example.com", "databases", "get"), "no more than the chart's value tenantRBAC.rules lists"},
		"no Role of a verb that is not listed":   {role(controller, "", "configmaps", "use"), "no more than the chart's value tenantRBAC.rules lists"},
		"a Role of pods":                         {role(controller, "", "pods, pods/log, pods/exec", "get, list, create"), ""},
		"no Role that binds one":                 {as(controller, "APPLY "+rbac+"/rolebindings/b", "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: stallkeeper-controller}\nsubjects: [{kind: ServiceAccount, name: app, namespace: tenant-sold}]"), "may bind no ClusterRole"},
		"no binding to the cluster's admin":      {as(controller, "APPLY "+rbac+"/rolebindings/b", "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: admin}\nsubjects: [{kind: ServiceAccount, name: app, namespace: tenant-sold}]"), "may bind no ClusterRole"},
		"a tenant's account writes no Role":      {role(tenant, "", "configmaps", "list"), "by which the tenant is bounded"},
		"a tenant's account deletes no Role":     {as(tenant, "DELETE "+rbac+"/roles/reader"), "by which the tenant is bounded"},
		"a person may, in what the tenant needs": {role(admin, "", "namespaces", "get"), ""},
	})
}

// What a tenant's own account may do that has been given every right in its namespace.
func TestSubresourcesOfTenants(t *testing.T) {
	const (
		core    = "/api/v1/namespaces/tenant-sold"
		apps    = "/apis/apps/v1/namespaces/tenant-sold"
		net     = "/apis/networking.k8s.io/v1/namespaces/tenant-sold"
		cluster = "which the cluster's own controllers write"
		bounded = "by which the tenant is bounded"
		own     = "may not change the addresses in the status of a pod"
		binding = "{apiVersion: v1, kind: Binding, metadata: {name: old}, target: {kind: Node, name: node-1}}"
	)
	try(t, map[string]attempt{
		"no quota that is not used":            {as(tenant, "MERGE "+core+"/resourcequotas/quota/status", "status: {hard: {pods: '100'}, used: {pods: '0'}}"), bounded},
		"no larger quota":                      {as(tenant, "MERGE "+core+"/resourcequotas/quota", "spec: {hard: {pods: '1000'}}"), bounded},
		"no quotas deleted":                    {as(tenant, "DELETE "+core+"/resourcequotas/quota", ""), bounded},
		"no token of another account":          {as(tenant, "POST "+core+"/serviceaccounts/app/token", "{apiVersion: authentication.k8s.io/v1, kind: TokenRequest, spec: {audiences: [x]}}"), "may not write serviceaccounts"},
		"no pod on a node by a binding":        {as(tenant, "POST "+core+"/pods/old/binding", binding), cluster},
		"nor by the older binding":             {as(tenant, "POST "+core+"/bindings", binding), cluster},
		"no pod with another pod's address":    {as(tenant, "MERGE "+core+"/pods/old/status", "status: {podIP: 192.0.2.1, podIPs: [{ip: 192.0.2.1}]}"), own},
		"no pod with another node's address":   {as(tenant, "MERGE "+core+"/pods/old/status", "status: {hostIP: 192.0.2.1, hostIPs: [{ip: 192.0.2.1}]}"), own},
		"a condition of a pod":                 {as(tenant, "MERGE "+core+"/pods/old/status", "status: {conditions: [{type: example.com/ready, status: 'True'}]}"), ""},
		"no Service with another's address":    {as(tenant, "MERGE "+core+"/services/balanced/status", "status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}"), cluster},
		"no Ingress with another's address":    {as(tenant, "MERGE "+net+"/ingresses/old/status", "status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}"), cluster},
		"no claim that has grown":              {as(tenant, "MERGE "+core+"/persistentvolumeclaims/old/status", "status: {capacity: {storage: 1Ti}}"), cluster},
		"a workload is scaled":                 {as(tenant, "MERGE "+apps+"/deployments/app/scale", "spec: {replicas: 2}"), ""},
		"a workload's status":                  {as(tenant, "MERGE "+apps+"/deployments/app/status", "status: {observedGeneration: 1}"), ""},
		"a pod is evicted":                     {as(tenant, "POST "+core+"/pods/old/eviction", "{apiVersion: policy/v1, kind: Eviction, metadata: {name: old}}"), ""},
		"a lease":                              {as(tenant, "APPLY /apis/coordination.k8s.io/v1/namespaces/tenant-sold/leases/l", "spec: {holderIdentity: a}"), ""},
		"no container past Pod Security":       {as(tenant, "STRATEGIC "+core+"/pods/old/ephemeralcontainers", "spec: {ephemeralContainers: [{name: e, image: e, securityContext: {privileged: true}}]}"), "violates PodSecurity"},
		"nothing of another tenant":            {as(tenant, "APPLY /api/v1/namespaces/tenant-free/configmaps/c", "data: {}"), "forbidden"},
		"nothing of a sales namespace":         {as(tenant, "APPLY /api/v1/namespaces/sales/configmaps/c", "data: {}"), "forbidden"},
		"the cluster's controllers write them": {as(admin, "MERGE "+core+"/services/balanced/status", "status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}"), ""},
	})
}
