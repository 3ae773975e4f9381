package koogallery

// EncryptFieldWith is EncryptField with a vector that is not random, for vectors that were published.
var EncryptFieldWith = encryptField

// FieldKey is the derivation of the fields' AES key.
var FieldKey = fieldKey
