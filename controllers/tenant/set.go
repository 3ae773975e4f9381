package tenant

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apply"
	"github.com/stallkeeper/stallkeeper/controllers/workload"
)

// Set is everything that a tenant should consist of, as it is while the tenant runs: power alone stops it.
type Set struct {
	// Namespace is the tenant's namespace: its name, labels and annotations. The revision's label is written by [Tenants.Shape] and
	// [Tenants.Move] when it is due.
	Namespace *unstructured.Unstructured
	// Owner is the instance; OwnerGone is asked only when the namespace records another one.
	Owner     apply.Owner
	OwnerGone apply.OwnerGone
	// Revision names the revision that the set was rendered from. A Job runs once for each.
	Revision string
	// Groups are applied in their order, the objects within one in parallel. The Job of a hook carries v1alpha1.HookAnnotation.
	Groups [][]*unstructured.Unstructured
	// Stopped says that the tenant is not to run: what power holds is left out, and what is new is made stopped.
	Stopped bool
	// Patches are the product's suspension patches, the same as in the [Wish].
	Patches map[schema.GroupKind][]byte
	// Keep says which objects stay although the set has them no more, because they hold data. Claims stay in any case.
	Keep func(*unstructured.Unstructured) bool
	// Next is the revision that the tenant is to move to, whose Jobs stay on record; empty for none. Besides are the objects that
	// [Tenants.Prepare] has applied for it, which are left alone.
	Next    string
	Besides sets.Set[Key]
	// HashKey is a secret with which the hashes of Secrets are made, because they stand where Secrets may not be read. Without it, Secrets
	// that are not watched are applied in every pass that comes to them.
	HashKey []byte
	// Managers are, by kind of workload, the field managers that the product names, whose additions are no drift.
	Managers Managers
}

// objects are all objects of the set, in order.
func (s Set) objects() []*unstructured.Unstructured { return slices.Concat(s.Groups...) }

func hasHooks(s Set) bool {
	return slices.ContainsFunc(s.objects(), func(obj *unstructured.Unstructured) bool { return hookEvent(obj) != "" })
}

// Wanted are the replicas that the set's workloads set, for [Wish.Wanted]. What an autoscaler of the set scales is left to it.
func (s Set) Wanted() map[Key]int64 {
	wanted := map[Key]int64{}
	scaled := workload.ScaleTargets(s.objects())
	for _, obj := range s.objects() {
		if n, ok := number(obj, "spec", "replicas"); ok && hasReplicas(kindOf(obj)) && !scaled[keyOf(obj).String()] {
			wanted[keyOf(obj)] = n
		}
	}
	return wanted
}

func hasReplicas(kind schema.GroupKind) bool {
	return kind == kindDeployment || kind == kindStatefulSet
}

// content is one object of a set as it is to be applied.
type content struct {
	// obj is applied to what stands; fresh is applied where nothing stands.
	obj, fresh *unstructured.Unstructured
	key        Key
	group      int
}

// contents builds what is applied to what stands. It is pure.
func contents(set Set, st Standing) []content {
	scaled, recreated := workload.ScaleTargets(set.objects()), recreatedOf(st.Namespace)
	var all []content
	for i, group := range set.Groups {
		for _, obj := range group {
			place := contentPlace{namespace: st.Name, group: i, scaled: scaled[keyOf(obj).String()], recreated: recreated[keyOf(obj).String()]}
			if standing := st.Objects[keyOf(obj)]; standing != nil {
				place.patch, _ = annotation(standing, PatchHashAnnotation)
			}
			all = append(all, contentOf(set, obj, place))
		}
	}
	return all
}

// contentPlace is what one object's content depends on besides the set.
type contentPlace struct {
	namespace string
	group     int
	scaled    bool
	recreated *Kept
	// patch is the hash of the suspension patch that power holds on what stands; empty for none.
	patch string
}

func contentOf(s Set, rendered *unstructured.Unstructured, place contentPlace) content {
	obj := rendered.DeepCopy()
	obj.SetNamespace(place.namespace)
	if kindOf(obj) == kindJob {
		labels := obj.GetLabels()
		if labels == nil {
			labels = map[string]string{}
		}
		labels[v1alpha1.RevisionLabel] = s.Revision
		obj.SetLabels(labels)
	}
	fresh := obj.DeepCopy()
	if place.scaled && hasReplicas(kindOf(obj)) {
		// Two that set the number would make it flip: the template's is where the workload begins, and the autoscaler's what follows.
		unstructured.RemoveNestedField(obj.Object, "spec", "replicas")
	}
	hash := s.hashOf(obj)
	if s.Stopped {
		leaveToPower(obj, s.Patches, place.patch)
		madeStopped(fresh, s.Patches)
	}
	if place.recreated != nil {
		place.recreated.restore(fresh)
	}
	if kindOf(fresh) == kindJob {
		// It is set once the end is recorded: the cluster might delete the Job before anyone has seen how it ended.
		unstructured.RemoveNestedField(fresh.Object, ttlPath...)
	}
	setAnnotation(obj, ContentHashAnnotation, hash)
	setAnnotation(fresh, ContentHashAnnotation, hash)
	return content{obj: obj, fresh: fresh, key: keyOf(obj), group: place.group}
}

