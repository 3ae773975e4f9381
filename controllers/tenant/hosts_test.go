package tenant

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/stallkeeper/stallkeeper/controllers/apply"
)

// What an object takes is noted in the cache line by line, and what it had before it is not asked for again.
func TestTheNoteOfHostsHoldsNoOther(t *testing.T) {
	taking := func(path string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": map[string]any{
				"name": "web", "creationTimestamp": "2026-03-01T12:00:00Z", "annotations": map[string]any{hostsNote: "victim.example.com"},
			},
			"spec": map[string]any{"rules": []any{map[string]any{
				"host": "b.example.com", "http": map[string]any{"paths": []any{map[string]any{"path": path}}},
			}}},
		}}
	}
	for _, path := range []string{"/", "/b\nvictim.example.com/", "/\nvictim.example.com", "/b\r\nvictim.example.com\n"} {
		for name, obj := range map[string]*unstructured.Unstructured{"live": taking(path), "cached": seen(taking(path))} {
			hosts := standingHosts(obj)
			if len(hosts) == 0 || slices.ContainsFunc(hosts, func(h hostPath) bool { return h.host != "b.example.com" }) {
				t.Errorf("%s, %q: has %v", name, path, hosts)
			}
		}
	}
}

func TestAHostIsOfTheTenantThatTakesItFirst(t *testing.T) {
	ingress := func(spec string) string {
		if other, is := strings.CutPrefix(spec, "is: "); is {
			return "\n- " + other + "\n"
		}
		return "\n- {apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web}, spec: {" + spec + "}}\n"
	}
	rule := func(host, path string) string {
		return "rules: [{host: '" + host + "', http: {paths: [{path: '" + path + "', pathType: ImplementationSpecific, backend: {service: {name: web, port: {number: 80}}}}]}}]"
	}
	gateway := func(kind, spec string) string {
		return "is: {apiVersion: gateway.networking.k8s.io/v1, kind: " + kind + ", metadata: {name: web}, spec: {" + spec + "}}"
	}
	matched := func(host, path string) string {
		return gateway("HTTPRoute", "hostnames: ['"+host+"'], rules: [{matches: [{path: {type: PathPrefix, value: '"+path+"'}}]}]")
	}
	kinds := slices.Clone(kinds)
	for _, kind := range []string{"Gateway", "HTTPRoute", "GRPCRoute", "TLSRoute"} {
		kinds = append(kinds, schema.GroupVersionKind{Group: "gateway.networking.k8s.io", Version: "v1", Kind: kind})
	}
	const bare = "rules: [{host: a.example.com}]"
	for name, tc := range map[string]struct {
		first, second string
		held          bool
	}{
		"the same host":                          {bare, bare, true},
		"in capitals":                            {bare, rule("A.example.com", "/"), true},
		"another host":                           {bare, rule("b.example.com", "/"), false},
		"a path of a host":                       {bare, rule("a.example.com", "/login"), true},
		"all paths of a host":                    {rule("a.example.com", "/login"), bare, true},
		"the same path":                          {rule("a.example.com", "/x"), rule("a.example.com", "/x/"), true},
		"the path as a regular expression":       {rule("a.example.com", "/x"), rule("a.example.com", "/x(/|$)(.*)"), true},
		"a regular expression that matches more": {rule("a.example.com", "/xyz"), rule("a.example.com", "/x.*"), true},
		"one whose last letter is optional":      {rule("a.example.com", "/app"), rule("a.example.com", "/apps?"), true},
		"regular expressions of two segments":    {rule("a.example.com", "/x(/|$)(.*)"), rule("a.example.com", "/y(/|$)(.*)"), false},
		"a route of an Ingress's host":           {bare, matched("a.example.com", "/"), true},
		"a route in capitals":                    {bare, matched("A.Example.com", "/"), true},
		"an Ingress of a route's host":           {matched("a.example.com", "/"), bare, true},
		"routes of two paths":                    {matched("a.example.com", "/x"), matched("a.example.com", "/y"), false},
		"routes of one path":                     {matched("a.example.com", "/x"), matched("a.example.com", "/x/y"), true},
		"a route of all paths":                   {matched("a.example.com", "/x"), gateway("HTTPRoute", "hostnames: [a.example.com]"), true},
		"a route that matches by a header": {
			matched("a.example.com", "/x"), gateway("HTTPRoute", "hostnames: [a.example.com], rules: [{matches: [{headers: [{name: a, value: b}]}]}]"), true,
		},
		"a route of methods":         {bare, gateway("GRPCRoute", "hostnames: [a.example.com], rules: [{matches: [{method: {service: s}}]}]"), true},
		"a route of another host":    {bare, gateway("GRPCRoute", "hostnames: [b.example.com]"), false},
		"a route of TLS":             {bare, gateway("TLSRoute", "hostnames: [a.example.com]"), true},
		"routes of TLS":              {gateway("TLSRoute", "hostnames: [a.example.com]"), gateway("TLSRoute", "hostnames: [a.example.com]"), true},
		"a listener":                 {bare, gateway("Gateway", "listeners: [{name: a, hostname: a.example.com}]"), true},
		"a host of a listener":       {gateway("Gateway", "listeners: [{name: a, hostname: a.example.com}]"), bare, true},
		"a listener of another host": {bare, gateway("Gateway", "listeners: [{name: a, hostname: b.example.com}, {name: b}]"), false},
		"another path":               {rule("a.example.com", "/x"), rule("a.example.com", "/xy"), false},
		"a certificate":              {bare, "tls: [{hosts: [a.example.com]}]", true},
		"a certificate of a shared host": {
			rule("a.example.com", "/x") + ", tls: [{hosts: [a.example.com]}]", rule("a.example.com", "/y") + ", tls: [{hosts: [a.example.com]}]", false,
		},
		"the same wildcard":           {rule("*.example.com", "/"), rule("*.example.com", "/"), true},
		"a host below another's":      {rule("*.example.com", "/"), bare, true},
		"a wildcard over another's":   {bare, rule("*.example.com", "/"), true},
		"a wildcard of the labels":    {rule("a.b.example.com", "/"), matched("*.example.com", "/"), true},
		"a wildcard of another level": {bare, rule("*.a.example.com", "/"), false},
		"a dot that matches a letter": {rule("a.example.com", "/alice"), rule("a.example.com", "/....."), true},
		"a path in capitals":          {rule("a.example.com", "/alice"), rule("a.example.com", "/ALICE"), true},
		"an expression of Kong's":     {rule("a.example.com", "/alice"), rule("a.example.com", "/~/ali"), true},
		"a path that goes on in another line": {
			rule("a.example.com", "/x"), `rules: [{host: b.example.com, http: {paths: [{path: "/b\na.example.com/", pathType: ImplementationSpecific, backend: {service: {name: web, port: {number: 80}}}}]}}]`, false,
		},
		"no host": {"rules: [{host: ''}]", "rules: [{host: ''}]", false},
	} {
		for _, when := range []string{"at once", "later"} {
			t.Run(name+" "+when, func(t *testing.T) {
				server := newServer()
				tenant := func(name, spec string) *world {
					return worldOn(server, &world{
						revisions: map[string]string{"a": ingress(spec)}, target: "a", space: "tenant-" + name,
						owner: apply.Owner{Namespace: "sales", Name: name, UID: types.UID(name)}, kinds: kinds,
					})
				}
				first, second := tenant("first", tc.first), tenant("second", tc.second)
				process := New(server, server, server, kinds, first.clock)
				shape := func(w *world) []Refusal {
					standing, err := process.Observe(t.Context(), w.space)
					if err != nil {
						t.Fatal(err)
					}
					done, err := process.Shape(t.Context(), standing, w.set("a"))
					if err != nil {
						t.Fatal(err)
					}
					return done.Refusals
				}
				if refusals := shape(first); len(refusals) != 0 {
					t.Fatalf("the first one is refused: %v", refusals)
				}
				if when == "at once" {
					process.Cache = newServer() // which shows nothing yet
				} else {
					process = New(server, newCached(server, ""), server, kinds, first.clock)
				}
				held := slices.ContainsFunc(shape(second), func(r Refusal) bool { return r.Reason == ReasonHostHeld && r.Remedy != "" })
				there := slices.ContainsFunc(slices.Collect(maps.Keys(server.all("tenant-second"))), func(id objectID) bool {
					return id.Namespace == "tenant-second" && id.Name == "web"
				})
				if held != tc.held || there == tc.held {
					t.Errorf("refused: %t; made: %t", held, there)
				}
				if refusals := shape(first); len(refusals) != 0 {
					t.Errorf("the first one is refused what it has: %v", refusals)
				}
			})
		}
	}
}
