package v1alpha1

// ValuesSource is a piece of YAML in a ConfigMap or in a Secret that is merged into the values.
// +kubebuilder:validation:ExactlyOneOf=configMapRef;secretRef
type ValuesSource struct {
	// configMapRef names a key of a ConfigMap's data.
	// +optional
	ConfigMapRef ConfigMapKeyReference `json:"configMapRef,omitempty,omitzero"`

	// secretRef names a key of a Secret.
	// +optional
	SecretRef SecretKeyReference `json:"secretRef,omitempty,omitzero"`
}

// AttributeDeclaration is something that a buyer may enter, or that the marketplace may say.
type AttributeDeclaration struct {
	// name of the attribute, as it was entered when the product was published.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self == self.trim() && !self.matches('\\\\p{C}')",message="an attribute's name must not begin or end with a space, nor hold line breaks and other invisible characters"
	Name string `json:"name,omitempty"`

	// default stands for it where a sale does not have it. The empty text when not set.
	// +optional
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=2048
	Default *string `json:"default,omitempty"`
}

// ValueOrigin is where an assigned value comes from.
// +kubebuilder:validation:Enum=Quantity;Attribute;Plan;Trial;InstanceName;TenantNamespace;CustomerID
type ValueOrigin string

const (
	// ValueFromQuantity is the quantity that runs, a whole number.
	ValueFromQuantity ValueOrigin = "Quantity"
	// ValueFromAttribute is what the buyer entered, or the attribute's default.
	ValueFromAttribute ValueOrigin = "Attribute"
	// ValueFromPlan is the name of the plan that runs.
	ValueFromPlan ValueOrigin = "Plan"
	// ValueFromTrial is whether the buyer only tries: true or false.
	ValueFromTrial ValueOrigin = "Trial"
	// ValueFromInstanceName is the name of the MarketplaceInstance.
	ValueFromInstanceName ValueOrigin = "InstanceName"
	// ValueFromTenantNamespace is the name of the tenant's namespace.
	ValueFromTenantNamespace ValueOrigin = "TenantNamespace"
	// ValueFromCustomerID is the buyer's account id at the marketplace; the empty text for an instance without a sale.
	ValueFromCustomerID ValueOrigin = "CustomerID"
)

// ValueType is what an assigned value is made into.
// +kubebuilder:validation:Enum=String;Integer;Number;Boolean
type ValueType string

const (
	// ValueString makes a text.
	ValueString ValueType = "String"
	// ValueInteger makes a whole number of digits, with an optional sign.
	ValueInteger ValueType = "Integer"
	// ValueNumber makes a number, which may have a fraction.
	ValueNumber ValueType = "Number"
	// ValueBoolean makes true of true, yes, on and 1, and false of false, no, off, 0 and the empty text, whatever their case.
	ValueBoolean ValueType = "Boolean"
)

// ValueAssignment sets one value without a template.
// +kubebuilder:validation:XValidation:rule="has(self.attribute) == (self.from == 'Attribute')",message="from: Attribute needs attribute, the name of one; with another origin leave it out",fieldPath=".attribute",reason=FieldValueInvalid
// +kubebuilder:validation:XValidation:rule="!has(self.as) || self.from == 'Attribute' || self.as == 'String' || (self.from == 'Quantity' && self.as in ['Integer', 'Number']) || (self.from == 'Trial' && self.as == 'Boolean')",message="as does not fit from: Quantity can be Integer, Number or String, Trial can be Boolean or String, and a name can be String only",fieldPath=".as",reason=FieldValueInvalid
type ValueAssignment struct {
	// path is where the value goes, such as replicas or ingress.host. A dot that belongs to a key has a backslash before it:
	// podAnnotations.example\.com/plan.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^([-_/A-Za-z0-9]|[\\\\\\\\][.])+([.]([-_/A-Za-z0-9]|[\\\\\\\\][.])+)*$')",message="path must be keys with dots between them, such as ingress.host; a dot that belongs to a key has a backslash before it, and an item of a list can't be set"
	// +kubebuilder:validation:XValidation:rule="self != 'stallkeeper' && !self.startsWith('stallkeeper.')",message="path must not begin with stallkeeper: what is under .Values.stallkeeper is made by Stallkeeper"
	Path string `json:"path,omitempty"`

	// from is where the value comes from.
	// +required
	From ValueOrigin `json:"from,omitempty"`

	// attribute is the name of the attribute, for from: Attribute. It is one of the product's attributes.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Attribute string `json:"attribute,omitempty"`

	// as is what is made of the value. When not set: Integer of Quantity, Boolean of Trial, String of everything else. An
	// attribute that can't be made into it is RenderFailed of the sale, with the attribute's name.
	// +optional
	As ValueType `json:"as,omitempty"`
}
