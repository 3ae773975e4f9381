package product

import (
	"errors"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/render"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

// What no API server takes is said at the product, before the first buyer: with the object, the field and what to do.
func TestWhatNoAPIServerTakesIsSaidAtTheProduct(t *testing.T) {
	web := func(from, to string) string {
		before, after, found := strings.Cut(salestest.Web, from)
		if !found {
			t.Fatalf("the template has no %q", from)
		}
		return before + to + after
	}
	container := func(more string) string { return web("image: registry", more+"\n        image: registry") }
	object := func(kind, rest string) string {
		return "apiVersion: v1\nkind: " + kind + "\n" + rest
	}
	for name, tc := range map[string]struct{ template, says string }{
		"a name with capitals":               {object("ConfigMap", "metadata: {name: Web}\n"), `ConfigMap/Web: metadata.name "Web"`},
		"a name with an underscore":          {object("Secret", "metadata: {name: my_secret}\n"), `Secret/my_secret: metadata.name "my_secret"`},
		"a Service that begins with a digit": {object("Service", "metadata: {name: 1st}\nspec: {ports: [{port: 80}]}\n"), "beginning with a letter"},
		"a label that is too long":           {object("ConfigMap", "metadata: {name: c, labels: {a: "+strings.Repeat("x", 64)+"}}\n"), "metadata.labels.a must be up to 63"},
		"a label with a blank":               {object("ConfigMap", "metadata: {name: c, labels: {a: b c}}\n"), "metadata.labels.a"},
		"a label's key with two slashes":     {object("ConfigMap", "metadata: {name: c, labels: {a/b/c: d}}\n"), `the key "a/b/c"`},
		"a label that is a number":           {object("ConfigMap", "metadata: {name: c, labels: {a: 1}}\n"), "labels"},
		"an annotation's key with a blank":   {object("ConfigMap", "metadata: {name: c, annotations: {'a b': d}}\n"), `the key "a b"`},
		"a key of a ConfigMap with a slash":  {object("ConfigMap", "metadata: {name: c}\ndata: {'a/b': d}\n"), `data has the key "a/b"`},
		"a boolean in a ConfigMap":           {object("ConfigMap", "metadata: {name: c}\ndata: {a: true}\n"), "ConfigMap/c"},
		"a list in a ConfigMap":              {object("ConfigMap", "metadata: {name: c}\ndata: {a: [b]}\n"), "ConfigMap/c"},
		"an account without its keys":        {object("Secret", "metadata: {name: s}\ntype: kubernetes.io/basic-auth\nstringData: {user: a}\n"), "Secret/s: data[username] and data[password] are missing"},
		"a pull Secret without its key":      {object("Secret", "metadata: {name: s}\ntype: kubernetes.io/dockerconfigjson\nstringData: {config.json: '{}'}\n"), "Secret/s: data[.dockerconfigjson] is missing"},
		"a pull Secret that is no JSON":      {object("Secret", "metadata: {name: s}\ntype: kubernetes.io/dockerconfigjson\nstringData: {.dockerconfigjson: swordfish}\n"), "is no JSON object: correct it, such as with toJson"},
		"an old pull Secret that is a list":  {object("Secret", "metadata: {name: s}\ntype: kubernetes.io/dockercfg\nstringData: {.dockercfg: '[]'}\n"), "data[.dockercfg] of a Secret of type kubernetes.io/dockercfg must be a JSON object"},
		"a key for SSH under another name":   {object("Secret", "metadata: {name: s}\ntype: kubernetes.io/ssh-auth\nstringData: {id_rsa: a}\n"), "data[ssh-privatekey] is missing"},
		"a certificate without its key":      {object("Secret", "metadata: {name: s}\ntype: kubernetes.io/tls\nstringData: {tls.crt: a}\n"), "data[tls.key] is missing"},
		"an account with a name alone":       {object("Secret", "metadata: {name: s}\ntype: kubernetes.io/basic-auth\nstringData: {username: ''}\n"), ""},
		"a pull Secret": {
			object("Secret", "metadata: {name: s}\ntype: kubernetes.io/dockerconfigjson\ndata: {.dockerconfigjson: {{ dict \"auths\" dict | toJson | b64enc }}}\n"), "",
		},
		"a Secret that is no base64":           {object("Secret", "metadata: {name: s}\ndata: {a: '%%%'}\n"), "Secret/s"},
		"a Service without ports":              {object("Service", "metadata: {name: s}\nspec: {selector: {a: b}}\n"), "spec.ports is empty"},
		"a Service's port that is too large":   {object("Service", "metadata: {name: s}\nspec: {ports: [{port: 70000}]}\n"), "70000"},
		"a Service's port that is a text":      {object("Service", "metadata: {name: s}\nspec: {ports: [{port: '80'}]}\n"), "must be a number"},
		"two ports without names":              {object("Service", "metadata: {name: s}\nspec: {ports: [{port: 80}, {port: 81, name: b}]}\n"), "each needs one"},
		"a selector that is no label":          {web("matchLabels: {app: web}", "matchLabels: {app: other}"), "spec.selector.matchLabels.app"},
		"no selector":                          {web("selector: {matchLabels: {app: web}}", "minReadySeconds: 1"), "spec.selector is missing"},
		"a container's port of 0":              {container("ports: [{containerPort: 0}]"), "containerPort is 0"},
		"a container's port that is too large": {container("ports: [{containerPort: 65536}]"), "65536"},
		"a port's name that is too long":       {container("ports: [{containerPort: 80, name: the-web-server-port}]"), "up to 15"},
		"a mount without a volume":             {container("volumeMounts: [{name: data, mountPath: /data}]"), `the volume "data"`},
		"a path mounted twice":                 {container("volumeMounts: [{name: a, mountPath: /d}, {name: a, mountPath: /d}]"), `path "/d" 2 times`},
		"a variable without a name":            {container("env: [{value: x}]"), "a name is not empty"},
		"a variable that is a number":          {container("env: [{name: A, value: 1}]"), "value"},
		"a request above its limit":            {container("resources: {requests: {cpu: 2}, limits: {cpu: 1}}"), "requests.cpu is above its limit"},
		"a quantity that is none":              {container("resources: {requests: {cpu: lots}}"), "Deployment/web"},
		"a Deployment that runs once":          {web("containers:", "restartPolicy: Never\n      containers:"), "restartPolicy must be Always"},
		"replicas as a text":                   {web("selector:", "paused: 'no'\n  selector:"), "paused"},
		"a field in the wrong place":           {web("selector:", "containers: []\n  selector:"), "there is no field spec.containers"},
		"a probe with a typo":                  {container("livenessProbe: {httpget: {port: 80}}"), "httpget"},
		"an Ingress without a path's type": {
			"apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i}\nspec: {rules: [{host: a.example.com, http: {paths: [{path: /, backend: {service: {name: s, port: {number: 80}}}}]}}]}\n",
			"no pathType",
		},
		"an Ingress without a Service's port": {
			"apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i}\nspec: {rules: [{host: a.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: s}}}]}}]}\n",
			"no port for Service",
		},
		"an Ingress with a URL for a host": {
			"apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i}\nspec: {rules: [{host: 'https://a.example.com'}]}\n", "not a host name",
		},
		"a Job that is always restarted": {
			"apiVersion: batch/v1\nkind: Job\nmetadata: {name: j}\nspec: {template: {spec: {containers: [{name: a, image: b}]}}}\n", "Never or OnFailure",
		},
		"no error at all": {salestest.Web, ""},
	} {
		t.Run(name, func(t *testing.T) {
			permissions := salestest.Permissions()
			for _, kind := range []schema.GroupKind{{Kind: "Service"}, {Kind: "Secret"}, {Group: "networking.k8s.io", Kind: "Ingress"}, {Group: "batch", Kind: "Job"}} {
				permissions.Kinds.Insert(kind)
			}
			product := salestest.Product(salestest.Inline(tc.template))
			_, err := check{permissions: permissions, renderer: render.InProcess{}}.run(t.Context(), product, "shop-1", cutOn0(product, nil), nil)
			if tc.says == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			problem, ok := errors.AsType[*report.Verdict](err)
			if !ok {
				t.Fatalf("nothing is said of it, error %v", err)
			}
			if problem.Reason != v1alpha1.ReasonInvalidTemplate && problem.Reason != v1alpha1.ReasonRenderFailed || !strings.Contains(problem.Message, tc.says) || strings.Contains(problem.Message, "swordfish") {
				t.Errorf("%s: %s; want %q in it", problem.Reason, problem.Message, tc.says)
			}
		})
	}
}
