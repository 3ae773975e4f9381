package koogallery

// EncryptFieldWith is EncryptField with a vector that is not random, for vectors that were published.
var EncryptFieldWith = encryptField

// FieldKey is the derivation of the fields' AES key.
var FieldKey = fieldKey

// SignedForms are the forms of a body, and whether it is JSON without null-free surprises.
func SignedForms(body []byte) (forms [][]byte, ok bool) {
	if _, err := parseBody(body); err != nil {
		return nil, false
	}
	return signedForms(body), true
}

// KitForms are the same, found the quick way.
var KitForms = kitForms

// Tried are how many keys a call of each kind is tried with.
func (c *Callbacks) Tried() [3]int { return [3]int{len(c.signature), len(c.token), len(c.kit)} }

// QueryParameters are all that anything is done with.
var QueryParameters = queryParameters

// BodyNeeds are what the activities of calls with a body say they need; QueryNeeds those of the others.
func BodyNeeds() map[string][]string { return needsOf(activities) }

// QueryNeeds are the needs of calls without a body.
func QueryNeeds() map[string][]string { return needsOf(queryActivities) }

// KitNeeds are the needs of the Kit's calls, those that all of them have included.
func KitNeeds() map[string][]string {
	needs := map[string][]string{}
	for name, one := range kitActivities {
		needs[name] = append([]string{"tenantId", "timeStamp", "instanceId"}, one.needs...)
	}
	return needs
}

func needsOf(all map[string]activity) map[string][]string {
	needs := map[string][]string{}
	for name, one := range all {
		needs[name] = one.needs
	}
	return needs
}
