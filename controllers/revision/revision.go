package revision

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/hashicorp/golang-lru/v2/expirable"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/render"
	"github.com/stallkeeper/stallkeeper/controllers/template"
	"github.com/stallkeeper/stallkeeper/controllers/workload"
)

// Format numbers what the operator makes out of a revision's content. It is raised with every change of the operator
// that changes the objects of a tenant, so that such a change reaches tenants like any other new revision.
const Format = 1

// Content is everything that decides what a tenant gets, but for the tenant's own inputs and the values of Secrets. Two equal contents
// are one revision.
type Content struct {
	// Format is the revision's Format when it was made.
	Format int
	// Chart is the chart archive, Inline an inline template, Files those of a ConfigMap. At most one is set; without any nothing runs.
	Chart  []byte
	Inline string
	Files  map[string]string
	// MissingValues says what a value that is asked for and not there means; never empty with a template.
	MissingValues v1alpha1.MissingValuesPolicy
	// SkipSchema leaves the chart's values.schema.json out.
	SkipSchema bool
	// SkipCRDs leaves the chart's crds/ out.
	SkipCRDs bool
	// ValuesFrom, Values and Set are the product's, Attributes what it declares.
	ValuesFrom []Source
	Values     *runtime.RawExtension
	Set        []v1alpha1.ValueAssignment
	Attributes []v1alpha1.AttributeDeclaration
	// Plans have their name, values, assignments and quota only.
	Plans     []v1alpha1.Plan
	Access    v1alpha1.ProductAccess
	Isolation v1alpha1.Isolation
}

// Data is the data of a ControllerRevision: the content, and what was true when it was cut. It is self-contained, so
// that a tenant can be rendered when the registry is gone and rendered alike after the cluster was upgraded.
type Data struct {
	Content
	// CutAt is the time that templates see as now.
	CutAt time.Time
	// Capabilities are the cluster's.
	Capabilities template.Capabilities
}

// Material is what a product's content is made from besides its spec.
type Material struct {
	// Chart is the chart archive, Files the ConfigMap's, for a template of that kind.
	Chart []byte
	Files map[string]string
	// Sources are valuesFrom.
	Sources []Source
}

// hasTemplate is false for a product for which nothing runs.
func (c Content) hasTemplate() bool { return len(c.Chart) > 0 || c.Inline != "" || len(c.Files) > 0 }

