package tenant

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	jsonpatch "github.com/evanphx/json-patch/v5"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// server is an API server in memory that knows field ownership, defaults, what can't be changed, and node ports: as much of the real
// one as decides about this package.
type server struct {
	client.Client
	// backend is the real API server that answers in the place of this one; nil for this one.
	backend client.Client
	mu      sync.Mutex
	objects map[objectID]*unstructured.Unstructured
	version int64
	// writes are the requests that were meant to change something, dry runs aside; calls are all requests.
	writes []string
	calls  int
	// before is asked before each request, and may refuse it; after, when it was done, and may lose the answer.
	before, after func(verb string, key Key) error
	// admits changes what is about to be stored, as an admission webhook does.
	admits func(*unstructured.Unstructured)
	// stored is told of what was stored, with what stood before.
	stored func(before, after *unstructured.Unstructured, manager string)
}

type objectID struct {
	schema.GroupKind
	namespace, name string
}

func newServer() *server { return &server{objects: map[objectID]*unstructured.Unstructured{}} }

func idOf(obj client.Object) objectID {
	return objectID{obj.GetObjectKind().GroupVersionKind().GroupKind(), obj.GetNamespace(), obj.GetName()}
}

func (s *server) begin(verb string, id objectID) error {
	s.calls++
	if s.before != nil {
		return s.before(verb, Key{Group: id.Group, Kind: id.Kind, Name: id.name})
	}
	return nil
}

func (s *server) end(verb string, id objectID) error {
	s.writes = append(s.writes, fmt.Sprintf("%s %s/%s", verb, id.Kind, id.name))
	if s.after != nil {
		return s.after(verb, Key{Group: id.Group, Kind: id.Kind, Name: id.name})
	}
	return nil
}

// ended is end for what a backend has answered.
func (s *server) ended(verb string, id objectID, dryRun bool, err error) error {
	if err != nil || dryRun {
		return err
	}
	return s.end(verb, id)
}

func resourceOf(gk schema.GroupKind) schema.GroupResource {
	return schema.GroupResource{Group: gk.Group, Resource: strings.ToLower(gk.Kind) + "s"}
}

func (s *server) Get(ctx context.Context, key client.ObjectKey, into client.Object, options ...client.GetOption) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := objectID{into.GetObjectKind().GroupVersionKind().GroupKind(), key.Namespace, key.Name}
	if err := s.begin("get", id); err != nil {
		return err
	}
	if s.backend != nil {
		return s.backend.Get(ctx, key, into, options...)
	}
	found, ok := s.objects[id]
	if !ok {
		return apierrors.NewNotFound(resourceOf(id.GroupKind), key.Name)
	}
	into.(*unstructured.Unstructured).Object = found.DeepCopy().Object
	return nil
}

func (s *server) List(ctx context.Context, into client.ObjectList, options ...client.ListOption) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.backend != nil {
		if err := s.begin("list", objectID{}); err != nil {
			return err
		}
		return s.backend.List(ctx, into, options...)
	}
	o := client.ListOptions{}
	o.ApplyOptions(options)
	if pods, ok := into.(*corev1.PodList); ok {
		return s.listPods(pods, o.Namespace)
	}
	list := into.(*unstructured.UnstructuredList)
	gvk := list.GroupVersionKind()
	gk := schema.GroupKind{Group: gvk.Group, Kind: strings.TrimSuffix(gvk.Kind, "List")}
	if err := s.begin("list", objectID{GroupKind: gk, namespace: o.Namespace}); err != nil {
		return err
	}
	name := ""
	if o.FieldSelector != nil {
		name, _ = o.FieldSelector.RequiresExactMatch("metadata.name")
	}
	for _, id := range s.ids() {
		if id.GroupKind == gk && (o.Namespace == "" || id.namespace == o.Namespace) && (name == "" || id.name == name) {
			list.Items = append(list.Items, *s.objects[id].DeepCopy())
		}
	}
	return nil
}

