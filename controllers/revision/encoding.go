package revision

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/quantity"
	"github.com/stallkeeper/stallkeeper/controllers/template"
	"github.com/stallkeeper/stallkeeper/stored"
)

// encodingV1 numbers the only encoding so far. The types of this file are frozen: a field, a name or an order that changes here gives
// every product another revision, and moves every tenant at the upgrade of the operator. What is new comes as a field that is left out
// while it is not set.
const encodingV1 = 1

// maxParts bounds the members and elements of an encoded revision, but for its values: 32 plans with 32 assignments of four members and a
// quota of 64 have 6,144, and the others are for API versions and files. maxPlans is what the API server lets a product have.
const (
	maxParts = 1 << 16
	maxPlans = 32
)

// ErrUnreadable: the bytes are not those of a revision, or of a later version of the operator.
var ErrUnreadable = errors.New("the revision can't be read by this version of Stallkeeper")

// dataV1 is what a ControllerRevision holds.
type dataV1 struct {
	Encoding     int            `json:"encoding"`
	Content      contentV1      `json:"content"`
	Parts        *partsV1       `json:"parts,omitempty"`
	CutAt        time.Time      `json:"cutAt"`
	Capabilities capabilitiesV1 `json:"capabilities"`
}

type capabilitiesV1 struct {
	KubeVersion string   `json:"kubeVersion"`
	APIVersions []string `json:"apiVersions,omitempty"`
}

// contentV1 is Content. Its JSON is hashed: lists whose order means nothing are sorted, and values have sorted keys.
type contentV1 struct {
	Format        int               `json:"format"`
	Chart         []byte            `json:"chart,omitempty"`
	Inline        string            `json:"inline,omitempty"`
	Files         map[string]string `json:"files,omitempty"`
	MissingValues string            `json:"missingValues,omitempty"`
	SkipSchema    bool              `json:"skipSchema,omitempty"`
	SkipCRDs      bool              `json:"skipCRDs,omitempty"`
	ValuesFrom    []sourceV1        `json:"valuesFrom,omitempty"`
	Values        json.RawMessage   `json:"values,omitempty"`
	Set           []assignmentV1    `json:"set,omitempty"`
	Attributes    []attributeV1     `json:"attributes,omitempty"`
	Plans         []planV1          `json:"plans"`
	Access        *accessV1         `json:"access,omitempty"`
	Isolation     *isolationV1      `json:"isolation,omitempty"`
}

// sourceV1 has Values of a ConfigMap, or the name and key of a Secret.
type sourceV1 struct {
	Values     json.RawMessage `json:"values,omitempty"`
	SecretName string          `json:"secretName,omitempty"`
	SecretKey  string          `json:"secretKey,omitempty"`
}

type assignmentV1 struct {
	Path      string `json:"path"`
	From      string `json:"from"`
	Attribute string `json:"attribute,omitempty"`
	As        string `json:"as,omitempty"`
}

type attributeV1 struct {
	Name    string  `json:"name"`
	Default *string `json:"default,omitempty"`
}

type planV1 struct {
	Name   string            `json:"name"`
	Values json.RawMessage   `json:"values,omitempty"`
	Set    []assignmentV1    `json:"set,omitempty"`
	Quota  map[string]string `json:"quota,omitempty"`
}

type accessV1 struct {
	FrontEndURL string `json:"frontEndURL,omitempty"`
	AdminURL    string `json:"adminURL,omitempty"`
	UserName    string `json:"userName,omitempty"`
	Memo        string `json:"memo,omitempty"`
}

type isolationV1 struct {
	PodSecurityLevel      string   `json:"podSecurityLevel,omitempty"`
	IngressFromNamespaces []string `json:"ingressFromNamespaces,omitempty"`
	Egress                string   `json:"egress,omitempty"`
	APIAccess             string   `json:"apiAccess,omitempty"`
}

// encode is the frozen form of a content.
func (c Content) encode() (contentV1, error) {
	out := contentV1{
		Format: c.Format, Chart: c.Chart, Inline: c.Inline, Files: c.Files, MissingValues: string(c.MissingValues),
		SkipSchema: c.SkipSchema, SkipCRDs: c.SkipCRDs,
		Set: assignmentsV1(c.Set), Plans: []planV1{},
	}
	var errs []error
	for _, source := range c.ValuesFrom {
		values, err := canonical(source.Values)
		errs = append(errs, err)
		out.ValuesFrom = append(out.ValuesFrom, sourceV1{Values: values, SecretName: source.Secret.Name, SecretKey: source.Secret.Key})
	}
	var err error
	out.Values, err = canonical(rawOf(c.Values))
	errs = append(errs, err)
	for _, attribute := range c.Attributes {
		out.Attributes = append(out.Attributes, attributeV1{attribute.Name, attribute.Default})
	}
	slices.SortFunc(out.Attributes, func(a, b attributeV1) int { return strings.Compare(a.Name, b.Name) })
	for _, plan := range c.Plans {
		values, err := canonical(rawOf(plan.Values))
		errs = append(errs, err)
		encoded := planV1{Name: plan.Name, Values: values, Set: assignmentsV1(plan.Set)}
		for name, quantity := range plan.Quota {
			if encoded.Quota == nil {
				encoded.Quota = map[string]string{}
			}
			encoded.Quota[name] = quantity.String()
		}
		out.Plans = append(out.Plans, encoded)
	}
	slices.SortFunc(out.Plans, func(a, b planV1) int { return strings.Compare(a.Name, b.Name) })
	if a := c.Access; a != (v1alpha1.ProductAccess{}) {
		out.Access = &accessV1{a.FrontEndURL, a.AdminURL, a.UserName, a.Memo}
	}
	if i := c.Isolation; i.PodSecurityLevel != "" || len(i.IngressFromNamespaces) > 0 || i.Egress != "" || i.APIAccess != "" {
		from := slices.Clone(i.IngressFromNamespaces)
		slices.Sort(from)
		out.Isolation = &isolationV1{string(i.PodSecurityLevel), from, string(i.Egress), string(i.APIAccess)}
	}
	return out, errors.Join(errs...)
}

