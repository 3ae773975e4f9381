package tenant

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// hosts are the hosts that tenants took a moment ago, so that two passes at once do not both find a host free that the cache does not show.
type hosts struct {
	mu    sync.Mutex
	taken map[hostPath]taker
}

type taker struct {
	namespace string
	until     time.Time
}

// hostPath is a host with a path that an Ingress or a route takes, both in small letters: where one Ingress of a host asks for regular
// expressions, ingress-nginx compares all paths of the host without regard to case. The path has no slash at its end, and is empty for all paths.
type hostPath struct{ host, path string }

// overlaps says whether a request could be meant for both. Who gets what both a wildcard and a host take is not for us to say: Traefik
// gives it to the longer rule, which is the wildcard's.
func (h hostPath) overlaps(other hostPath) bool {
	return (h.host == other.host || covers(h.host, other.host) || covers(other.host, h.host)) &&
		(strings.HasPrefix(h.path+"/", other.path+"/") || strings.HasPrefix(other.path+"/", h.path+"/"))
}

// covers says whether a host is below a wildcard, however many labels below: in a route of the Gateway API it may be more than one.
func covers(wildcard, host string) bool {
	end, ok := strings.CutPrefix(wildcard, "*")
	return ok && strings.HasSuffix(host, end)
}

func takesHosts(kind schema.GroupKind) bool {
	return kind == kindIngress || isGateway(kind) || kind.Group == groupGateway && strings.HasSuffix(kind.Kind, "Route")
}

const groupGateway = "gateway.networking.k8s.io"

func isGateway(kind schema.GroupKind) bool {
	return kind.Group == groupGateway && kind.Kind == "Gateway"
}

// hostPathsOf is what an object takes; nothing for other kinds, and nothing for what names no host, which the chart's tenantLimits allow.
func hostPathsOf(obj *unstructured.Unstructured) []hostPath {
	if obj == nil || !takesHosts(obj.GroupVersionKind().GroupKind()) {
		return nil
	}
	var found []hostPath
	take := func(host string, paths []string) {
		if host == "" {
			return
		}
		if len(paths) == 0 {
			paths = []string{""}
		}
		for _, path := range paths {
			found = append(found, hostPath{strings.ToLower(host), strings.ToLower(literal(path))})
		}
	}
	if isGateway(obj.GroupVersionKind().GroupKind()) {
		for _, listener := range objectsIn(obj.Object, "spec", "listeners") {
			host, _, _ := unstructured.NestedString(listener, "hostname")
			take(host, nil)
		}
		return found
	}
	if obj.GroupVersionKind().GroupKind() != kindIngress {
		names, _, _ := unstructured.NestedStringSlice(obj.Object, "spec", "hostnames")
		paths := routePaths(obj)
		for _, host := range names {
			take(host, paths)
		}
		return found
	}
	for _, rule := range objectsIn(obj.Object, "spec", "rules") {
		var paths []string
		for _, path := range objectsIn(rule, "http", "paths") {
			text, _, _ := unstructured.NestedString(path, "path")
			paths = append(paths, text)
		}
		host, _, _ := unstructured.NestedString(rule, "host")
		take(host, paths)
	}
	for _, certificate := range objectsIn(obj.Object, "spec", "tls") {
		named, _, _ := unstructured.NestedStringSlice(certificate, "hosts")
		for _, host := range named {
			// A certificate for a host without a rule would be shown to the users of the tenant that has the host.
			if !slices.ContainsFunc(found, func(f hostPath) bool { return f.host == strings.ToLower(host) }) {
				take(host, nil)
			}
		}
	}
	return found
}

// hostsNoted is for an annotation; empty for what takes nothing.
func hostsNoted(obj *unstructured.Unstructured) string {
	var lines []string
	for _, h := range hostPathsOf(obj) {
		lines = append(lines, h.host+h.path)
	}
	return strings.Join(lines, "\n")
}

// standingHosts is what an object takes that came from the cache, or from the API server.
func standingHosts(obj *unstructured.Unstructured) []hostPath {
	if obj == nil {
		return nil
	}
	noted, ok := annotation(obj, hostsNote)
	if !ok || !held(obj) {
		return hostPathsOf(obj)
	}
	var found []hostPath
	for line := range strings.SplitSeq(noted, "\n") {
		host, path, deeper := strings.Cut(line, "/")
		if deeper {
			path = "/" + path
		}
		found = append(found, hostPath{host, path})
	}
	return found
}