func (s *server) listPods(into *corev1.PodList, namespace string) error {
	if err := s.begin("list", objectID{GroupKind: schema.GroupKind{Kind: "Pod"}, namespace: namespace}); err != nil {
		return err
	}
	for _, id := range s.ids() {
		if id.Kind != "Pod" || id.namespace != namespace {
			continue
		}
		pod := corev1.Pod{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(s.objects[id].Object, &pod); err != nil {
			return err
		}
		into.Items = append(into.Items, pod)
	}
	return nil
}

func (s *server) ids() []objectID {
	return slices.SortedFunc(maps.Keys(s.objects), func(a, b objectID) int {
		return strings.Compare(a.String()+a.namespace+a.name, b.String()+b.namespace+b.name)
	})
}

func (s *server) Create(ctx context.Context, obj client.Object, options ...client.CreateOption) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := client.CreateOptions{}
	o.ApplyOptions(options)
	id := idOf(obj)
	if err := s.begin("create", id); err != nil {
		return err
	}
	if s.backend != nil {
		return s.ended("create", id, len(o.DryRun) > 0, s.backend.Create(ctx, obj, options...))
	}
	if _, there := s.objects[id]; there {
		return apierrors.NewAlreadyExists(resourceOf(id.GroupKind), id.name)
	}
	u := obj.(*unstructured.Unstructured)
	return s.answer("create", u, request{nil, u.DeepCopy(), o.FieldManager, len(o.DryRun) > 0}, false)
}

func (s *server) Delete(ctx context.Context, obj client.Object, options ...client.DeleteOption) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := client.DeleteOptions{}
	o.ApplyOptions(options)
	id := idOf(obj)
	if err := s.begin("delete", id); err != nil {
		return err
	}
	if s.backend != nil {
		if o.PropagationPolicy != nil && *o.PropagationPolicy == metav1.DeletePropagationOrphan {
			// No garbage collector runs that would take away the finalizer.
			options = append(options, client.PropagationPolicy(metav1.DeletePropagationBackground))
		}
		return s.ended("delete", id, false, s.backend.Delete(ctx, obj, options...))
	}
	found, ok := s.objects[id]
	if !ok {
		return apierrors.NewNotFound(resourceOf(id.GroupKind), id.name)
	}
	if p := o.Preconditions; p != nil {
		if p.UID != nil && *p.UID != found.GetUID() || p.ResourceVersion != nil && *p.ResourceVersion != found.GetResourceVersion() {
			return apierrors.NewConflict(resourceOf(id.GroupKind), id.name, fmt.Errorf("precondition failed"))
		}
	}
	delete(s.objects, id)
	if o.PropagationPolicy == nil || *o.PropagationPolicy != metav1.DeletePropagationOrphan {
		s.collect(found.GetUID())
	}
	if s.stored != nil {
		s.stored(found, nil, "")
	}
	return s.end("delete", id)
}

// collect is the garbage collector: what another object owned goes with it.
func (s *server) collect(owner types.UID) {
	for id, obj := range s.objects {
		if owner != "" && slices.ContainsFunc(obj.GetOwnerReferences(), func(r metav1.OwnerReference) bool { return r.UID == owner }) {
			delete(s.objects, id)
		}
	}
}

func (s *server) Patch(ctx context.Context, obj client.Object, patch client.Patch, options ...client.PatchOption) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := client.PatchOptions{}
	o.ApplyOptions(options)
	id := idOf(obj)
	if err := s.begin("patch", id); err != nil {
		return err
	}
	if s.backend != nil {
		return s.ended("patch", id, len(o.DryRun) > 0, s.backend.Patch(ctx, obj, patch, options...))
	}
	found, ok := s.objects[id]
	if !ok {
		return apierrors.NewNotFound(resourceOf(id.GroupKind), id.name)
	}
	data, err := patch.Data(obj)
	if err != nil {
		return err
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
	return s.answer("patch", obj.(*unstructured.Unstructured), request{found, patched, o.FieldManager, len(o.DryRun) > 0}, false)
}

