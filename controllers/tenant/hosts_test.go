package tenant

import (
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/stallkeeper/stallkeeper/controllers/apply"
)

func TestAHostIsOfTheTenantThatTakesItFirst(t *testing.T) {
	ingress := func(spec string) string {
		return "\n- {apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web}, spec: {" + spec + "}}\n"
	}
	rule := func(host, path string) string {
		return "rules: [{host: '" + host + "', http: {paths: [{path: '" + path + "', pathType: ImplementationSpecific, backend: {service: {name: web, port: {number: 80}}}}]}}]"
	}
	const bare = "rules: [{host: a.example.com}]"
	for name, tc := range map[string]struct {
		first, second string
		held          bool
	}{
		"the same host":                    {bare, bare, true},
		"in capitals":                      {bare, rule("A.example.com", "/"), true},
		"another host":                     {bare, rule("b.example.com", "/"), false},
		"a path of a host":                 {bare, rule("a.example.com", "/login"), true},
		"all paths of a host":              {rule("a.example.com", "/login"), bare, true},
		"the same path":                    {rule("a.example.com", "/x"), rule("a.example.com", "/x/"), true},
		"the path as a regular expression": {rule("a.example.com", "/x"), rule("a.example.com", "/x(/|$)(.*)"), true},
		"another path":                     {rule("a.example.com", "/x"), rule("a.example.com", "/xy"), false},
		"a certificate":                    {bare, "tls: [{hosts: [a.example.com]}]", true},
		"a certificate of a shared host": {
			rule("a.example.com", "/x") + ", tls: [{hosts: [a.example.com]}]", rule("a.example.com", "/y") + ", tls: [{hosts: [a.example.com]}]", false,
		},
		"the same wildcard":      {rule("*.example.com", "/"), rule("*.example.com", "/"), true},
		"a host below another's": {rule("*.example.com", "/"), bare, false},
		"no host":                {"rules: [{host: ''}]", "rules: [{host: ''}]", false},
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
				if _, there := server.all("tenant-second")[second.id("Ingress", "web")]; held != tc.held || there == tc.held {
					t.Errorf("refused: %t; made: %t", held, there)
				}
				if refusals := shape(first); len(refusals) != 0 {
					t.Errorf("the first one is refused what it has: %v", refusals)
				}
			})
		}
	}
}
