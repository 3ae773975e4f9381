package tenant

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/stallkeeper/stallkeeper/controllers/workload"
)

// change is why an object is written to.
type change string

// Changes, in the order in which they are looked for.
const (
	// create: nothing stands.
	create change = "create"
	// recontent: it carries another content.
	recontent change = "content"
	// reown: somebody holds a field of ours.
	reown change = "ownership"
	// revalue: a number or switch that power may take has another value.
	revalue change = "value"
	// unadd: a person has added something.
	unadd change = "addition"
)

// action is one object that is to be written to.
type action struct {
	content
	standing *unstructured.Unstructured
	why      change
	// hold is what power takes over before, so that leaving a field out does not reset it; nil for nothing.
	hold *unstructured.Unstructured
	// clean says that others have added something which is taken away first.
	clean bool
	// applies says that the content is applied; not where others' additions are all that differs.
	applies bool
}

// planShape compares what stands with what is wanted, object by object; Jobs aside, which have a life of their own. It is pure.
func planShape(st Standing, s Set, all []content, expected func(*unstructured.Unstructured) string) []action {
	var actions []action
	for _, c := range all {
		if c.key.GroupKind() == kindJob || !st.watched.Has(c.key.GroupKind()) {
			continue
		}
		if a, ok := planObject(st.Objects[c.key], s, c, expected); ok {
			actions = append(actions, a)
		}
	}
	return actions
}

// planObject says what is to be done about one object, if anything.
func planObject(standing *unstructured.Unstructured, s Set, c content, expected func(*unstructured.Unstructured) string) (action, bool) {
	a := action{content: c, standing: standing, applies: true}
	if standing == nil {
		a.why = create
		return a, true
	}
	a.clean = drifted(standing, s.Managers)
	a.why = differs(standing, s, c, expected)
	switch {
	case a.why == "" && !a.clean:
		return action{}, false
	case a.why == "":
		a.why, a.applies = unadd, false
		return a, true
	}
	a.hold = heldFirst(standing, s, c)
	return a, true
}

// differs says in what an object that stands differs from its content; empty for nothing.
func differs(standing *unstructured.Unstructured, s Set, c content, expected func(*unstructured.Unstructured) string) change {
	hash, _ := annotation(standing, ContentHashAnnotation)
	wanted, _ := annotation(c.obj, ContentHashAnnotation)
	if hash != wanted {
		return recontent
	}
	if c.key.GroupKind() != kindJob {
		if fields, _ := annotation(standing, shapeFields); fields != expected(c.obj) {
			return reown
		}
	}
	if !s.Stopped && valueDiffers(standing, c.obj) {
		return revalue
	}
	return ""
}

// valueDiffers compares those fields of a running tenant whose owner says nothing.
func valueDiffers(standing, wanted *unstructured.Unstructured) bool {
	for _, field := range []string{"replicas", "minReplicas"} {
		if n, ok := number(wanted, "spec", field); ok {
			if now, there := number(standing, "spec", field); !there || now != n {
				return true
			}
		}
	}
	switch kindOf(wanted) {
	case kindCronJob:
		return flag(standing, "spec", "suspend") != flag(wanted, "spec", "suspend")
	case kindScaledObject, kindScaledJob:
		key, _ := kedaPause(kindOf(wanted))
		now, paused := annotation(standing, key)
		want, wants := annotation(wanted, key)
		held, _ := annotation(standing, powerFields)
		return paused != wants && (wants || held != "") || wants && now != want
	}
	return false
}

// heldFirst is what power has to take over before the content is applied: the shape is the only owner of a field that it leaves out
// from now on, and would reset it.
func heldFirst(standing *unstructured.Unstructured, s Set, c content) *unstructured.Unstructured {
	sole, _ := annotation(standing, soleReplicas)
	_, sets := number(c.obj, "spec", "replicas")
	keeps, _ := annotation(standing, shapeKeeps)
	hold := power(standing)
	switch {
	case s.Stopped && keeps == "true":
		stopAgain(standing, hold)
		if n, ok := number(standing, "spec", "minReplicas"); ok && kindOf(standing) == kindHPA {
			set(hold, n, "spec", "minReplicas")
		}
		kept, _ := annotation(standing, KeptAnnotation)
		setAnnotation(hold, KeptAnnotation, kept)
		if patch, err := readPatch(s.Patches[kindOf(standing)]); err == nil && len(patch) > 0 {
			fields, _ := split(patch)
			overlayMaps(hold.Object, fields, false)
			setAnnotation(hold, PatchHashAnnotation, digest(patch))
		}
	case sole == "true" && !sets && hasReplicas(kindOf(standing)):
		set(hold, replicasOf(standing), "spec", "replicas")
		if kept, ok := annotation(standing, KeptAnnotation); ok {
			setAnnotation(hold, KeptAnnotation, kept)
		}
	default:
		return nil
	}
	return hold
}

// isolation are the kinds without which no pod of a tenant may start.
var isolation = sets.New(kindPolicy, kindQuota, kindLimits, kindAccount)

// needs says which of the refused objects an object can't do without: what its pods refer to, and before its first pod whatever keeps
// tenants apart.
func needs(a action, refused sets.Set[Key]) (Key, bool) {
	path := workload.PodTemplatePath(a.key.GroupKind())
	if path == nil || refused.Len() == 0 {
		return Key{}, false
	}
	for _, key := range references(a.obj, path) {
		if refused.Has(key) {
			return key, true
		}
	}
	for key := range refused {
		if a.standing == nil && isolation.Has(key.GroupKind()) {
			return key, true
		}
	}
	return Key{}, false
}

// references are the objects that a pod template names: ConfigMaps, Secrets, claims and its ServiceAccount.
func references(obj *unstructured.Unstructured, path []string) []Key {
	template, _, err := unstructured.NestedFieldNoCopy(obj.Object, append(path, "spec")...)
	if err != nil {
		return nil
	}
	var found []Key
	walk(template, func(field, name string) {
		switch field {
		case "configMapRef", "configMapKeyRef", "configMap":
			found = append(found, Key{Kind: "ConfigMap", Name: name})
		case "secretRef", "secretKeyRef", "secret", "imagePullSecrets":
			found = append(found, Key{Kind: kindSecret.Kind, Name: name})
		case "persistentVolumeClaim":
			found = append(found, Key{Kind: kindClaim.Kind, Name: name})
		case "serviceAccountName":
			found = append(found, Key{Kind: kindAccount.Kind, Name: name})
		}
	})
	return found
}

// walk gives each name in a pod's spec with the field that it stands in.
func walk(value any, visit func(field, name string)) {
	switch v := value.(type) {
	case map[string]any:
		for field, child := range v {
			if name, ok := child.(string); ok && field == "serviceAccountName" {
				visit(field, name)
			}
			if below, ok := child.(map[string]any); ok {
				for _, key := range []string{"name", "secretName", "claimName"} {
					if name, ok := below[key].(string); ok {
						visit(field, name)
					}
				}
			}
			walk(child, visit)
		}
	case []any:
		for _, child := range v {
			walk(child, visit)
		}
	}
}

// volatile says whether deleting an object of a kind loses nothing that could not be made again.
func volatile(kind schema.GroupKind) bool {
	switch kind {
	case kindClaim, kindSecret, kindStatefulSet, kindNamespace, kindJob:
		return false
	}
	return true
}

// heldBack says that an object waits for another one.
func heldBack(key, need Key) Refusal {
	return Refusal{
		Key: key, Reason: ReasonHeldBack, Message: "it needs " + need.String() + ", which was rejected",
		Remedy: "see the blocker of " + strings.TrimSpace(need.String()),
	}
}