func (s *server) Apply(ctx context.Context, config runtime.ApplyConfiguration, options ...client.ApplyOption) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := client.ApplyOptions{}
	o.ApplyOptions(options)
	data, err := json.Marshal(config)
	if err != nil {
		return err
	}
	obj := &unstructured.Unstructured{}
	if err := obj.UnmarshalJSON(data); err != nil {
		return err
	}
	id := idOf(obj)
	if err := s.begin("apply", id); err != nil {
		return err
	}
	if s.backend != nil {
		return s.ended("apply", id, len(o.DryRun) > 0, s.backend.Apply(ctx, config, options...))
	}
	if id.namespace != "" && s.objects[objectID{GroupKind: kindNamespace, name: id.namespace}] == nil {
		return apierrors.NewNotFound(resourceOf(kindNamespace), id.namespace)
	}
	found := s.objects[id]
	if found == nil && obj.GetUID() != "" {
		return apierrors.NewConflict(resourceOf(id.GroupKind), id.name, fmt.Errorf("the object has been deleted"))
	}
	answer := &unstructured.Unstructured{}
	err = s.answer("apply", answer, request{found, obj, o.FieldManager, len(o.DryRun) > 0}, true)
	if err != nil {
		return err
	}
	into, ok := config.(interface{ SetUnstructuredContent(map[string]any) })
	if !ok {
		return fmt.Errorf("%T takes no answer", config)
	}
	into.SetUnstructuredContent(answer.Object)
	return nil
}

// request is a request that changes an object.
type request struct {
	before, after *unstructured.Unstructured
	manager       string
	dryRun        bool
}

// answer merges, defaults, validates and stores, and writes the result into the answer.
func (s *server) answer(verb string, into *unstructured.Unstructured, c request, isApply bool) error {
	id := idOf(c.after)
	if c.before != nil {
		if uid := c.after.GetUID(); uid != "" && uid != c.before.GetUID() {
			return apierrors.NewConflict(resourceOf(id.GroupKind), id.name, fmt.Errorf("another UID"))
		}
		if v := c.after.GetResourceVersion(); v != "" && v != c.before.GetResourceVersion() {
			return apierrors.NewConflict(resourceOf(id.GroupKind), id.name, fmt.Errorf("the object has been modified"))
		}
	}
	live := c.before
	if live == nil {
		live = newObject(c.after.GroupVersionKind(), id.namespace, id.name)
	}
	fm, err := fieldManagerOf(c.after.GroupVersionKind())
	if err != nil {
		return err
	}
	var merged runtime.Object
	if isApply {
		wanted := c.after.DeepCopy()
		unstructured.RemoveNestedField(wanted.Object, "metadata", "managedFields")
		merged, err = fm.Apply(live.DeepCopy(), wanted, c.manager, true)
	} else {
		merged, err = fm.Update(live.DeepCopy(), c.after.DeepCopy(), c.manager)
	}
	if err != nil {
		return apierrors.NewInternalError(err) // as the API server answers what does not have the form of its kind
	}
	obj := merged.(*unstructured.Unstructured)
	s.defaults(obj)
	if s.admits != nil {
		s.admits(obj)
	}
	if err := s.validate(c.before, obj); err != nil {
		return err
	}
	s.seal(c.before, obj)
	if c.dryRun {
		into.Object = obj.DeepCopy().Object
		return nil
	}
	if c.before == nil || !sameObject(c.before, obj) {
		s.version++
		obj.SetResourceVersion(strconv.FormatInt(s.version, 10))
		s.objects[id] = obj
		if s.stored != nil {
			s.stored(c.before, obj, c.manager)
		}
	} else {
		obj = c.before
	}
	into.Object = obj.DeepCopy().Object
	return s.end(verb, id)
}

// seal sets what the API server sets.
func (s *server) seal(before, obj *unstructured.Unstructured) {
	entries := obj.GetManagedFields()
	for i := range entries {
		entries[i].Time = nil
	}
	obj.SetManagedFields(entries)
	if before == nil {
		s.version++
		obj.SetUID(types.UID(fmt.Sprintf("uid-%d", s.version)))
		obj.SetCreationTimestamp(metav1.Unix(1_700_000_000, 0))
		obj.SetGeneration(1)
		obj.SetResourceVersion(strconv.FormatInt(s.version, 10))
		return
	}
	obj.SetUID(before.GetUID())
	obj.SetCreationTimestamp(before.GetCreationTimestamp())
	obj.SetResourceVersion(before.GetResourceVersion())
	obj.SetGeneration(before.GetGeneration())
	if digest(before.Object["spec"]) != digest(obj.Object["spec"]) {
		obj.SetGeneration(before.GetGeneration() + 1)
	}
}

