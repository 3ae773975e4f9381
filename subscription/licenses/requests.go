package licenses

import (
	"encoding/json"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/subscription"
)

const (
	// soonest and latest bound the pause between two looks for a license; patienceShare is what part of a request's age it is.
	soonest       = 5 * time.Second
	latest        = time.Hour
	patienceShare = 10
)

// Open are the requests whose license was not delivered, oldest first.
func Open(sub *v1alpha1.Subscription) []v1alpha1.LicenseRequest {
	var open []v1alpha1.LicenseRequest
	for _, request := range sub.LicenseRequests {
		if request.DeliveryTime.IsZero() {
			open = append(open, request)
		}
	}
	return open
}

// Pause is how long to wait until the next look for a license: a tenth of the age of the youngest open request, between five
// seconds and an hour. A buyer who has just asked waits; a license that nobody made for a day is not looked for every second.
func Pause(open []v1alpha1.LicenseRequest, now time.Time) time.Duration {
	pause := latest
	for _, request := range open {
		pause = min(pause, max(now.Sub(request.RequestTime.Time)/patienceShare, soonest))
	}
	return pause
}

// Delivered is a subscription after the license of the request with that key was delivered.
func Delivered(sub *v1alpha1.Subscription, key, digest string, at time.Time) *v1alpha1.Subscription {
	after := sub.DeepCopy()
	for i := range after.LicenseRequests {
		if request := &after.LicenseRequests[i]; request.Key == key && request.DeliveryTime.IsZero() {
			request.DeliveryTime, request.Digest = subscription.WholeSecond(at), digest
		}
	}
	return after
}

// requestDocument is a request as a tenant's workload reads it. Its names are part of the contract with workloads, and those of the
// instance's spec.subscription.licenseRequests.
type requestDocument struct {
	Key               string      `json:"key"`
	ID                string      `json:"id"`
	EffectiveTime     metav1.Time `json:"effectiveTime,omitzero"`
	ExpiryTime        metav1.Time `json:"expiryTime,omitzero"`
	DeviceFingerprint string      `json:"deviceFingerprint,omitempty"`
	RequestTime       metav1.Time `json:"requestTime"`
	Delivered         bool        `json:"delivered"`
}

// Document tells a tenant's workload which licenses were asked for, as JSON: an object with the list "requests".
func Document(sub *v1alpha1.Subscription) (string, error) {
	requests := []requestDocument{}
	if sub != nil {
		for _, r := range sub.LicenseRequests {
			requests = append(requests, requestDocument{
				Key: r.Key, ID: r.ID, EffectiveTime: r.EffectiveTime, ExpiryTime: r.ExpiryTime, DeviceFingerprint: r.DeviceFingerprint,
				RequestTime: r.RequestTime, Delivered: !r.DeliveryTime.IsZero(),
			})
		}
	}
	raw, err := json.MarshalIndent(map[string]any{"requests": requests}, "", "  ")
	return string(raw), err
}
