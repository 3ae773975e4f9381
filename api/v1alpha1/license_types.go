package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// LicenseType is what a buyer uses what was sold with.
// +kubebuilder:validation:Enum=Code
type LicenseType string

// LicenseTypeCode is a code that the marketplace mints and the buyer enters in the seller's software.
const LicenseTypeCode LicenseType = "Code"

// LicenseState is what the marketplace says about a license code: Active, Expired, Released or Unknown; later versions may have
// more.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
type LicenseState string

const (
	// LicenseActive entitles to use.
	LicenseActive LicenseState = "Active"
	// LicenseExpired says that the paid time is over.
	LicenseExpired LicenseState = "Expired"
	// LicenseReleased says that the sale has ended.
	LicenseReleased LicenseState = "Released"
	// LicenseUnknown is a word that this version does not know. Nothing follows from it.
	LicenseUnknown LicenseState = "Unknown"
)

// License is the license code that a sale is made of. People write its type; the rest are facts that the controller notes.
type License struct {
	// type of the license. The code itself is the subscription's instanceID.
	// +required
	Type LicenseType `json:"type,omitempty"`

	// activationTime is when the code was activated at the marketplace.
	// +optional
	ActivationTime metav1.Time `json:"activationTime,omitempty,omitzero"`

	// state is what the marketplace said last about the code.
	// +optional
	State LicenseState `json:"state,omitempty"`

	// lastQueryTime is when the marketplace was last asked about the code and told its state.
	// +optional
	LastQueryTime metav1.Time `json:"lastQueryTime,omitempty,omitzero"`
}

// LicenseRequest is a license that the buyer has asked for. A repeat has the same id and deviceFingerprint.
type LicenseRequest struct {
	// key names the request in the tenant's ConfigMap and in the Secret that delivers its license. It is the id where that can
	// be a key, or else made from id and deviceFingerprint.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[-_A-Za-z0-9]+$`
	Key string `json:"key,omitempty"`

	// id is the marketplace's number of the request.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	ID string `json:"id,omitempty"`

	// effectiveTime is when the license has to begin.
	// +optional
	EffectiveTime metav1.Time `json:"effectiveTime,omitempty,omitzero"`

	// expiryTime is when the license has to end. Not set when the buyer has named no end.
	// +optional
	ExpiryTime metav1.Time `json:"expiryTime,omitempty,omitzero"`

	// deviceFingerprint is what the license is bound to, as the buyer entered it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=5120
	DeviceFingerprint string `json:"deviceFingerprint,omitempty"`

	// requestTime is when the marketplace first asked.
	// +required
	RequestTime metav1.Time `json:"requestTime,omitempty,omitzero"`

	// deliveryTime is when the license was delivered to the marketplace. Not set while it is waited for.
	// +optional
	DeliveryTime metav1.Time `json:"deliveryTime,omitempty,omitzero"`

	// digest is the SHA-256 of the license that was delivered, in hexadecimal digits.
	// +optional
	// +kubebuilder:validation:MinLength=64
	// +kubebuilder:validation:MaxLength=64
	Digest string `json:"digest,omitempty"`
}
