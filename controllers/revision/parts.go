package revision

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/template"
)

const (
	// maxObjectBytes is the largest encoded revision that one ControllerRevision holds. etcd takes 1.5 MiB in one request; what has been
	// stored whole before there were parts may be larger, and is read as it is.
	maxObjectBytes = 1 << 20
	// partBytes is how much of a chart one part holds. It grows by a third in JSON.
	partBytes = 700 << 10
	// maxChartParts is in how many parts the largest chart is.
	maxChartParts = (template.MaxChartBytes + partBytes - 1) / partBytes
	// maxPartParts bounds the members of an encoded part, which has three.
	maxPartParts = 8
)

// ErrIncomplete: a part of the revision is gone, or is not what was stored. It stays so until the part is restored.
var ErrIncomplete = errors.New("the revision is incomplete")

// partsV1 says in which parts a revision's chart is, and what it must be when they are put together.
type partsV1 struct {
	Count  int    `json:"count"`
	SHA256 string `json:"sha256"`
}

// partV1 is what the ControllerRevision of a part holds.
type partV1 struct {
	Encoding int    `json:"encoding"`
	Part     int    `json:"part"`
	Chart    []byte `json:"chart"`
}

// PartLabel stands on the ControllerRevision of a part: the name of the revision that it belongs to. Lists of revisions leave out what
// has it.
const PartLabel = "stallkeeper.io/part-of-revision"

// partName names the ControllerRevision of a part, counted from 1.
func partName(revision string, number int) string { return fmt.Sprintf("%s-part-%d", revision, number) }

// Objects are the objects of a revision: the ControllerRevision of its name, and those of the parts of a chart that is too large for it.
func Objects(product *v1alpha1.MarketplaceProduct, name string, data Data) ([]*appsv1.ControllerRevision, error) {
	raw, chunks, err := data.split()
	if err != nil {
		return nil, fmt.Errorf("encoding the revision: %w", err)
	}
	whole := object(product, name, raw)
	whole.Annotations = map[string]string{GenerationAnnotation: strconv.FormatInt(product.Generation, 10)}
	all := []*appsv1.ControllerRevision{whole}
	for i, chunk := range chunks {
		raw, err := json.Marshal(partV1{Encoding: encodingV1, Part: i + 1, Chart: chunk})
		if err != nil {
			return nil, fmt.Errorf("encoding a part of the revision: %w", err)
		}
		part := object(product, partName(name, i+1), raw)
		part.Labels[PartLabel] = name
		all = append(all, part)
	}
	return all, nil
}

func object(product *v1alpha1.MarketplaceProduct, name string, raw []byte) *appsv1.ControllerRevision {
	return &appsv1.ControllerRevision{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: product.Namespace, Name: name, Labels: map[string]string{v1alpha1.ProductLabel: product.Name},
			Finalizers: []string{v1alpha1.RevisionFinalizer},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: v1alpha1.GroupVersion.String(), Kind: "MarketplaceProduct", Name: product.Name, UID: product.UID,
			}},
		},
		Data: runtime.RawExtension{Raw: raw}, Revision: product.Generation,
	}
}

// split encodes the data, with the chart beside it in chunks where all of it would be too large for one object.
func (d Data) split() (raw []byte, chunks [][]byte, err error) {
	if raw, err = d.Encode(); err != nil || len(raw) <= maxObjectBytes || len(d.Chart) == 0 {
		return raw, nil, err
	}
	encoded, err := d.encode()
	if err != nil {
		return nil, nil, err
	}
	sum := sha256.Sum256(d.Chart)
	chunks = slices.Collect(slices.Chunk(d.Chart, partBytes))
	encoded.Content.Chart, encoded.Parts = nil, &partsV1{Count: len(chunks), SHA256: hex.EncodeToString(sum[:])}
	raw, err = json.Marshal(encoded)
	return raw, chunks, err
}

// Read reads the data of a revision with all its parts. The error is a NotFound of the API server if there is none of this name, and wraps
// ErrIncomplete or ErrUnreadable.
func Read(ctx context.Context, live client.Reader, key types.NamespacedName) (Data, error) {
	stored := &appsv1.ControllerRevision{}
	if err := live.Get(ctx, key, stored); err != nil {
		return Data{}, fmt.Errorf("reading ControllerRevision %s: %w", key.Name, err)
	}
	data, parts, err := decode(stored.Data.Raw)
	if err != nil {
		return Data{}, fmt.Errorf("reading ControllerRevision %s: %w", key.Name, err)
	}
	if parts == nil {
		return data, nil
	}
	if parts.Count > maxChartParts {
		return Data{}, fmt.Errorf("%w: it names %d parts, and the largest chart has %d: restore ControllerRevision %q from a backup",
			ErrIncomplete, parts.Count, maxChartParts, key.Name)
	}
	for number := 1; number <= parts.Count; number++ {
		name := partName(key.Name, number)
		var part partV1
		stored := &appsv1.ControllerRevision{}
		err := live.Get(ctx, types.NamespacedName{Namespace: key.Namespace, Name: name}, stored)
		switch {
		case apierrors.IsNotFound(err):
			return Data{}, fmt.Errorf("%w: its part %d of %d, ControllerRevision %q, is gone: restore it from a backup", ErrIncomplete, number, parts.Count, name)
		case err != nil:
			return Data{}, fmt.Errorf("reading ControllerRevision %s: %w", name, err)
		case unmarshal(stored.Data.Raw, &part, maxPartParts) != nil || part.Part != number || part.Encoding != encodingV1:
			return Data{}, fmt.Errorf("%w: ControllerRevision %q is not its part %d: restore it from a backup", ErrIncomplete, name, number)
		}
		data.Chart = append(data.Chart, part.Chart...)
	}
	if sum := sha256.Sum256(data.Chart); hex.EncodeToString(sum[:]) != parts.SHA256 {
		return Data{}, fmt.Errorf("%w: what its %d parts hold is not the chart that was stored: restore the ControllerRevisions %s to %s from a backup",
			ErrIncomplete, parts.Count, partName(key.Name, 1), partName(key.Name, parts.Count))
	}
	return data, nil
}
