package v1alpha1

// KooGallerySite names one of KooGallery's separate sites, each with its own accounts and hosts.
// +kubebuilder:validation:Enum=China;International;Europe
type KooGallerySite string

const (
	// KooGalleryChina is the site for mainland China.
	KooGalleryChina KooGallerySite = "China"
	// KooGalleryInternational is the international site.
	KooGalleryInternational KooGallerySite = "International"
	// KooGalleryEurope is the European site.
	KooGalleryEurope KooGallerySite = "Europe"
)

// UsageValueForm is how amounts of use are written in pushes.
// +kubebuilder:validation:Enum=Text;Number
type UsageValueForm string

const (
	// UsageValueText writes them as JSON strings.
	UsageValueText UsageValueForm = "Text"
	// UsageValueNumber writes them as JSON numbers.
	UsageValueNumber UsageValueForm = "Number"
)

// SignOnPKCE says whether a sign-on is bound to the one who began it by PKCE (RFC 7636), beside the state and the client secret.
// +kubebuilder:validation:Enum=Send;Omit
type SignOnPKCE string

const (
	// SignOnPKCESend sends a challenge. A sign-on server that does not know it has to ignore it (RFC 6749, 3.1 and 3.2).
	SignOnPKCESend SignOnPKCE = "Send"
	// SignOnPKCEOmit sends none, for a sign-on server that refuses what it does not know.
	SignOnPKCEOmit SignOnPKCE = "Omit"
)

// FieldEncryption is how single fields of an answer are encrypted.
// +kubebuilder:validation:Enum=AES256;AES128
type FieldEncryption string

const (
	// FieldEncryptionAES256 is AES with keys of 256 bits.
	FieldEncryptionAES256 FieldEncryption = "AES256"
	// FieldEncryptionAES128 is AES with keys of 128 bits.
	FieldEncryptionAES128 FieldEncryption = "AES128"
)

// KooGalleryCallVersion is one generation of one of KooGallery's families of calls.
// +kubebuilder:validation:Enum=SaaSV2;SaaSV1;LicenseV2;LicenseV1;OnlineLicense;KitV2;KitV1;OrderNotification
type KooGalleryCallVersion string

const (
	// CallVersionSaaSV2 is SaaS V2.0: a signed body.
	CallVersionSaaSV2 KooGalleryCallVersion = "SaaSV2"
	// CallVersionSaaSV1 is SaaS V1.0, for products that were released before V2.0. Its authToken fits other parameters too.
	CallVersionSaaSV1 KooGalleryCallVersion = "SaaSV1"
	// CallVersionLicenseV2 is License 2.0: license codes.
	CallVersionLicenseV2 KooGalleryCallVersion = "LicenseV2"
	// CallVersionLicenseV1 is License 1.0, which KooGallery has deprecated. It is signed like SaaS V1.0.
	CallVersionLicenseV1 KooGalleryCallVersion = "LicenseV1"
	// CallVersionOnlineLicense is Online License, for industrial software.
	CallVersionOnlineLicense KooGalleryCallVersion = "OnlineLicense"
	// CallVersionKitV2 is the joint-operations Kit V2: tenants, applications, users and departments.
	CallVersionKitV2 KooGalleryCallVersion = "KitV2"
	// CallVersionKitV1 is the Kit V1. Its authToken does not cover the path.
	CallVersionKitV1 KooGalleryCallVersion = "KitV1"
	// CallVersionOrderNotification is the notification of an order beside its call.
	CallVersionOrderNotification KooGalleryCallVersion = "OrderNotification"
)

// KooGalleryAPI says how KooGallery's open API is called.
type KooGalleryAPI struct {
	// credentialsSecretName names the Secret that holds ak and sk, the credentials of the open API. It is looked for in the
	// namespace where Stallkeeper is installed, which the webhook server can't read.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="credentialsSecretName must be the name of a Secret where Stallkeeper is installed: lower-case letters, digits, dashes and dots"
	CredentialsSecretName string `json:"credentialsSecretName,omitempty"`

	// url replaces the open API's base URL that follows from site, for a test double or a proxy.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() in ['https', 'http'] && url(self).getHostname() != '' && url(self).getQuery().size() == 0 && !self.contains('@') && !self.contains('?') && !self.contains('#')",message="url must be a base URL such as https://proxy.example.com: https:// (or http:// for a test double) and a host, without account, query and fragment"
	URL string `json:"url,omitempty"`
}

// KooGallery says how Huawei Cloud KooGallery is talked to.
type KooGallery struct {
	// site chooses the marketplace's site and with it the host of its open API.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="site can't be changed, because the names of all sales are made from it: make another Marketplace",reason=FieldValueForbidden
	Site KooGallerySite `json:"site,omitempty"`

	// callbackSecretRef names the Secret, in this namespace, that holds the keys of the callbacks: accessKey, and where
	// used kitAccessKey, licenseAccessKey and notifyAccessKey, each with an optional second one named with the ending Next
	// while keys are rotated; kitPrivateKey in PEM.
	// +required
	CallbackSecretRef SecretReference `json:"callbackSecretRef,omitempty,omitzero"`

	// callVersions are the calls that are accepted. When not set, all but SaaSV1, LicenseV1 and KitV1, whose signatures are weak:
	// who still sells by those names them here, together with the others that are used.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	CallVersions []KooGalleryCallVersion `json:"callVersions,omitempty"`

	// api says how the open API is called, which tells what was ordered. Without it no order can be read; calls that bring
	// their order need none.
	// +optional
	API KooGalleryAPI `json:"api,omitempty,omitzero"`

	// usageValues says how amounts of use are written when they are pushed. Text when not set; a site that refuses every record for
	// its value wants Number.
	// +optional
	UsageValues UsageValueForm `json:"usageValues,omitempty"`

	// signOnPKCE says whether users who sign in through Stallkeeper do so with PKCE. Send when not set; a site that refuses to sign
	// users in for it wants Omit.
	// +optional
	SignOnPKCE SignOnPKCE `json:"signOnPKCE,omitempty"`

	// fieldEncryption says how the initial user name and password are encrypted in answers, where the marketplace wants that:
	// in SaaS V1.0. AES256 when not set. Fields that come encrypted are read in both forms.
	// +optional
	FieldEncryption FieldEncryption `json:"fieldEncryption,omitempty"`
}