// hashOf is a hash of a content. That of a Secret tells nothing to those who don't have the key: a short password could be found by
// trying. Without a key it stands on the Secret alone.
func (s Set) hashOf(obj *unstructured.Unstructured) string {
	if kindOf(obj) != kindSecret || len(s.HashKey) == 0 {
		return digest(obj.Object)
	}
	data, err := json.Marshal(obj.Object)
	if err != nil {
		return ""
	}
	mac := hmac.New(sha256.New, s.HashKey)
	mac.Write(data) // a hash never fails
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

// carriedHash is the hash of an object as another one may carry it; empty if it may not.
func (s Set) carriedHash(c content) string {
	if c.key.GroupKind() == kindSecret && len(s.HashKey) == 0 {
		return ""
	}
	hash, _ := annotation(c.obj, ContentHashAnnotation)
	return hash
}

// leaveToPower takes out of a content what power holds. What a patch would set is left to it only while that very patch holds: left out
// because of one that was refused, the revision's own values would be reset.
func leaveToPower(obj *unstructured.Unstructured, patches map[schema.GroupKind][]byte, held string) {
	switch kindOf(obj) {
	case kindDeployment, kindStatefulSet, kindReplicaSet:
		unstructured.RemoveNestedField(obj.Object, "spec", "replicas")
	case kindJob, kindCronJob:
		unstructured.RemoveNestedField(obj.Object, "spec", "suspend")
	case kindHPA:
		if n, ok := number(obj, "spec", "minReplicas"); ok && n == 0 {
			unstructured.RemoveNestedField(obj.Object, "spec", "minReplicas")
		}
	case kindScaledObject, kindScaledJob:
		key, _ := kedaPause(kindOf(obj))
		dropAnnotation(obj, key)
	}
	patch, err := readPatch(patches[kindOf(obj)])
	if err != nil || held != digest(patch) {
		return // power reports it
	}
	for _, path := range patchPaths(patch) {
		unstructured.RemoveNestedField(obj.Object, path...)
	}
}

// madeStopped changes what is applied where nothing stands, so that a tenant which is made while it is stopped does not start a pod:
// it carries what power would set, and what power would keep.
func madeStopped(fresh *unstructured.Unstructured, patches map[schema.GroupKind][]byte) {
	patch, err := readPatch(patches[kindOf(fresh)])
	patched := err == nil && len(patch) > 0
	var kept string
	switch kindOf(fresh) {
	case kindDeployment, kindStatefulSet, kindReplicaSet:
		kept = strconv.FormatInt(replicasOf(fresh), 10)
		set(fresh, int64(0), "spec", "replicas")
	case kindJob, kindCronJob:
		kept = strconv.FormatBool(flag(fresh, "spec", "suspend"))
		set(fresh, true, "spec", "suspend")
	case kindHPA:
		if n, ok := number(fresh, "spec", "minReplicas"); ok && n == 0 {
			kept = "0"
			set(fresh, int64(1), "spec", "minReplicas")
		}
	case kindScaledObject, kindScaledJob:
		key, stop := kedaPause(kindOf(fresh))
		kept = nothing
		if value, ok := annotation(fresh, key); ok {
			kept = value
		}
		setAnnotation(fresh, key, stop)
	default:
		if patched {
			keepFormer(fresh, patch, fresh)
			kept, _ = annotation(fresh, KeptAnnotation)
		}
	}
	if patched {
		sets, _ := split(patch)
		overlayMaps(fresh.Object, sets, true)
		for _, path := range patchPaths(patch) {
			if at(patch, path) == nil {
				unstructured.RemoveNestedField(fresh.Object, path...)
			}
		}
		setAnnotation(fresh, PatchHashAnnotation, digest(patch))
	}
	if kept != "" {
		setAnnotation(fresh, KeptAnnotation, kept)
	}
}

// carries reads [CarriesAnnotation]: the hashes of objects that are not watched, by group, kind and name.
func carries(obj *unstructured.Unstructured) map[string]string {
	found := map[string]string{}
	if obj == nil {
		return found
	}
	value, _ := annotation(obj, CarriesAnnotation)
	for entry := range strings.SplitSeq(value, ",") {
		if name, hash, ok := strings.Cut(entry, "="); ok {
			found[name] = hash
		}
	}
	return found
}

func joinCarries(hashes map[string]string) string {
	var entries []string
	for _, name := range slices.Sorted(maps.Keys(hashes)) {
		entries = append(entries, name+"="+hashes[name])
	}
	return strings.Join(entries, ",")
}

// carriedName names an object in [CarriesAnnotation].
func carriedName(key Key) string {
	if key.Group == "" {
		return key.Kind + "/" + key.Name
	}
	return key.Kind + "." + key.Group + "/" + key.Name
}

// carriesNote is the value of [CarriesAnnotation]; nil for nothing.
func carriesNote(hashes map[string]string) any {
	if len(hashes) == 0 {
		return nil
	}
	return joinCarries(hashes)
}

// carrierOf gives the object of a group that carries the hashes of those in the group that are not watched; the zero Key if there are
// none, or none that could carry them. It is applied after them, so that what it says of them has happened.
func carrierOf(group []content, watched sets.Set[schema.GroupKind]) Key {
	var candidates []Key
	unwatched := false
	for _, c := range group {
		switch kind := c.key.GroupKind(); {
		case !watched.Has(kind):
			unwatched = true
		case kind != kindJob && kind != kindPolicy && kind != kindQuota && kind != kindLimits:
			candidates = append(candidates, c.key) // what keeps tenants apart waits for nothing
		}
	}
	if !unwatched || len(candidates) == 0 {
		return Key{}
	}
	slices.SortFunc(candidates, func(a, b Key) int {
		if first := a.GroupKind() == kindAccount; first != (b.GroupKind() == kindAccount) {
			return map[bool]int{true: -1, false: 1}[first]
		}
		return compareKeys(a, b)
	})
	return candidates[0]
}