// routePaths are the paths that a route matches; none where it matches by something else, and so may match any.
func routePaths(obj *unstructured.Unstructured) []string {
	var paths []string
	for _, rule := range objectsIn(obj.Object, "spec", "rules") {
		matches := objectsIn(rule, "matches")
		for _, match := range matches {
			path, _, _ := unstructured.NestedString(match, "path", "value")
			paths = append(paths, path)
		}
		if len(matches) == 0 {
			paths = append(paths, "")
		}
	}
	return paths
}

// objectsIn are the items of a list of objects.
func objectsIn(from map[string]any, path ...string) []map[string]any {
	list, _, _ := unstructured.NestedFieldNoCopy(from, path...)
	items, _ := list.([]any)
	var found []map[string]any
	for _, item := range items {
		if fields, ok := item.(map[string]any); ok {
			found = append(found, fields)
		}
	}
	return found
}

// literal is what a path begins with for sure, whether it is a text or a regular expression, which another Ingress of the same host can make of
// it. What stands behind a line break is none of it: in the note of the cache it would be another host.
func literal(path string) string {
	expression, marked := strings.CutPrefix(path, "/~") // Kong's mark of a regular expression
	if marked {
		path = strings.TrimPrefix(expression, "^")
	}
	end := strings.IndexFunc(path, func(c rune) bool { return c <= ' ' || strings.ContainsRune(`.([{*+?^$|\`, c) })
	switch {
	case end < 0 && !marked:
	case end >= 0 && strings.HasPrefix(path[end:], "(/"):
		// Behind (/|$) nothing more belongs to the last segment.
		path = path[:end]
	default:
		// The expression may go on with the segment, or not have its last letter.
		if end >= 0 {
			path = path[:end]
		}
		path = path[:strings.LastIndex(path, "/")+1]
	}
	return strings.TrimRight(path, "/")
}

// hostHeld says that another tenant has a host that an object would take: the first one keeps it, else the ingress controller would choose
// whose pods get the requests. What the object has already is left alone.
func (p *pass) hostHeld(ctx context.Context, a action) *Refusal {
	before := standingHosts(a.standing)
	wanted := slices.DeleteFunc(hostPathsOf(a.obj), func(h hostPath) bool { return slices.Contains(before, h) })
	if len(wanted) == 0 {
		return nil
	}
	others, err := p.othersHosts(ctx, p.before.Name)
	if err != nil {
		r := refused(a.key, err)
		return &r
	}
	now := p.Clock.Now()
	p.hosts.mu.Lock()
	defer p.hosts.mu.Unlock()
	for h, by := range p.hosts.taken {
		switch {
		case !now.Before(by.until):
			delete(p.hosts.taken, h)
		case by.namespace != p.before.Name:
			others = append(others, h)
		}
	}
	for _, want := range wanted {
		if slices.ContainsFunc(others, want.overlaps) {
			return &Refusal{
				Key: a.key, Reason: ReasonHostHeld, Message: fmt.Sprintf("another tenant has the host %s with the path %s/", want.host, want.path),
				Remedy: "give each tenant a host or a path of its own in the template, such as one with the instance's name",
			}
		}
	}
	for _, want := range wanted {
		p.hosts.taken[want] = taker{p.before.Name, now.Add(cacheLag)}
	}
	return nil
}

// othersHosts is what all other tenants have.
func (t *Tenants) othersHosts(ctx context.Context, namespace string) ([]hostPath, error) {
	var found []hostPath
	for _, gvk := range t.Kinds {
		if !takesHosts(gvk.GroupKind()) {
			continue
		}
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
		if err := t.Cache.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
			if meta.IsNoMatchError(err) {
				continue
			}
			return nil, fmt.Errorf("listing %s of all tenants: %w", gvk.Kind, err)
		}
		for i := range list.Items {
			if list.Items[i].GetNamespace() != namespace {
				found = append(found, standingHosts(&list.Items[i])...)
			}
		}
	}
	return found, nil
}
