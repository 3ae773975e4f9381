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