func sameObject(a, b *unstructured.Unstructured) bool { return digest(a.Object) == digest(b.Object) }

var fieldManagers sync.Map

func fieldManagerOf(gvk schema.GroupVersionKind) (*managedfields.FieldManager, error) {
	if found, ok := fieldManagers.Load(gvk); ok {
		return found.(*managedfields.FieldManager), nil
	}
	builtIn, custom := converters()
	newManager := managedfields.NewDefaultFieldManager
	converter := builtIn
	if strings.Contains(gvk.Group, "example.com") || gvk.Group == "keda.sh" || gvk.Group == groupGateway {
		converter, newManager = custom, managedfields.NewDefaultCRDFieldManager
	}
	fm, err := newManager(converter, asItIs{}, asItIs{}, asItIs{}, gvk, gvk.GroupVersion(), "", nil)
	if err == nil {
		fieldManagers.Store(gvk, fm)
	}
	return fm, err
}

// asItIs neither converts nor defaults.
type asItIs struct{}

func (asItIs) Convert(_, _, _ any) error { return fmt.Errorf("nothing is converted here") }
func (asItIs) ConvertToVersion(in runtime.Object, _ runtime.GroupVersioner) (runtime.Object, error) {
	return in, nil
}

func (asItIs) ConvertFieldLabel(_ schema.GroupVersionKind, label, value string) (string, string, error) {
	return label, value, nil
}
func (asItIs) Default(runtime.Object) {}
func (asItIs) New(gvk schema.GroupVersionKind) (runtime.Object, error) {
	return newObject(gvk, "", ""), nil
}

// defaults sets what the API server sets where nothing is said.
func (s *server) defaults(obj *unstructured.Unstructured) {
	missing := func(value any, path ...string) {
		if at(obj.Object, path) == nil {
			set(obj, value, path...)
		}
	}
	switch kindOf(obj) {
	case kindDeployment:
		missing(int64(1), "spec", "replicas")
		missing("RollingUpdate", "spec", "strategy", "type")
		if at(obj.Object, []string{"spec", "strategy", "type"}) == "RollingUpdate" {
			missing("25%", "spec", "strategy", "rollingUpdate", "maxSurge")
			missing("25%", "spec", "strategy", "rollingUpdate", "maxUnavailable")
		}
	case kindStatefulSet:
		missing(int64(1), "spec", "replicas")
		missing("RollingUpdate", "spec", "updateStrategy", "type")
		if at(obj.Object, []string{"spec", "updateStrategy", "type"}) == "RollingUpdate" {
			missing(int64(0), "spec", "updateStrategy", "rollingUpdate", "partition")
		}
	case kindHPA:
		missing(int64(1), "spec", "minReplicas")
	case kindCronJob, kindJob:
		missing(false, "spec", "suspend")
	}
}

// validate refuses what the API server refuses.
func (s *server) validate(before, obj *unstructured.Unstructured) error {
	var problems field.ErrorList
	spec := field.NewPath("spec")
	get := func(o *unstructured.Unstructured, path ...string) any { return at(o.Object, path) }
	switch kindOf(obj) {
	case kindDeployment:
		if get(obj, "spec", "strategy", "type") == "Recreate" && get(obj, "spec", "strategy", "rollingUpdate") != nil {
			problems = append(problems, field.Forbidden(spec.Child("strategy", "rollingUpdate"), "may not be specified when strategy `type` is 'Recreate'"))
		}
	case kindStatefulSet:
		if before != nil && digest(get(before, "spec", "volumeClaimTemplates")) != digest(get(obj, "spec", "volumeClaimTemplates")) {
			problems = append(problems, field.Forbidden(spec, "updates to statefulset spec for fields other than 'replicas' are forbidden"))
		}
	case kindClaim:
		if before != nil {
			if now, next := claimSize(before.Object), claimSize(obj.Object); next.Cmp(now) < 0 {
				problems = append(problems, field.Forbidden(spec.Child("resources", "requests", "storage"), "field can not be less than status.capacity"))
			}
		}
	case schema.GroupKind{Kind: "ConfigMap"}:
		if before != nil && before.Object["immutable"] == true && digest(before.Object["data"]) != digest(obj.Object["data"]) {
			problems = append(problems, field.Forbidden(field.NewPath("data"), "field is immutable when `immutable` is set"))
		}
	case kindService:
		problems = append(problems, s.portProblems(obj)...)
	}
	if len(problems) > 0 {
		return apierrors.NewInvalid(kindOf(obj), obj.GetName(), problems)
	}
	return nil
}

