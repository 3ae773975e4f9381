package apiservertest

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

// request is a request that changes an object.
type request struct {
	before, after        *unstructured.Unstructured
	manager, subresource string
	dryRun               bool
}

// store merges, defaults, validates and stores, and writes the result into the answer.
func (s *Server) store(into runtime.Object, c request, isApply bool) error {
	id := idOf(c.after)
	if err := c.conflict(id); err != nil {
		return err
	}
	obj, err := s.merge(c, isApply)
	if err != nil {
		return apierrors.NewInternalError(err) // as the API server answers what does not have the form of its kind
	}
	defaults(obj)
	if s.Admits != nil {
		s.Admits(obj)
	}
	if err := s.validate(c.before, obj); err != nil {
		return err
	}
	s.seal(c.before, obj)
	if s.Runs != nil {
		s.Runs(obj)
	}
	if c.dryRun {
		return answers(obj, into)
	}
	switch {
	case c.before != nil && same(c.before, obj):
		return answers(c.before, into)
	case obj.GetDeletionTimestamp() != nil && len(obj.GetFinalizers()) == 0:
		s.remove(id, false)
		return answers(obj, into)
	}
	s.version++
	obj.SetResourceVersion(strconv.FormatInt(s.version, 10))
	s.objects[id] = obj
	if s.Stored != nil {
		s.Stored(c.before, obj, c.manager)
	}
	return answers(obj, into)
}

// conflict is what the preconditions of a request say.
func (c request) conflict(id ID) error {
	if c.before == nil {
		return nil
	}
	if uid := c.after.GetUID(); uid != "" && uid != c.before.GetUID() {
		return apierrors.NewConflict(resourceOf(id.GroupKind), id.Name, errors.New("another UID"))
	}
	if v := c.after.GetResourceVersion(); v != "" && v != c.before.GetResourceVersion() {
		return apierrors.NewConflict(resourceOf(id.GroupKind), id.Name, errors.New("the object has been modified"))
	}
	return nil
}

// merge is what a request makes of what stands, with the fields' owners.
func (s *Server) merge(c request, isApply bool) (*unstructured.Unstructured, error) {
	live := c.before
	if live == nil {
		live = &unstructured.Unstructured{Object: map[string]any{}}
		live.SetGroupVersionKind(c.after.GroupVersionKind())
		live.SetNamespace(c.after.GetNamespace())
		live.SetName(c.after.GetName())
	}
	fm, err := s.schemas.managerOf(c.after.GroupVersionKind(), c.subresource)
	if err != nil {
		return nil, err
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
		return nil, err
	}
	obj, ok := merged.(*unstructured.Unstructured)
	if !ok {
		return nil, fmt.Errorf("merging has made a %T", merged)
	}
	return obj, nil
}

// seal sets what the API server sets.
func (s *Server) seal(before, obj *unstructured.Unstructured) {
	entries := obj.GetManagedFields()
	for i := range entries {
		entries[i].Time = nil
	}
	obj.SetManagedFields(entries)
	if before == nil {
		s.version++
		obj.SetUID(types.UID(fmt.Sprintf("uid-%d", s.version)))
		obj.SetCreationTimestamp(metav1.NewTime(s.now().UTC().Truncate(time.Second)))
		obj.SetGeneration(1)
		obj.SetResourceVersion(strconv.FormatInt(s.version, 10))
		return
	}
	obj.SetUID(before.GetUID())
	obj.SetCreationTimestamp(before.GetCreationTimestamp())
	obj.SetDeletionTimestamp(before.GetDeletionTimestamp())
	obj.SetResourceVersion(before.GetResourceVersion())
	obj.SetGeneration(before.GetGeneration())
	if !equality.Semantic.DeepEqual(before.Object["spec"], obj.Object["spec"]) {
		obj.SetGeneration(before.GetGeneration() + 1)
	}
}

func (s *Server) now() time.Time {
	if s.Now == nil {
		return time.Unix(1_700_000_000, 0)
	}
	return s.Now()
}

func same(a, b *unstructured.Unstructured) bool {
	return equality.Semantic.DeepEqual(a.Object, b.Object)
}

func labelsOf(obj *unstructured.Unstructured) labels.Set { return obj.GetLabels() }

// zero empties what an answer is written into.
func zero(into runtime.Object) { reflect.ValueOf(into).Elem().SetZero() }
