package instance

import (
	"context"
	"testing"

	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/protocol"
	"github.com/stallkeeper/stallkeeper/controllers/render"
	"github.com/stallkeeper/stallkeeper/controllers/revision"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/controllers/template"
)

// counting counts renderings.
type counting struct {
	render.InProcess
	renders *int
}

type counted struct {
	render.Template
	renders *int
}

func (c counting) Load(ctx context.Context, src template.Source) (render.Template, error) {
	loaded, err := c.InProcess.Load(ctx, src)
	return counted{loaded, c.renders}, err
}

func (c counted) Render(ctx context.Context, in template.Inputs) (template.Output, error) {
	*c.renders++
	return c.Template.Render(ctx, in)
}

// A tenant is rendered in each pass in which something has changed. That its buyer's name has an apostrophe costs it more once.
func TestABuyersTextIsNotCheckedInEachPass(t *testing.T) {
	product := salestest.Product(salestest.Values(`{"greeting": "{{ .attributes.company }}"}`))
	objects, err := revision.Objects(product, "shop-1", revision.Data{
		Content: revision.ContentOf(product, revision.Material{}), CutAt: salestest.Day(0), Capabilities: template.Capabilities{KubeVersion: "v1.37.2"},
	})
	if err != nil {
		t.Fatal(err)
	}
	stored := fake.NewClientBuilder().WithScheme(salestest.NewTestScheme(t))
	for _, object := range objects {
		stored = stored.WithObjects(object)
	}
	c, renders := stored.Build(), 0
	r := &Reconciler{APIReader: c, Permissions: salestest.Permissions(), Revisions: revision.NewCache(c, counting{renders: &renders})}
	memory := newMemory()
	pass := func(company string, want int) {
		t.Helper()
		mpi := salestest.Sale(func(mpi *v1alpha1.MarketplaceInstance) {
			mpi.Spec.Subscription.Attributes = []v1alpha1.Attribute{{Name: "company", Value: ptr.To(company)}}
		})
		p := &pass{
			Sale: sale.Of(mpi, product, protocol.Protocol{}, "tenant-acme-x"), memory: memory, secrets: &revision.Secrets{Seed: make([]byte, revision.SeedBytes)},
		}
		renders = 0
		made, problem, err := r.renderRevision(t.Context(), p, "shop-1", client.Reader(c))
		if made == nil || problem != nil || err != nil {
			t.Fatalf("%s: %v, %v", company, problem, err)
		}
		if renders != want {
			t.Errorf("%s: %d renderings, want %d", company, renders, want)
		}
	}
	pass("Sons", 1)
	pass("O'Neil & Sons", 3)
	pass("O'Neil & Sons", 1)
	pass("O'Neil & Sons", 1)
	pass("O'Neil & Daughters", 3)
}
