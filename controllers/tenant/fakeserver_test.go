package tenant

import (
	"context"
	"fmt"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/controllers/apiservertest"
)

// server is an API server whose requests a test counts and refuses: the one in memory, or the real one.
type server struct {
	client.Client
	// memory is the API server in memory; nil if it is the real one.
	memory *apiservertest.Server
	mu     sync.Mutex
	// writes are the requests that were meant to change something, dry runs aside; calls are all requests.
	writes []string
	calls  int
	// before is asked before each request, and may refuse it; after, when it was done, and may lose the answer.
	before, after func(verb string, key Key) error
}

type objectID = apiservertest.ID

// schemas are those of Kubernetes' own kinds, for all servers in memory.
var schemas = sync.OnceValue(apiservertest.BuiltIn)

func newServer() *server {
	memory := apiservertest.New(scheme.Scheme, schemas())
	return &server{Client: memory, memory: memory}
}

func idOf(obj client.Object) objectID {
	return objectID{GroupKind: obj.GetObjectKind().GroupVersionKind().GroupKind(), Namespace: obj.GetNamespace(), Name: obj.GetName()}
}

// asked is what a test does before a request.
func (s *server) asked(verb string, id objectID) error {
	s.mu.Lock()
	s.calls++
	before := s.before
	s.mu.Unlock()
	if before != nil {
		return before(verb, Key{Group: id.Group, Kind: id.Kind, Name: id.Name})
	}
	return nil
}

// answered is what a test does after a request.
func (s *server) answered(verb string, id objectID, dryRun bool, err error) error {
	if err != nil || dryRun {
		return err
	}
	s.mu.Lock()
	s.writes = append(s.writes, fmt.Sprintf("%s %s/%s", verb, id.Kind, id.Name))
	after := s.after
	s.mu.Unlock()
	if after != nil {
		return after(verb, Key{Group: id.Group, Kind: id.Kind, Name: id.Name})
	}
	return nil
}

func (s *server) Get(ctx context.Context, key client.ObjectKey, into client.Object, options ...client.GetOption) error {
	id := objectID{GroupKind: into.GetObjectKind().GroupVersionKind().GroupKind(), Namespace: key.Namespace, Name: key.Name}
	if err := s.asked("get", id); err != nil {
		return err
	}
	return s.Client.Get(ctx, key, into, options...)
}

func (s *server) List(ctx context.Context, into client.ObjectList, options ...client.ListOption) error {
	if err := s.asked("list", objectID{}); err != nil {
		return err
	}
	return s.Client.List(ctx, into, options...)
}

func (s *server) Create(ctx context.Context, obj client.Object, options ...client.CreateOption) error {
	o := client.CreateOptions{}
	o.ApplyOptions(options)
	id := idOf(obj)
	if err := s.asked("create", id); err != nil {
		return err
	}
	return s.answered("create", id, len(o.DryRun) > 0, s.Client.Create(ctx, obj, options...))
}

func (s *server) Delete(ctx context.Context, obj client.Object, options ...client.DeleteOption) error {
	o := client.DeleteOptions{}
	o.ApplyOptions(options)
	id := idOf(obj)
	if err := s.asked("delete", id); err != nil {
		return err
	}
	if s.memory == nil && o.PropagationPolicy != nil && *o.PropagationPolicy == metav1.DeletePropagationOrphan {
		// No garbage collector runs that would take away the finalizer.
		options = append(options, client.PropagationPolicy(metav1.DeletePropagationBackground))
	}
	return s.answered("delete", id, false, s.Client.Delete(ctx, obj, options...))
}

func (s *server) Patch(ctx context.Context, obj client.Object, patch client.Patch, options ...client.PatchOption) error {
	o := client.PatchOptions{}
	o.ApplyOptions(options)
	id := idOf(obj)
	if err := s.asked("patch", id); err != nil {
		return err
	}
	return s.answered("patch", id, len(o.DryRun) > 0, s.Client.Patch(ctx, obj, patch, options...))
}

