package template

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// maxRounds bounds how often a template is rendered until all that it prints is a value.
const maxRounds = 4

// rendering is one template with one tenant's inputs.
type rendering struct {
	template *Template
	in       Inputs
	values   map[string]any
	caps     capabilities
	report   *reporter
	derived  map[string]string
}

// pass is what one run through the engine gives.
type pass struct {
	*session
	output Output
}

// pass runs the engine. The chart and what it sees are made anew, because a template can change both.
func (r *rendering) pass(prepare func(*session)) (pass, error) {
	ch, top, err := r.template.enabled(r.in, r.values, r.caps, r.report)
	if err != nil {
		return pass{}, err
	}
	s := r.session(top)
	prepare(s)
	files, err := s.run(ch, top)
	r.report.secrets = append(r.report.secrets, s.secrets...)
	for _, key := range sortedKeys(s.changing.made) {
		r.report.secrets = append(r.report.secrets, s.changing.made[key].Value)
	}
	r.report.hidden = nil
	if err != nil {
		return pass{session: s}, r.report.execution(err)
	}
	output, err := r.collect(files, ch)
	output.Missing, output.Evaluated = s.missing.list(), s.evaluated
	return pass{session: s, output: output}, err
}

// render makes the objects in as few passes as it takes: one, unless a function with changing results matters.
func (r *rendering) render() (Output, error) {
	first, err := r.pass(func(*session) {})
	if first.session == nil || len(first.changing.calls) == 0 {
		return first.output, err
	}
	ends := map[int][]ending{}
	need := map[int]bool{}
	if err == nil {
		ends = endings(first.output.Objects)
		need = needed(first.changing.calls, ends)
		if len(need) == 0 {
			return first.output, nil
		}
	}
	if r.in.Kept == nil {
		if err == nil {
			err = r.unkept(first.changing.calls, need)
		}
		return Output{}, err
	}
	return r.keeping(first.changing.calls, need, ends)
}

// unkept says which call's result would change.
func (r *rendering) unkept(calls []*call, need map[int]bool) error {
	for n, made := range calls {
		if need[n] {
			return fmt.Errorf("%s:%d: %w", made.file, made.line, changes(made.function))
		}
	}
	return nil
}

// keeping renders with the values that are kept, and makes those that are missing.
func (r *rendering) keeping(calls []*call, need map[int]bool, ends map[int][]ending) (Output, error) {
	for n, made := range calls {
		if need[n] && made.function == neverKept {
			return Output{}, fmt.Errorf("%s:%d: %w", made.file, made.line, changes(made.function))
		}
	}
	filled, k, err := r.bound(calls, need, ends, r.in.Kept, nil)
	if err != nil {
		return Output{}, err
	}
	k.note(filled.output.Objects, false)
	output, made := filled.output, k.changed()
	if secrets := k.seen(filled.output.Objects, r.in.Namespace); filled.looksFor(secrets) {
		// A template that looks for a Secret of its own would see what stands there.
		if again, more, err := r.seeing(secrets, r.in.Kept.With(made)); err == nil {
			output, made = withSecrets(again, filled.output.Objects, secrets), made.With(more)
		}
	}
	if len(made) > 0 {
		output.Made = made
	}
	if _, err := EncodeKept(r.in.Kept.With(output.Made)); err != nil {
		return Output{}, err
	}
	return output, nil
}

// bound renders with the values of the calls, and holds Secrets to what they were.
func (r *rendering) bound(calls []*call, need map[int]bool, ends map[int][]ending, kept Kept, secrets map[string]any,
) (pass, *keeper, error) {
	bound := binding(calls, need, ends, kept)
	idle := map[string]bool{}
	for n, made := range calls {
		// After a first rendering that failed nothing is known, and every call gets a value.
		if !need[n] && len(ends)+len(need) > 0 {
			idle[made.id] = true
		}
	}
	k := &keeper{kept: kept, made: Kept{}, calls: calls, bound: bound, ends: ends}
	filled, err := r.settle(func(s *session) {
		s.changing.bound, s.changing.idle, s.changing.kept, s.changing.made = bound, idle, kept, k.made
		s.secretsSeen, s.asked = secrets, map[string]bool{}
	}, idle)
	if err == nil {
		k.enforce(filled.output.Objects)
	}
	return filled, k, err
}

// seeing renders for a template that finds its Secrets. Which of its calls come to pass differs from a rendering in which it finds
// none, so that they are followed anew.
func (r *rendering) seeing(secrets map[string]any, kept Kept) (Output, Kept, error) {
	first, err := r.pass(func(s *session) { s.secretsSeen, s.asked = secrets, map[string]bool{} })
	if err != nil {
		return Output{}, nil, err
	}
	ends := endings(first.output.Objects)
	need := needed(first.changing.calls, ends)
	if len(need) == 0 {
		return first.output, nil, nil
	}
	filled, k, err := r.bound(first.changing.calls, need, ends, kept, secrets)
	if err != nil {
		return Output{}, nil, err
	}
	k.note(filled.output.Objects, true)
	return filled.output, k.changed(), nil
}

