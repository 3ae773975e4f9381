package apiservertest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	jsonpatch "github.com/evanphx/json-patch/v5"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// ID names an object.
type ID struct {
	schema.GroupKind
	Namespace, Name string
}

var (
	kindNamespace   = schema.GroupKind{Kind: "Namespace"}
	errNotSupported = errors.New("the API server in memory does not know this request")
)

// Server is the API server, and a client of it.
type Server struct {
	scheme  *runtime.Scheme
	schemas *Schemas
	mu      sync.Mutex
	objects map[ID]*unstructured.Unstructured
	version int64

	// Now is the time; a fixed one when nil.
	Now func() time.Time
	// Admits changes what is about to be stored, as an admission webhook does.
	Admits func(*unstructured.Unstructured)
	// Runs is the controller of what is about to be stored: it sets the status, at once.
	Runs func(*unstructured.Unstructured)
	// Stored is told of what was stored, with what stood before: nil for what is new or gone.
	Stored func(before, after *unstructured.Unstructured, manager string)
}

var _ client.WithWatch = (*Server)(nil)

// New is an empty API server. scheme knows the types that requests may have.
func New(scheme *runtime.Scheme, schemas *Schemas) *Server {
	return &Server{scheme: scheme, schemas: schemas, objects: map[ID]*unstructured.Unstructured{}}
}

// IDOf names an object of a known kind.
func (s *Server) IDOf(obj client.Object) (ID, error) {
	gvk, err := s.GroupVersionKindFor(obj)
	return ID{gvk.GroupKind(), obj.GetNamespace(), obj.GetName()}, err
}

func resourceOf(gk schema.GroupKind) schema.GroupResource {
	return schema.GroupResource{Group: gk.Group, Resource: strings.ToLower(gk.Kind) + "s"}
}

// Scheme implements client.Client.
func (s *Server) Scheme() *runtime.Scheme { return s.scheme }

// RESTMapper implements client.Client: there is none.
func (s *Server) RESTMapper() meta.RESTMapper { return nil }

// GroupVersionKindFor implements client.Client.
func (s *Server) GroupVersionKindFor(obj runtime.Object) (schema.GroupVersionKind, error) {
	return apiutil.GVKForObject(obj, s.scheme)
}

// IsObjectNamespaced implements client.Client.
func (s *Server) IsObjectNamespaced(obj runtime.Object) (bool, error) {
	gvk, err := s.GroupVersionKindFor(obj)
	return gvk.GroupKind() != kindNamespace, err
}

// Watch implements client.WithWatch: nothing is watched.
func (s *Server) Watch(context.Context, client.ObjectList, ...client.ListOption) (watch.Interface, error) {
	return nil, errNotSupported
}

// DeleteAllOf implements client.Client: it is refused.
func (s *Server) DeleteAllOf(context.Context, client.Object, ...client.DeleteAllOfOption) error {
	return errNotSupported
}

// content is an object as a request carries it.
func (s *Server) content(obj runtime.Object) (*unstructured.Unstructured, error) {
	if u, ok := obj.(*unstructured.Unstructured); ok {
		return u.DeepCopy(), nil
	}
	gvk, err := s.GroupVersionKindFor(obj)
	if err != nil {
		return nil, err
	}
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		return nil, err
	}
	u := &unstructured.Unstructured{Object: fields}
	u.SetGroupVersionKind(gvk)
	if created := u.GetCreationTimestamp(); created.IsZero() {
		unstructured.RemoveNestedField(u.Object, "metadata", "creationTimestamp")
	}
	return u, nil
}

// answers gives an object in the form in which the client wants it.
func answers(from *unstructured.Unstructured, into runtime.Object) error {
	if u, ok := into.(*unstructured.Unstructured); ok {
		u.Object = from.DeepCopy().Object
		return nil
	}
	kind := into.GetObjectKind().GroupVersionKind()
	zero(into)
	err := runtime.DefaultUnstructuredConverter.FromUnstructured(from.Object, into)
	// Clients clear these of typed objects.
	into.GetObjectKind().SetGroupVersionKind(kind)
	return err
}

// Get implements client.Client.
func (s *Server) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	gvk, err := s.GroupVersionKindFor(into)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.objects[ID{gvk.GroupKind(), key.Namespace, key.Name}]
	if !ok {
		return apierrors.NewNotFound(resourceOf(gvk.GroupKind()), key.Name)
	}
	return answers(found, into)
}

