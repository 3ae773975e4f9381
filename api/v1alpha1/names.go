package v1alpha1

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"
)

// MaxInstanceName is the longest name of a MarketplaceInstance. With the prefix and the suffix of TenantNamespace it
// fills a namespace's 63 characters.
const MaxInstanceName = 40

// DefaultTenantPrefix begins the names of tenants' namespaces when the operator is not told otherwise.
const DefaultTenantPrefix = "tenant-"

// TenantNamespace names the namespace of an instance's tenant: prefix, the instance's name, and six characters that stand
// for the instance's namespace, so that equal names in two sales namespaces do not meet. The prefix has at most 16
// characters.
func TenantNamespace(prefix, instanceNamespace, instanceName string) string {
	sum := sha256.Sum256([]byte(instanceNamespace))
	suffix := strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:6])
	return prefix + instanceName + "-" + suffix
}

// CheckNamespace is the name of the namespace in which the API server tries the objects of a product's check. No tenant's namespace has
// that name: theirs end with six characters after the last dash. It has the product's name in it as far as that fits, and the UID, so
// that a product that is deleted and made again does not wait for the former one's namespace.
func CheckNamespace(prefix, productNamespace, productName, productUID string) string {
	const most = 63
	sum := sha256.Sum256([]byte(productNamespace + "/" + productName + "/" + productUID))
	suffix := "-" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:6]) + "-check"
	name := strings.ReplaceAll(productName, ".", "-")
	return prefix + strings.TrimRight(name[:min(len(name), most-len(prefix)-len(suffix))], "-") + suffix
}

// AccessSecretName names the Secret beside an instance that holds its seed and the initial credentials.
func AccessSecretName(instanceName string) string { return instanceName + "-access" }

// OrderSecretName names the Secret beside an instance that holds the marketplace's raw answers about its orders, which
// contain the buyer's personal data.
func OrderSecretName(instanceName string) string { return instanceName + "-orders" }

// LicenseSecretName names the Secret beside an instance that holds the license that was sold, under LicenseKey. A person or a
// job makes it.
func LicenseSecretName(instanceName string) string { return instanceName + "-license" }

// LicenseKey is the key of the license's text in its Secret.
const LicenseKey = "license"

// LicensesSecretName names the Secret beside an instance in which a person or a job puts the licenses to deliver.
func LicensesSecretName(instanceName string) string { return instanceName + "-licenses" }

const (
	// TenantLicensesSecretName names the Secret in a tenant's namespace in which its workload puts the licenses to deliver. The
	// controller may read no other Secret there.
	TenantLicensesSecretName = "stallkeeper-licenses"
	// LicenseRequestsName names the ConfigMap in a tenant's namespace that tells its workload which licenses were asked for.
	LicenseRequestsName = "stallkeeper-license-requests"
	// LicenseRequestsKey is its key, a file when it is mounted.
	LicenseRequestsKey = "requests.json"
)

// Keys of the access Secret.
const (
	// AccessUserNameKey is the administrator's initial account name.
	AccessUserNameKey = "userName"
	// AccessPasswordKey is the initial password.
	AccessPasswordKey = "password"
	// AccessSeedKey is the seed of the template function tenantSecret. It stays beside the instance and is never copied
	// into the tenant's namespace.
	AccessSeedKey = "seed"
	// AccessKeptKey is the key of the values that random functions of the template gave for this tenant. It stays beside the
	// instance as well.
	AccessKeptKey = "kept"
)

// Keys of the Secrets that a Marketplace refers to.
const (
	// OpenAPIAccessKeyID is the key of the access key id in the open API's Secret.
	OpenAPIAccessKeyID = "ak"
	// OpenAPISecretKey is the key of the secret access key in the open API's Secret.
	OpenAPISecretKey = "sk"
)
