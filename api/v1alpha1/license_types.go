package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// LicenseType is what a buyer uses what was sold with.
// +kubebuilder:validation:Enum=Code
type LicenseType string

// LicenseTypeCode is a code that the marketplace mints and the buyer enters in the seller's software.
const LicenseTypeCode LicenseType = "Code"

// LicenseState is what the marketplace says about a licence code.
// +kubebuilder:validation:Enum=Alive;Expired;Released;Other
type LicenseState string

const (
	// LicenseAlive entitles to use.
	LicenseAlive LicenseState = "Alive"
	// LicenseExpired says that the paid time is over.
	LicenseExpired LicenseState = "Expired"
	// LicenseReleased says that the sale has ended.
	LicenseReleased LicenseState = "Released"
	// LicenseOther is a word that this version does not know. Nothing follows from it.
	LicenseOther LicenseState = "Other"
)

// License is the licence code that a sale is made of. People write its type; the rest are facts that the controller notes.
type License struct {
	// type of the licence. The code itself is the subscription's instanceID.
	// +required
	Type LicenseType `json:"type,omitempty"`

	// activatedAt is when the code was activated at the marketplace.
	// +optional
	ActivatedAt metav1.Time `json:"activatedAt,omitempty,omitzero"`

	// state is what the marketplace said last about the code.
	// +optional
	State LicenseState `json:"state,omitempty"`

	// queriedAt is when the marketplace was last asked about the code and told its state.
	// +optional
	QueriedAt metav1.Time `json:"queriedAt,omitempty,omitzero"`
}

// LicenseRequest is a licence that the buyer has asked for. A repeat has the same id and deviceFingerprint.
type LicenseRequest struct {
	// key names the request in the tenant's ConfigMap and in the Secret that delivers its licence. It is the id where that can
	// be a key, or else made from id and deviceFingerprint.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[-_A-Za-z0-9]+$`
	Key string `json:"key,omitempty"`

	// id is the marketplace's number of the request.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	ID string `json:"id,omitempty"`

	// effectiveAt is when the licence has to begin.
	// +optional
	EffectiveAt metav1.Time `json:"effectiveAt,omitempty,omitzero"`

	// expiresAt is when the licence has to end. Not set when the buyer has named no end.
	// +optional
	ExpiresAt metav1.Time `json:"expiresAt,omitempty,omitzero"`

	// deviceFingerprint is what the licence is bound to, as the buyer entered it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	DeviceFingerprint string `json:"deviceFingerprint,omitempty"`

	// requestedAt is when the marketplace first asked.
	// +required
	RequestedAt metav1.Time `json:"requestedAt,omitempty,omitzero"`

	// deliveredAt is when the licence was delivered to the marketplace. Not set while it is waited for.
	// +optional
	DeliveredAt metav1.Time `json:"deliveredAt,omitempty,omitzero"`

	// digest is the SHA-256 of the licence that was delivered, in hexadecimal digits.
	// +optional
	// +kubebuilder:validation:MinLength=64
	// +kubebuilder:validation:MaxLength=64
	Digest string `json:"digest,omitempty"`
}