// List implements client.Client.
func (s *Server) List(_ context.Context, into client.ObjectList, options ...client.ListOption) error {
	gvk, err := s.GroupVersionKindFor(into)
	if err != nil {
		return err
	}
	o := client.ListOptions{}
	o.ApplyOptions(options)
	gk := schema.GroupKind{Group: gvk.Group, Kind: strings.TrimSuffix(gvk.Kind, "List")}
	name := ""
	if o.FieldSelector != nil {
		name, _ = o.FieldSelector.RequiresExactMatch("metadata.name")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*unstructured.Unstructured
	for _, id := range s.ids() {
		obj := s.objects[id]
		if id.GroupKind == gk && (o.Namespace == "" || id.Namespace == o.Namespace) && (name == "" || id.Name == name) &&
			(o.LabelSelector == nil || o.LabelSelector.Matches(labelsOf(obj))) {
			found = append(found, obj)
		}
	}
	return s.lists(found, into)
}

func (s *Server) lists(found []*unstructured.Unstructured, into client.ObjectList) error {
	if list, ok := into.(*unstructured.UnstructuredList); ok {
		for _, obj := range found {
			list.Items = append(list.Items, *obj.DeepCopy())
		}
		return nil
	}
	items := make([]any, 0, len(found))
	for _, obj := range found {
		items = append(items, obj.Object)
	}
	return runtime.DefaultUnstructuredConverter.FromUnstructured(map[string]any{"items": items}, into)
}

func (s *Server) ids() []ID {
	return slices.SortedFunc(maps.Keys(s.objects), func(a, b ID) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
}

// Create implements client.Client.
func (s *Server) Create(_ context.Context, obj client.Object, options ...client.CreateOption) error {
	o := client.CreateOptions{}
	o.ApplyOptions(options)
	content, err := s.content(obj)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := idOf(content)
	if _, there := s.objects[id]; there {
		return apierrors.NewAlreadyExists(resourceOf(id.GroupKind), id.Name)
	}
	if hasStatus(id.GroupKind) {
		delete(content.Object, "status")
	}
	return s.store(obj, request{nil, content, cmp.Or(o.FieldManager, "test"), "", len(o.DryRun) > 0}, false)
}

// Update implements client.Client.
func (s *Server) Update(_ context.Context, obj client.Object, options ...client.UpdateOption) error {
	o := client.UpdateOptions{}
	o.ApplyOptions(options)
	return s.updates(obj, "", o.FieldManager, len(o.DryRun) > 0)
}

func (s *Server) updates(obj client.Object, subresource, manager string, dryRun bool) error {
	content, err := s.content(obj)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := idOf(content)
	found, ok := s.objects[id]
	if !ok {
		return apierrors.NewNotFound(resourceOf(id.GroupKind), id.Name)
	}
	return s.store(obj, request{found, only(subresource, found, content), cmp.Or(manager, "test"), subresource, dryRun}, false)
}

// only is what a request may change: the status or the number of replicas alone, or all but the status.
func only(subresource string, found, content *unstructured.Unstructured) *unstructured.Unstructured {
	if subresource == "scale" {
		result := found.DeepCopy()
		result.SetResourceVersion(content.GetResourceVersion())
		replicas, _, _ := unstructured.NestedInt64(content.Object, "spec", "replicas")
		_ = unstructured.SetNestedField(result.Object, replicas, "spec", "replicas")
		return result
	}
	from, to := content, found
	if subresource == "" {
		if !hasStatus(idOf(found).GroupKind) {
			return content
		}
		from, to = found, content
	}
	result := to.DeepCopy()
	if subresource != "" {
		// What was read has to be the newest, and of the very object.
		result.SetResourceVersion(content.GetResourceVersion())
		result.SetUID(content.GetUID())
	}
	delete(result.Object, "status")
	if status, ok := from.Object["status"]; ok {
		result.Object["status"] = runtime.DeepCopyJSONValue(status)
	}
	return result
}

// hasStatus says whether the status of a kind is a subresource. The kinds of others, and Pods, which no controller runs here, have none.
func hasStatus(gk schema.GroupKind) bool {
	return gk.Group == "stallkeeper.io" || gk.Group == "apps" && gk.Kind != "ControllerRevision" || gk.Kind == "Namespace"
}

// Delete implements client.Client.
func (s *Server) Delete(_ context.Context, obj client.Object, options ...client.DeleteOption) error {
	o := client.DeleteOptions{}
	o.ApplyOptions(options)
	id, err := s.IDOf(obj)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.objects[id]
	if !ok {
		return apierrors.NewNotFound(resourceOf(id.GroupKind), id.Name)
	}
	if p := o.Preconditions; p != nil {
		if p.UID != nil && *p.UID != found.GetUID() || p.ResourceVersion != nil && *p.ResourceVersion != found.GetResourceVersion() {
			return apierrors.NewConflict(resourceOf(id.GroupKind), id.Name, errors.New("precondition failed"))
		}
	}
	if len(found.GetFinalizers()) > 0 {
		if found.GetDeletionTimestamp() == nil {
			s.marks(id, found)
		}
		return nil
	}
	s.remove(id, o.PropagationPolicy != nil && *o.PropagationPolicy == metav1.DeletePropagationOrphan)
	return nil
}

// marks an object for deletion once its finalizers are gone.
func (s *Server) marks(id ID, found *unstructured.Unstructured) {
	marked := found.DeepCopy()
	now := metav1.NewTime(s.now().UTC().Truncate(time.Second))
	marked.SetDeletionTimestamp(&now)
	marked.SetGeneration(found.GetGeneration() + 1)
	s.version++
	marked.SetResourceVersion(strconv.FormatInt(s.version, 10))
	s.objects[id] = marked
}

// remove takes an object away: a namespace with all that is in it, and what it owned unless that is orphaned.
func (s *Server) remove(id ID, orphans bool) {
	found := s.objects[id]
	delete(s.objects, id)
	if id.GroupKind == kindNamespace {
		maps.DeleteFunc(s.objects, func(of ID, _ *unstructured.Unstructured) bool { return of.Namespace == id.Name })
	}
	if !orphans {
		s.collect(found.GetUID())
	}
	if s.Stored != nil {
		s.Stored(found, nil, "")
	}
}

// collect is the garbage collector: what another object owned goes with it, once its finalizers are gone.
func (s *Server) collect(owner types.UID) {
	if owner == "" {
		return
	}
	for id, obj := range maps.Clone(s.objects) {
		if !slices.ContainsFunc(obj.GetOwnerReferences(), func(r metav1.OwnerReference) bool { return r.UID == owner }) {
			continue
		}
		if len(obj.GetFinalizers()) == 0 {
			delete(s.objects, id)
		} else if obj.GetDeletionTimestamp() == nil {
			s.marks(id, obj)
		}
	}
}

// Patch implements client.Client, with merge patches.
func (s *Server) Patch(_ context.Context, obj client.Object, patch client.Patch, options ...client.PatchOption) error {
	o := client.PatchOptions{}
	o.ApplyOptions(options)
	return s.patches(obj, patch, "", o.FieldManager, len(o.DryRun) > 0)
}

func (s *Server) patches(obj client.Object, patch client.Patch, subresource, manager string, dryRun bool) error {
	id, err := s.IDOf(obj)
	if err != nil {
		return err
	}
	if patch.Type() != types.MergePatchType {
		return errNotSupported
	}
	data, err := patch.Data(obj)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.objects[id]
	if !ok {
		return apierrors.NewNotFound(resourceOf(id.GroupKind), id.Name)
	}
	before, err := json.Marshal(found.Object)
	if err != nil {
		return err
	}
	after, err := jsonpatch.MergePatch(before, data)
	if err != nil {
		return err
	}
	patched := &unstructured.Unstructured{}
	if err := patched.UnmarshalJSON(after); err != nil {
		return err
	}
	return s.store(obj, request{found, only(subresource, found, patched), cmp.Or(manager, "test"), subresource, dryRun}, false)
}

// Apply implements client.Client.
func (s *Server) Apply(_ context.Context, config runtime.ApplyConfiguration, options ...client.ApplyOption) error {
	o := client.ApplyOptions{}
	o.ApplyOptions(options)
	return s.applies(config, "", o.FieldManager, len(o.DryRun) > 0)
}

func (s *Server) applies(config runtime.ApplyConfiguration, subresource, manager string, dryRun bool) error {
	data, err := json.Marshal(config)
	if err != nil {
		return err
	}
	obj := &unstructured.Unstructured{}
	if err := obj.UnmarshalJSON(data); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := idOf(obj)
	if id.Namespace != "" && s.objects[ID{GroupKind: kindNamespace, Name: id.Namespace}] == nil {
		return apierrors.NewNotFound(resourceOf(kindNamespace), id.Namespace)
	}
	found := s.objects[id]
	switch {
	case found == nil && obj.GetUID() != "":
		return apierrors.NewConflict(resourceOf(id.GroupKind), id.Name, errors.New("the object has been deleted"))
	case found == nil && subresource != "":
		return apierrors.NewNotFound(resourceOf(id.GroupKind), id.Name)
	}
	answer := &unstructured.Unstructured{}
	if err := s.store(answer, request{found, obj, manager, subresource, dryRun}, true); err != nil {
		return err
	}
	into, ok := config.(interface{ SetUnstructuredContent(map[string]any) })
	if !ok {
		return fmt.Errorf("%T takes no answer", config)
	}
	into.SetUnstructuredContent(answer.Object)
	return nil
}

// Status implements client.Client.
func (s *Server) Status() client.SubResourceWriter { return status{s} }

// SubResource implements client.Client: there are the status, and scale, which can be patched.
func (s *Server) SubResource(name string) client.SubResourceClient {
	if name == "scale" {
		return scale{status{s}}
	}
	return status{s}
}

// scale is the subresource of this name.
type scale struct{ status }

func (s scale) Patch(_ context.Context, obj client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
	o := client.SubResourcePatchOptions{}
	o.ApplyOptions(options)
	return s.patches(obj, patch, "scale", o.FieldManager, len(o.DryRun) > 0)
}

// status is the subresource of this name.
type status struct{ *Server }

func (s status) Get(context.Context, client.Object, client.Object, ...client.SubResourceGetOption) error {
	return errNotSupported
}

func (s status) Create(context.Context, client.Object, client.Object, ...client.SubResourceCreateOption) error {
	return errNotSupported
}

func (s status) Update(_ context.Context, obj client.Object, options ...client.SubResourceUpdateOption) error {
	o := client.SubResourceUpdateOptions{}
	o.ApplyOptions(options)
	return s.updates(obj, "status", o.FieldManager, len(o.DryRun) > 0)
}

func (s status) Patch(_ context.Context, obj client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
	o := client.SubResourcePatchOptions{}
	o.ApplyOptions(options)
	return s.patches(obj, patch, "status", o.FieldManager, len(o.DryRun) > 0)
}

func (s status) Apply(_ context.Context, config runtime.ApplyConfiguration, options ...client.SubResourceApplyOption) error {
	o := client.SubResourceApplyOptions{}
	o.ApplyOpts(options)
	return s.applies(config, "status", o.FieldManager, len(o.DryRun) > 0)
}

// Edit changes an object as somebody else does, and says whether it stands.
func (s *Server) Edit(id ID, manager string, change func(*unstructured.Unstructured)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.objects[id]
	if !ok {
		return false
	}
	edited := found.DeepCopy()
	change(edited)
	_ = s.store(&unstructured.Unstructured{}, request{found, edited, manager, "", false}, false)
	return true
}

// Put stores an object as it is, and asks nobody.
func (s *Server) Put(obj *unstructured.Unstructured) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[idOf(obj)] = obj.DeepCopy()
}

// Drop takes an object away without a trace, with all that is in it if it is a namespace.
func (s *Server) Drop(id ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.objects[id] != nil {
		s.remove(id, true)
	}
}

// Object is what stands, or nil.
func (s *Server) Object(id ID) *unstructured.Unstructured {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found, ok := s.objects[id]; ok {
		return found.DeepCopy()
	}
	return nil
}

// All is all that stands. What is given must not be changed.
func (s *Server) All() map[ID]*unstructured.Unstructured {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.objects)
}

func idOf(obj *unstructured.Unstructured) ID {
	return ID{obj.GroupVersionKind().GroupKind(), obj.GetNamespace(), obj.GetName()}
}
