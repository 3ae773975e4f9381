package subscription

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"time"

	"k8s.io/utils/ptr"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

// maxLicenseRequests is the bound of spec.subscription.licenseRequests.
const maxLicenseRequests = 64

// requestKey is what can be the key of a Secret before its dot; see v1alpha1.LicenseRequest.
var requestKey = regexp.MustCompile(`^[-_A-Za-z0-9]{1,64}$`)

// LicensePolicy is what the seller says about the licenses of a sale. Empty it holds where nothing is said or known.
type LicensePolicy struct {
	v1alpha1.ProductLicense
	// Quantity is a person's in place of the one that was sold; nil when there is none.
	Quantity *int32
}

// MergeLicenseRequest adds a buyer's request for a license to what the marketplace has said. It returns a new value and never
// changes sub; a result that equals sub means that the request is known already.
//
// It fails with marketplace.ErrUnknownInstance for a sale that is unknown or released, and with one of the license errors that
// wrap marketplace.ErrConflict for a request that the order or the product does not allow. A request that is known is never
// refused: the marketplace may have the license already.
func MergeLicenseRequest(sub *v1alpha1.Subscription, request marketplace.LicenseRequest, policy LicensePolicy, now time.Time,
) (*v1alpha1.Subscription, error) {
	switch {
	case sub == nil:
		return nil, marketplace.ErrUnknownInstance
	case sub.Entitlement.State == v1alpha1.EntitlementReleased:
		return nil, fmt.Errorf("%w: the instance was released", marketplace.ErrUnknownInstance)
	case FindLicenseRequest(sub, request) != nil:
		return sub.DeepCopy(), nil
	}
	if err := checkLicenseRequest(sub, request, policy, now); err != nil {
		return nil, err
	}
	merged := sub.DeepCopy()
	if len(merged.LicenseRequests) >= maxLicenseRequests {
		merged.LicenseRequests = withoutEndedRequest(merged.LicenseRequests, now)
	}
	merged.LicenseRequests = append(merged.LicenseRequests, v1alpha1.LicenseRequest{
		Key: keyOfRequest(sub, request), ID: request.ID, EffectiveTime: WholeSecond(request.EffectiveAt),
		ExpiryTime: WholeSecond(request.ExpiresAt), DeviceFingerprint: request.DeviceFingerprint, RequestTime: WholeSecond(now),
	})
	return merged, nil
}

// FindLicenseRequest finds a request by what makes it the same, id and device fingerprint; nil when it is new. The result points
// into sub.
func FindLicenseRequest(sub *v1alpha1.Subscription, request marketplace.LicenseRequest) *v1alpha1.LicenseRequest {
	for i := range sub.LicenseRequests {
		known := &sub.LicenseRequests[i]
		if known.ID == request.ID && known.DeviceFingerprint == request.DeviceFingerprint {
			return known
		}
	}
	return nil
}

// checkLicenseRequest says why a new request is refused.
func checkLicenseRequest(sub *v1alpha1.Subscription, request marketplace.LicenseRequest, policy LicensePolicy, now time.Time) error {
	periodic := policy.Term == v1alpha1.LicensePeriodic || policy.Term == "" && sub.ChargingMode == v1alpha1.ChargingPrepaid
	switch {
	case policy.DeviceFingerprint == v1alpha1.LicenseFingerprintRequired && request.DeviceFingerprint == "":
		return marketplace.ErrLicenseUnbound
	case periodic && request.ExpiresAt.IsZero():
		return marketplace.ErrLicenseEnd
	case sub.Entitlement.State == v1alpha1.EntitlementFrozen, outsideOrder(sub, request):
		return marketplace.ErrLicensePeriod
	}
	taken, again := places(sub.LicenseRequests, request.DeviceFingerprint, now)
	most := maxLicenseRequests
	if policy.PerUnit > 0 {
		quantity := ptr.Deref(policy.Quantity, ptr.Deref(sub.Quantity, 1))
		most = min(most, int(policy.PerUnit)*int(max(quantity, 0)))
	}
	full := len(sub.LicenseRequests) >= maxLicenseRequests && len(withoutEndedRequest(sub.LicenseRequests, now)) == len(sub.LicenseRequests)
	if full || taken >= most && !again {
		return marketplace.ErrLicenseQuota
	}
	return nil
}

// outsideOrder reports whether a license would begin or end outside what was paid for. The order's dates are estimates, so a
// day is no matter.
func outsideOrder(sub *v1alpha1.Subscription, request marketplace.LicenseRequest) bool {
	end := sub.ExpiryTime.Time.Add(ExpiryTolerance)
	late := !sub.ExpiryTime.IsZero() && (request.EffectiveAt.After(end) || request.ExpiresAt.After(end))
	early := !sub.StartTime.IsZero() && !request.EffectiveAt.IsZero() && request.EffectiveAt.Before(sub.StartTime.Add(-ExpiryTolerance))
	backwards := !request.ExpiresAt.IsZero() && request.ExpiresAt.Before(request.EffectiveAt)
	return late || early || backwards
}

// places counts the licenses that have not ended, a device once; again is true if the fingerprint has one of them.
func places(requests []v1alpha1.LicenseRequest, fingerprint string, now time.Time) (taken int, again bool) {
	devices := map[string]bool{}
	for _, request := range requests {
		switch {
		case ended(request, now):
		case request.DeviceFingerprint == "":
			taken++
		default:
			devices[request.DeviceFingerprint] = true
		}
	}
	return taken + len(devices), fingerprint != "" && devices[fingerprint]
}

func ended(request v1alpha1.LicenseRequest, now time.Time) bool {
	return !request.ExpiryTime.IsZero() && !now.Before(request.ExpiryTime.Time)
}

// withoutEndedRequest drops the oldest delivered license whose time is over: nobody can want that one again. The requests
// themselves come back when there is none.
func withoutEndedRequest(requests []v1alpha1.LicenseRequest, now time.Time) []v1alpha1.LicenseRequest {
	for i, request := range requests {
		if !request.DeliveryTime.IsZero() && ended(request, now) {
			return append(requests[:i:i], requests[i+1:]...)
		}
	}
	return requests
}

// keyOfRequest is the request's id if it can be a key and no other request has it.
func keyOfRequest(sub *v1alpha1.Subscription, request marketplace.LicenseRequest) string {
	taken := false
	for _, known := range sub.LicenseRequests {
		taken = taken || known.Key == request.ID
	}
	if requestKey.MatchString(request.ID) && !taken {
		return request.ID
	}
	sum := sha256.Sum256([]byte(request.ID + "\x00" + request.DeviceFingerprint))
	return "r-" + hex.EncodeToString(sum[:16])
}
