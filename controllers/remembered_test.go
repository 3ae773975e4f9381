package controllers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/stallkeeper/stallkeeper/controllers/render"
	"github.com/stallkeeper/stallkeeper/controllers/template"
)

// remembered renders in the process what it has not rendered before. A product's check takes longer than all else that happens to a sale,
// and each process of a sequence makes it anew.
type remembered struct {
	render.InProcess
	answers *lru.Cache[string, any]
}

// renderings are shared by all sequences.
var renderings = func() remembered {
	answers, err := lru.New[string, any](16384)
	if err != nil {
		panic(err)
	}
	return remembered{answers: answers}
}()

// answer is the result of a function, which is called once for the same question. A question that has no JSON is asked anew.
func answer[T any](r remembered, question []any, ask func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	key, err := digestOf(question)
	if err != nil {
		return ask()
	}
	if known, ok := r.answers.Get(key); ok {
		return known.(result).value, known.(result).err
	}
	var now result
	now.value, now.err = ask()
	r.answers.Add(key, now)
	return now.value, now.err
}

// digestOf is the digest of a value's JSON.
func digestOf(value any) (string, error) {
	text, err := json.Marshal(value)
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), err
}

func (r remembered) Load(ctx context.Context, src template.Source) (render.Template, error) {
	loaded, err := answer(r, []any{"load", src}, func() (render.Template, error) { return r.InProcess.Load(ctx, src) })
	if err != nil {
		return nil, err
	}
	digest, err := digestOf(src)
	return rememberedTemplate{r, digest, loaded}, err
}

func (r remembered) EvaluateString(ctx context.Context, name, text string, scope map[string]any) (string, error) {
	return answer(r, []any{"string", name, text, scope}, func() (string, error) { return r.InProcess.EvaluateString(ctx, name, text, scope) })
}

func (r remembered) EvaluateValues(ctx context.Context, values, scope map[string]any) (map[string]any, error) {
	out, err := answer(r, []any{"values", values, scope}, func() (map[string]any, error) { return r.InProcess.EvaluateValues(ctx, values, scope) })
	return runtime.DeepCopyJSON(out), err
}

type rememberedTemplate struct {
	of     remembered
	digest string
	loaded render.Template
}

func (t rememberedTemplate) Render(ctx context.Context, in template.Inputs) (template.Output, error) {
	asked := in
	asked.Now = time.Time{} // no template of a sequence asks for it
	out, err := answer(t.of, []any{"render", t.digest, asked}, func() (template.Output, error) { return t.loaded.Render(ctx, in) })
	objects := make([]template.Object, len(out.Objects))
	for i, object := range out.Objects { // callers change what they get
		objects[i] = object
		objects[i].Unstructured = object.Unstructured.DeepCopy()
	}
	if out.Objects != nil {
		out.Objects = objects
	}
	return out, err
}
