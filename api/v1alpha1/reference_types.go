package v1alpha1

// SecretReference names a Secret. Where it is looked for is said at the field that holds the reference.
type SecretReference struct {
	// name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="name must be the name of a Secret: lower-case letters, digits, dashes and dots"
	Name string `json:"name,omitempty"`
}

// SecretKeyReference names a key of a Secret in this namespace.
type SecretKeyReference struct {
	// name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="name must be the name of a Secret: lower-case letters, digits, dashes and dots"
	Name string `json:"name,omitempty"`

	// key in the Secret's data.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[-._a-zA-Z0-9]+$')",message="key must be a key of the Secret: letters, digits, dashes, underscores and dots"
	Key string `json:"key,omitempty"`
}

// ConfigMapReference names a ConfigMap in this namespace.
type ConfigMapReference struct {
	// name of the ConfigMap.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="name must be the name of a ConfigMap: lower-case letters, digits, dashes and dots"
	Name string `json:"name,omitempty"`
}

// ConfigMapKeyReference names a key of a ConfigMap in this namespace.
type ConfigMapKeyReference struct {
	// name of the ConfigMap.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="name must be the name of a ConfigMap: lower-case letters, digits, dashes and dots"
	Name string `json:"name,omitempty"`

	// key in the ConfigMap. Whether in its data or its binaryData is said at the field that holds the reference.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[-._a-zA-Z0-9]+$')",message="key must be a key of the ConfigMap: letters, digits, dashes, underscores and dots"
	Key string `json:"key,omitempty"`
}

// ProductReference names a MarketplaceProduct in this namespace.
type ProductReference struct {
	// name of the MarketplaceProduct.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="name must be the name of a MarketplaceProduct: lower-case letters, digits, dashes and dots"
	Name string `json:"name,omitempty"`
}

// InstanceReference names a MarketplaceInstance in this namespace.
type InstanceReference struct {
	// name of the MarketplaceInstance.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Label().validate(self).hasValue()",message="name must be the name of a MarketplaceInstance: lower-case letters, digits and dashes"
	Name string `json:"name,omitempty"`
}

// RevisionContentReference names the ControllerRevision in this namespace that holds a revision's bytes.
type RevisionContentReference struct {
	// name of the ControllerRevision.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
}

// ServicePortReference names a port of a Service in the tenant's namespace.
type ServicePortReference struct {
	// name of the Service.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="!format.dns1035Label().validate(self).hasValue()",message="name must be the name of a Service in the tenant's namespace: lower-case letters, digits and dashes, a letter first"
	Name string `json:"name,omitempty"`

	// port is the number of the Service's port.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`
}
