package tenant

import (
	"encoding/json"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Recreated is what [RecreatedAnnotation] holds while StatefulSets are made anew: what stands on them alone, by Kind/name.
type Recreated map[string]*Kept

// Kept is what a workload is made anew with.
type Kept struct {
	// Replicas are those that it had, and Number those that it had before it was stopped, as [KeptAnnotation] says it.
	Replicas int64  `json:"replicas"`
	Number   string `json:"number,omitempty"`
}

// recreatedOf reads the annotation; what can't be read is nothing.
func recreatedOf(ns *unstructured.Unstructured) Recreated {
	found := Recreated{}
	if ns == nil {
		return found
	}
	value, ok := annotation(ns, RecreatedAnnotation)
	if !ok || json.Unmarshal([]byte(value), &found) != nil {
		return Recreated{}
	}
	return found
}

// annotation is the value to store; nil to take it away.
func (r Recreated) annotation() any {
	if len(r) == 0 {
		return nil
	}
	data, err := json.Marshal(r)
	if err != nil {
		return nil
	}
	return string(data)
}

// keptOf is what of a workload would be lost.
func keptOf(obj *unstructured.Unstructured) *Kept {
	kept := &Kept{Replicas: replicasOf(obj)}
	kept.Number, _ = annotation(obj, KeptAnnotation)
	return kept
}

// restore writes it into what is applied where nothing stands. What is made stopped keeps the number, and everything else runs with it.
func (k *Kept) restore(fresh *unstructured.Unstructured) {
	replicas := k.Replicas
	if n, ok := whole(k.Number); ok {
		replicas = n
	}
	if _, stopped := annotation(fresh, KeptAnnotation); stopped {
		setAnnotation(fresh, KeptAnnotation, strconv.FormatInt(replicas, 10))
		return
	}
	set(fresh, replicas, "spec", "replicas")
}