func (s *server) Apply(ctx context.Context, config runtime.ApplyConfiguration, options ...client.ApplyOption) error {
	o := client.ApplyOptions{}
	o.ApplyOptions(options)
	named, ok := config.(interface {
		GetKind() string
		GetAPIVersion() string
		GetName() string
		GetNamespace() string
	})
	if !ok {
		return fmt.Errorf("%T has no name", config)
	}
	version, err := schema.ParseGroupVersion(named.GetAPIVersion())
	if err != nil {
		return err
	}
	id := objectID{GroupKind: schema.GroupKind{Group: version.Group, Kind: named.GetKind()}, Namespace: named.GetNamespace(), Name: named.GetName()}
	if err := s.asked("apply", id); err != nil {
		return err
	}
	return s.answered("apply", id, len(o.DryRun) > 0, s.Client.Apply(ctx, config, options...))
}

// subresource is one of the server's objects.
type subresource struct {
	client.SubResourceClient
	of   *server
	name string
}

func (s *server) SubResource(name string) client.SubResourceClient {
	return subresource{s.Client.SubResource(name), s, name}
}

func (r subresource) Patch(ctx context.Context, obj client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
	id := idOf(obj)
	if err := r.of.asked(r.name, id); err != nil {
		return err
	}
	return r.of.answered(r.name, id, false, r.SubResourceClient.Patch(ctx, obj, patch, options...))
}

// edit changes an object as somebody else does.
func (s *server) edit(id objectID, manager string, change func(*unstructured.Unstructured)) {
	if s.memory != nil {
		s.memory.Edit(id, manager, change)
		return
	}
	found := s.object(id)
	if found == nil {
		return
	}
	change(found)
	if _, ended := found.Object["status"]; ended && id.Kind == "Job" {
		_ = s.Client.Status().Update(context.Background(), found, client.FieldOwner(manager))
		return
	}
	_ = s.Client.Update(context.Background(), found, client.FieldOwner(manager))
}

func versionOf(gk schema.GroupKind) schema.GroupVersionKind {
	for _, gvk := range kinds {
		if gvk.GroupKind() == gk {
			return gvk
		}
	}
	return gk.WithVersion("v1")
}

// all is all that stands in a namespace, and the namespace.
func (s *server) all(namespace string) map[objectID]*unstructured.Unstructured {
	if s.memory != nil {
		return s.memory.All()
	}
	found := map[objectID]*unstructured.Unstructured{}
	for _, gvk := range builtIn {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
		if s.Client.List(context.Background(), list, client.InNamespace(namespace)) != nil {
			continue
		}
		for i := range list.Items {
			found[objectID{GroupKind: gvk.GroupKind(), Namespace: namespace, Name: list.Items[i].GetName()}] = &list.Items[i]
		}
	}
	ns := objectID{GroupKind: kindNamespace, Name: namespace}
	if obj := s.object(ns); obj != nil {
		found[ns] = obj
	}
	return found
}

// drop is a person who deletes an object.
func (s *server) drop(id objectID) {
	if s.memory != nil {
		s.memory.Drop(id)
	} else if obj := s.object(id); obj != nil {
		_ = s.Client.Delete(context.Background(), obj, client.PropagationPolicy(metav1.DeletePropagationBackground))
	}
}

// object is what stands, or nil.
func (s *server) object(id objectID) *unstructured.Unstructured {
	obj := newObject(versionOf(id.GroupKind), id.Namespace, id.Name)
	if s.Client.Get(context.Background(), client.ObjectKeyFromObject(obj), obj) != nil {
		return nil
	}
	return obj
}

// cached is a cache that shows the server as it was at the last sync.
type cached struct {
	*server
	of        *server
	namespace string
}

func newCached(of *server, namespace string) *cached {
	c := &cached{of: of, namespace: namespace}
	c.sync()
	return c
}

// sync lets the cache catch up.
func (c *cached) sync() {
	held := newServer()
	for _, obj := range c.of.all(c.namespace) {
		if _, ours := obj.GetLabels()[instanceLabel]; ours {
			held.memory.Put(seen(obj.DeepCopy()))
		}
	}
	c.server = held
}