// settle renders until no mark is left: a call that was idle by the first rendering may matter by the second one, because what is
// rendered can depend on the values.
func (r *rendering) settle(prepare func(*session), idle map[string]bool) (pass, error) {
	for range maxRounds {
		p, err := r.pass(prepare)
		if err != nil {
			return p, err
		}
		left := needed(p.changing.calls, endings(p.output.Objects))
		before := len(idle)
		for n, made := range p.changing.calls {
			if left[n] {
				delete(idle, made.id)
			}
		}
		if len(idle) == before {
			return p, nil
		}
	}
	return pass{}, fmt.Errorf("what the template makes of its random values changes with them; " +
		"use {{ tenantSecret \"name\" }} instead")
}

// looksFor says whether one of the Secrets was looked up.
func (p pass) looksFor(secrets map[string]any) bool {
	for name := range p.asked {
		if _, ok := secrets[name]; ok || name == "" && len(secrets) > 0 {
			return true
		}
	}
	return false
}

// withSecrets puts back the Secrets that a template leaves out because they stand: what is not in its objects would be deleted.
func withSecrets(output Output, before []Object, secrets map[string]any) Output {
	for _, object := range before {
		if _, ours := secrets[object.GetName()]; !ours || !isSecret(object) {
			continue
		}
		there := slices.ContainsFunc(output.Objects, func(o Object) bool { return isSecret(o) && o.GetName() == object.GetName() })
		if !there {
			output.Objects = slices.Insert(output.Objects, firstHook(output.Objects, object), object)
		}
	}
	return output
}

// firstHook is the place at which an object belongs: before the hooks, or at the begin of them if it is one.
func firstHook(objects []Object, _ Object) int {
	for i, object := range objects {
		if len(object.Events) > 0 {
			return i
		}
	}
	return len(objects)
}

// keeper notes where values ended, and holds Secrets to what they were.
type keeper struct {
	kept, made Kept
	calls      []*call
	bound      map[string]string
	ends       map[int][]ending
	// updated are values that ended in another field, or were asked for at another place, than before.
	updated Kept
}

// eachSecret visits the fields of Secrets that calls end in.
func (k *keeper) eachSecret(objects []Object, visit func(object Object, key, name string, end ending)) {
	byName := map[string]Object{}
	for _, object := range objects {
		if isSecret(object) {
			byName[object.GetName()] = object
		}
	}
	for n, made := range k.calls {
		for _, end := range k.ends[n] {
			parts := strings.SplitN(end.name, "/", 3)
			if object, ok := byName[parts[1]]; ok && end.secret {
				visit(object, parts[2], k.bound[made.id], end)
			}
		}
	}
}

// enforce sets what ended in a Secret before, whatever the template makes of the value now.
func (k *keeper) enforce(objects []Object) {
	k.eachSecret(objects, func(object Object, key, name string, end ending) {
		value, ok := k.kept[name]
		if _, anew := k.made[name]; !ok || anew || !end.sole {
			return
		}
		if text, ok := value.formed(value.Places[end.name]); ok {
			setSecret(object, key, text)
		}
	})
}

// note keeps with every value, or with the new ones only, where it ended and which place asked for it.
func (k *keeper) note(objects []Object, newOnly bool) {
	k.updated = Kept{}
	forms := map[string]string{}
	k.eachSecret(objects, func(object Object, key, name string, end ending) {
		forms[end.name] = k.value(name).form(secretTexts(object)[key], end.sole)
	})
	for n, made := range k.calls {
		name, ok := k.bound[made.id]
		if !ok {
			continue
		}
		value := k.value(name)
		if _, isNew := k.made[name]; value.Function == "" || newOnly && !isNew {
			continue // it was bound and not asked for, or is known by the rendering before
		}
		places := maps.Clone(value.Places)
		if places == nil {
			places = map[string]string{}
		}
		for _, end := range k.ends[n] {
			if _, known := places[end.name]; !known && len(places) < maxPlaces {
				places[end.name] = forms[end.name]
			}
		}
		if value.Site != made.id || !maps.Equal(places, value.Places) {
			value.Site, value.Places = made.id, places
			k.updated[name] = value
		}
	}
}

func (k *keeper) value(name string) KeptValue {
	if value, ok := k.made[name]; ok {
		return value
	}
	return k.kept[name]
}

// changed are the values to keep.
func (k *keeper) changed() Kept { return k.made.With(k.updated) }

// seen are the tenant's Secrets that hold a value of a call, as lookup shows them.
func (k *keeper) seen(objects []Object, namespace string) map[string]any {
	secrets := map[string]any{}
	k.eachSecret(objects, func(object Object, _, _ string, _ ending) {
		if secrets[object.GetName()] != nil {
			return
		}
		shown, _ := copyPlain(object.Object).(map[string]any)
		data := map[string]any{}
		for key, text := range secretTexts(object) {
			data[key] = base64.StdEncoding.EncodeToString([]byte(text))
		}
		delete(shown, "stringData")
		shown["data"] = data
		if shown["type"] == nil {
			shown["type"] = "Opaque"
		}
		if metadata, ok := shown["metadata"].(map[string]any); ok {
			metadata["namespace"] = namespace
		}
		secrets[object.GetName()] = shown
	})
	return secrets
}