func (s *server) portProblems(obj *unstructured.Unstructured) field.ErrorList {
	var problems field.ErrorList
	list, _ := at(obj.Object, []string{"spec", "ports"}).([]any)
	for i, item := range list {
		port, _ := item.(map[string]any)
		path := field.NewPath("spec", "ports").Index(i)
		if n, _ := port["port"].(int64); n > 65535 {
			problems = append(problems, field.Invalid(path.Child("port"), n, "must be between 1 and 65535, inclusive"))
		}
		for id, other := range s.objects {
			if id.GroupKind == kindService && id.name != obj.GetName() && port["nodePort"] != nil && shares(other, obj, "nodePort") {
				problems = append(problems, field.Invalid(path.Child("nodePort"), port["nodePort"], "provided port is already allocated"))
			}
		}
	}
	return problems
}

// edit changes an object as somebody else does.
func (s *server) edit(id objectID, manager string, change func(*unstructured.Unstructured)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.backend != nil {
		s.editBackend(id, manager, change)
		return
	}
	found, ok := s.objects[id]
	if !ok {
		return
	}
	before := s.before
	after, writes := s.after, s.writes
	s.before, s.after = nil, nil
	edited := found.DeepCopy()
	change(edited)
	_ = s.answer("update", &unstructured.Unstructured{}, request{found, edited, manager, false}, false)
	s.before, s.after, s.writes = before, after, writes
}

func (s *server) editBackend(id objectID, manager string, change func(*unstructured.Unstructured)) {
	found := s.read(id)
	if found == nil {
		return
	}
	change(found)
	if _, ended := found.Object["status"]; ended && id.Kind == "Job" {
		_ = s.backend.Status().Update(context.Background(), found, client.FieldOwner(manager))
		return
	}
	_ = s.backend.Update(context.Background(), found, client.FieldOwner(manager))
}

// read is what stands in the backend, or nil.
func (s *server) read(id objectID) *unstructured.Unstructured {
	obj := newObject(versionOf(id.GroupKind), id.namespace, id.name)
	if s.backend.Get(context.Background(), client.ObjectKeyFromObject(obj), obj) != nil {
		return nil
	}
	return obj
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
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.backend == nil {
		return maps.Clone(s.objects)
	}
	found := map[objectID]*unstructured.Unstructured{}
	for _, gvk := range builtIn {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
		if s.backend.List(context.Background(), list, client.InNamespace(namespace)) != nil {
			continue
		}
		for i := range list.Items {
			found[objectID{gvk.GroupKind(), namespace, list.Items[i].GetName()}] = &list.Items[i]
		}
	}
	ns := objectID{GroupKind: kindNamespace, name: namespace}
	if obj := s.read(ns); obj != nil {
		found[ns] = obj
	}
	return found
}

// drop is a person who deletes an object.
func (s *server) drop(id objectID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.backend == nil {
		delete(s.objects, id)
	} else if obj := s.read(id); obj != nil {
		_ = s.backend.Delete(context.Background(), obj, client.PropagationPolicy(metav1.DeletePropagationBackground))
	}
}

// object is what stands, or nil.
func (s *server) object(id objectID) *unstructured.Unstructured {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.backend != nil {
		return s.read(id)
	}
	if found, ok := s.objects[id]; ok {
		return found.DeepCopy()
	}
	return nil
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
	for id, obj := range c.of.all(c.namespace) {
		if _, ours := obj.GetLabels()[instanceLabel]; ours {
			held.objects[id] = seen(obj.DeepCopy())
		}
	}
	c.server = held
}