// ChartDigest is the SHA-256 of the chart's bytes; empty for a template that is no chart.
func (c Content) ChartDigest() string {
	if len(c.Chart) == 0 {
		return ""
	}
	sum := sha256.Sum256(c.Chart)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Name is the name of the ControllerRevision: the product's name and ten characters of a hash. The product's UID is part of
// it, because the revisions of a product that was deleted and made again are still there while tenants are pinned to them.
func (c Content) Name(product *v1alpha1.MarketplaceProduct) (string, error) {
	encoded, err := c.encode()
	if err != nil {
		return "", err
	}
	raw, err := json.Marshal(encoded)
	if err != nil {
		return "", fmt.Errorf("encoding the revision: %w", err)
	}
	hash := sha256.New()
	hash.Write([]byte(product.UID))
	hash.Write(raw)
	return product.Name + "-" + hex.EncodeToString(hash.Sum(nil))[:10], nil
}

// ContentOf is the content of a product with what its template and values are made from.
func ContentOf(product *v1alpha1.MarketplaceProduct, m Material) Content {
	spec := product.Spec.DeepCopy()
	c := Content{
		Format: Format, Chart: m.Chart, Inline: spec.Template.Inline, Files: m.Files, ValuesFrom: m.Sources,
		Values: spec.Values, Set: spec.Set, Attributes: spec.Attributes, Access: spec.Access, Isolation: spec.Isolation,
	}
	for _, plan := range spec.Plans {
		// Listings, rank, lifecycle and meters hold at once for all tenants, and a change of them is no new revision.
		c.Plans = append(c.Plans, v1alpha1.Plan{Name: plan.Name, Values: plan.Values, Set: plan.Set, Quota: plan.Quota})
	}
	c.SkipSchema = spec.Template.Chart.ValuesSchema == v1alpha1.ValuesSchemaSkip
	c.SkipCRDs = spec.Template.Chart.CRDs == v1alpha1.CRDsSkip
	if c.hasTemplate() {
		c.MissingValues = spec.Template.MissingValues
		if c.MissingValues == "" {
			c.MissingValues = v1alpha1.MissingValuesFail
			if len(c.Chart) > 0 {
				c.MissingValues = v1alpha1.MissingValuesWarn
			}
		}
	}
	return c
}

// GenerationAnnotation stands on a ControllerRevision: the generation of the product that made it the latest one. The newest one of a
// product is found by it when the product's status is lost.
const GenerationAnnotation = "stallkeeper.io/product-generation"

// Revision is a parsed ControllerRevision. It is immutable.
type Revision struct {
	Name string
	Data Data
	// Template is nil for a product for which nothing runs.
	Template render.Template
	renderer render.Renderer
}

// Plan finds a plan by its name.
func (r *Revision) Plan(name string) (v1alpha1.Plan, bool) {
	for _, plan := range r.Data.Plans {
		if plan.Name == name {
			return plan, true
		}
	}
	return v1alpha1.Plan{}, false
}

// Parse loads the template of a revision's data.
func Parse(ctx context.Context, renderer render.Renderer, name string, data Data) (*Revision, error) {
	rev := &Revision{Name: name, Data: data, renderer: renderer}
	if !data.hasTemplate() {
		return rev, nil
	}
	var err error
	rev.Template, err = renderer.Load(ctx, template.Source{Chart: data.Chart, Inline: data.Inline, Files: data.Files})
	if err != nil {
		return nil, err
	}
	return rev, nil
}

// Cache keeps parsed revisions. ControllerRevisions are not watched: a chart has up to some mebibytes, and a revision
// never changes.
type Cache struct {
	live     client.Reader
	renderer render.Renderer
	parsed   *expirable.LRU[types.NamespacedName, *Revision]
}

// maxParsedRevisions bounds the memory that charts take: a parsed one has a few times its packed size.
const maxParsedRevisions = 64

// NewCache is an empty cache over what is read live.
func NewCache(live client.Reader, renderer render.Renderer) *Cache {
	return &Cache{live: live, renderer: renderer, parsed: expirable.NewLRU[types.NamespacedName, *Revision](maxParsedRevisions, nil, 0)}
}

// Get reads a revision. The error is a NotFound of the API server if there is none, and wraps ErrIncomplete or ErrUnreadable.
func (c *Cache) Get(ctx context.Context, key types.NamespacedName) (*Revision, error) {
	if rev, ok := c.parsed.Get(key); ok {
		return rev, nil
	}
	data, err := Read(ctx, c.live, key)
	if err != nil {
		return nil, err
	}
	rev, err := Parse(ctx, c.renderer, key.Name, data)
	if err != nil {
		return nil, fmt.Errorf("loading the template of ControllerRevision %s: %w", key.Name, err)
	}
	c.parsed.Add(key, rev)
	return rev, nil
}

// Policy is what the revision and the product's lifecycle say about the isolation and data of a plan's tenants.
func (r *Revision) Policy(plan v1alpha1.Plan, l v1alpha1.ProductLifecycle) workload.Policy {
	return workload.Policy{Isolation: r.Data.Isolation, Quota: plan.Quota, DataKinds: l.DataKinds, Suspension: l.SuspensionPatches}
}

// Shown is the MarketplaceRevision that shows a revision. It is owned by its ControllerRevision's product and goes with the former.
func Shown(product *v1alpha1.MarketplaceProduct, name string) *v1alpha1.MarketplaceRevision {
	return &v1alpha1.MarketplaceRevision{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: product.Namespace, Name: name, Labels: map[string]string{v1alpha1.ProductLabel: product.Name},
		},
		Spec: v1alpha1.MarketplaceRevisionSpec{
			ProductRef: v1alpha1.ProductReference{Name: product.Name}, ContentRef: v1alpha1.RevisionContentReference{Name: name},
		},
	}
}