// decode is the content of a frozen form.
func (e contentV1) decode() (Content, error) {
	c := Content{
		Format: e.Format, Chart: e.Chart, Inline: e.Inline, Files: e.Files, MissingValues: v1alpha1.MissingValuesPolicy(e.MissingValues),
		SkipSchema: e.SkipSchema, SkipCRDs: e.SkipCRDs,
		Values: extension(e.Values), Set: assignments(e.Set),
	}
	for _, source := range e.ValuesFrom {
		c.ValuesFrom = append(c.ValuesFrom, Source{
			Values: source.Values, Secret: v1alpha1.SecretKeyReference{Name: source.SecretName, Key: source.SecretKey},
		})
	}
	for _, attribute := range e.Attributes {
		c.Attributes = append(c.Attributes, v1alpha1.AttributeDeclaration{Name: attribute.Name, Default: attribute.Default})
	}
	for _, encoded := range e.Plans {
		plan := v1alpha1.Plan{Name: encoded.Name, Values: extension(encoded.Values), Set: assignments(encoded.Set)}
		for name, text := range encoded.Quota {
			parsed, err := quantity.Parse(text)
			if err != nil {
				return Content{}, fmt.Errorf("%w: quota %s of plan %q is not a quantity", ErrUnreadable, name, encoded.Name)
			}
			if plan.Quota == nil {
				plan.Quota = v1alpha1.ResourceList{}
			}
			plan.Quota[name] = parsed
		}
		c.Plans = append(c.Plans, plan)
	}
	if a := e.Access; a != nil {
		c.Access = v1alpha1.ProductAccess{FrontEndURL: a.FrontEndURL, AdminURL: a.AdminURL, UserName: a.UserName, Memo: a.Memo}
	}
	if i := e.Isolation; i != nil {
		c.Isolation = v1alpha1.Isolation{
			PodSecurityLevel: v1alpha1.PodSecurityLevel(i.PodSecurityLevel), IngressFromNamespaces: i.IngressFromNamespaces,
			Egress: v1alpha1.EgressPolicy(i.Egress), APIAccess: v1alpha1.APIAccess(i.APIAccess),
		}
	}
	return c, nil
}

// Encode is the data in one piece, as a ControllerRevision holds it if it is small enough.
func (d Data) Encode() ([]byte, error) {
	encoded, err := d.encode()
	if err != nil {
		return nil, err
	}
	return json.Marshal(encoded)
}

func (d Data) encode() (dataV1, error) {
	content, err := d.Content.encode()
	return dataV1{
		Encoding: encodingV1, Content: content, CutAt: d.CutAt,
		Capabilities: capabilitiesV1{d.Capabilities.KubeVersion, d.Capabilities.APIVersions},
	}, err
}

// decode reads what a ControllerRevision holds, and which parts belong to it; nil for none. Errors wrap ErrUnreadable.
func decode(raw []byte) (Data, *partsV1, error) {
	var data dataV1
	if err := unmarshal(raw, &data, maxParts); err != nil || len(data.Content.Plans) > maxPlans {
		return Data{}, nil, fmt.Errorf("%w: its content does not match its hash", ErrUnreadable)
	}
	if data.Encoding != encodingV1 {
		return Data{}, nil, fmt.Errorf("%w: its encoding %d is unknown", ErrUnreadable, data.Encoding)
	}
	content, err := data.Content.decode()
	if err != nil {
		return Data{}, nil, err
	}
	return Data{
		Content: content, CutAt: data.CutAt,
		Capabilities: template.Capabilities{KubeVersion: data.Capabilities.KubeVersion, APIVersions: data.Capabilities.APIVersions},
	}, data.Parts, nil
}

// unmarshal decodes what a ControllerRevision holds, but for values, which stay as they are written.
func unmarshal(raw []byte, into any, parts int) error {
	return stored.Decode(raw, into, parts, "values")
}

// canonical is JSON with sorted keys and without spaces. Numbers stay as they are written. Nothing stays nothing.
func canonical(raw []byte) (json.RawMessage, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, errors.New("the values are not JSON")
	}
	return json.Marshal(value)
}

func rawOf(values *runtime.RawExtension) []byte {
	if values == nil {
		return nil
	}
	return values.Raw
}

func extension(raw json.RawMessage) *runtime.RawExtension {
	if len(raw) == 0 {
		return nil
	}
	return &runtime.RawExtension{Raw: raw}
}

func assignmentsV1(set []v1alpha1.ValueAssignment) []assignmentV1 {
	var encoded []assignmentV1
	for _, one := range set {
		encoded = append(encoded, assignmentV1{one.Path, string(one.From), one.Attribute, string(one.As)})
	}
	slices.SortFunc(encoded, func(a, b assignmentV1) int { return strings.Compare(a.Path, b.Path) })
	return encoded
}

func assignments(encoded []assignmentV1) []v1alpha1.ValueAssignment {
	var set []v1alpha1.ValueAssignment
	for _, one := range encoded {
		set = append(set, v1alpha1.ValueAssignment{
			Path: one.Path, From: v1alpha1.ValueOrigin(one.From), Attribute: one.Attribute, As: v1alpha1.ValueType(one.As),
		})
	}
	return set
}
