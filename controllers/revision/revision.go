package revision

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/hashicorp/golang-lru/v2/expirable"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/template"
	"github.com/stallkeeper/stallkeeper/controllers/workload"
)

// Format numbers what the operator makes out of a revision's content. It is raised with every change of the operator
// that changes the objects of a tenant, so that such a change reaches tenants like any other new revision.
const Format = 1

// Content is everything that decides what a tenant gets, but for the tenant's own inputs. Two equal contents are one
// revision.
type Content struct {
	// Format is the revisionFormat that the content was made for.
	Format int `json:"format"`
	// Chart is the chart archive; empty with Inline. Without both nothing runs.
	Chart []byte `json:"chart,omitempty"`
	// Inline is the inline template; empty with Chart.
	Inline    string                 `json:"inline,omitempty"`
	Plans     []v1alpha1.Plan        `json:"plans"`
	Access    v1alpha1.ProductAccess `json:"access,omitzero"`
	Isolation v1alpha1.Isolation     `json:"isolation,omitzero"`
}

// Data is the data of a ControllerRevision: the content, and what was true when it was cut. It is self-contained, so
// that a tenant can be rendered when the registry is gone and rendered alike after the cluster was upgraded.
type Data struct {
	Content `json:",inline"`
	// CutAt is the time that templates see as now.
	CutAt time.Time `json:"cutAt"`
	// Capabilities are the cluster's.
	Capabilities template.Capabilities `json:"capabilities"`
}

// hasTemplate is false for a product for which nothing runs.
func (c Content) hasTemplate() bool { return len(c.Chart) > 0 || c.Inline != "" }

// ChartDigest is the SHA-256 of the chart's bytes, or of the inline template; empty without a template.
func (c Content) ChartDigest() string {
	if !c.hasTemplate() {
		return ""
	}
	source := c.Chart
	if len(source) == 0 {
		source = []byte(c.Inline)
	}
	sum := sha256.Sum256(source)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Name is the name of the ControllerRevision: the product's name and ten characters of a hash. The product's UID is part of
// it, because the revisions of a product that was deleted and made again are still there while tenants are pinned to them.
func (c Content) Name(product *v1alpha1.MarketplaceProduct) (string, error) {
	raw, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("encoding the revision: %w", err)
	}
	hash := sha256.New()
	hash.Write([]byte(product.UID))
	hash.Write(raw)
	return product.Name + "-" + hex.EncodeToString(hash.Sum(nil))[:10], nil
}

// ContentOf is the content of a product with the source of its template.
func ContentOf(product *v1alpha1.MarketplaceProduct, chart []byte) Content {
	plans := make([]v1alpha1.Plan, len(product.Spec.Plans))
	for i, plan := range product.Spec.Plans {
		plans[i] = *plan.DeepCopy()
		// The lifecycle and the meters hold at once for all tenants, and a change of them is no new revision.
		plans[i].Lifecycle, plans[i].Meters = v1alpha1.Lifecycle{}, nil
	}
	return Content{
		Format: Format, Chart: chart, Inline: product.Spec.Template.Inline,
		Plans: plans, Access: product.Spec.Access, Isolation: product.Spec.Isolation,
	}
}

// Object is the object of a revision.
func Object(product *v1alpha1.MarketplaceProduct, name string, data Data) (*appsv1.ControllerRevision, error) {
	raw, err := json.Marshal(data)
	if err != nil {
		return nil, fmt.Errorf("encoding the revision: %w", err)
	}
	return &appsv1.ControllerRevision{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: product.Namespace, Name: name,
			Labels:     map[string]string{v1alpha1.ProductLabel: product.Name},
			Finalizers: []string{v1alpha1.RevisionFinalizer},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: v1alpha1.GroupVersion.String(), Kind: "MarketplaceProduct", Name: product.Name, UID: product.UID,
			}},
		},
		Data:     runtime.RawExtension{Raw: raw},
		Revision: product.Generation,
	}, nil
}

// Revision is a parsed ControllerRevision. It is immutable.
type Revision struct {
	Name string
	Data Data
	// Template is nil for a product for which nothing runs.
	Template *template.Template
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

// Parse reads a revision's data and loads its template.
func Parse(name string, data Data) (*Revision, error) {
	// What has no format either was not written by us, and is no product without a template.
	if !data.hasTemplate() && data.Format > 0 {
		return &Revision{Name: name, Data: data}, nil
	}
	parsed, err := template.Parse(template.Source{Chart: data.Chart, Inline: data.Inline})
	if err != nil {
		return nil, err
	}
	return &Revision{Name: name, Data: data, Template: parsed}, nil
}

// Cache keeps parsed revisions. ControllerRevisions are not watched: a chart has up to a mebibyte, and a revision
// never changes.
type Cache struct {
	live   client.Reader
	parsed *expirable.LRU[types.NamespacedName, *Revision]
}

// maxParsedRevisions bounds the memory that charts take: a parsed one has a few times its packed size.
const maxParsedRevisions = 64

func NewCache(live client.Reader) *Cache {
	return &Cache{live: live, parsed: expirable.NewLRU[types.NamespacedName, *Revision](maxParsedRevisions, nil, 0)}
}

// Get reads a revision. The error is a NotFound of the API server if there is none.
func (c *Cache) Get(ctx context.Context, key types.NamespacedName) (*Revision, error) {
	if rev, ok := c.parsed.Get(key); ok {
		return rev, nil
	}
	object := &appsv1.ControllerRevision{}
	if err := c.live.Get(ctx, key, object); err != nil {
		return nil, fmt.Errorf("reading ControllerRevision %s: %w", key.Name, err)
	}
	var data Data
	if err := json.Unmarshal(object.Data.Raw, &data); err != nil {
		return nil, fmt.Errorf("reading ControllerRevision %s: %w", key.Name, err)
	}
	rev, err := Parse(key.Name, data)
	if err != nil {
		return nil, fmt.Errorf("loading the template of ControllerRevision %s: %w", key.Name, err)
	}
	c.parsed.Add(key, rev)
	return rev, nil
}

// Policy is what the revision and the product's lifecycle say about the isolation and data of a plan's tenants.
func (r *Revision) Policy(plan v1alpha1.Plan, l v1alpha1.Lifecycle) workload.Policy {
	return workload.Policy{Isolation: r.Data.Isolation, Quota: plan.Quota, DataKinds: l.DataKinds, Suspension: l.Suspension}
}
