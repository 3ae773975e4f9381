package v1alpha1

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strings"
)

// What a marketplace says of a buyer's enterprise (its sign-on, its users, its departments) is kept in Secrets beside the
// instance, the directory's, and delivered into the tenant's namespace. docs/joint-operations.md shows both.
const (
	// EnterpriseLabel stands on a call's Secret with a Sync and on the directory's first Secret: EnterpriseHash of the enterprise
	// that it is about.
	EnterpriseLabel = "stallkeeper.io/enterprise"
	// DirectorySecretType is the type of the directory's Secrets. The admission policy lets the controller delete them, because
	// they hold personal data and have to go with the tenant.
	DirectorySecretType = "stallkeeper.io/directory"
)

// Names of the Secrets in a tenant's namespace that bring the directory to the workload. They are no template's to have.
const (
	// OAuthSecretName names the Secret with the OAuth2 client.
	OAuthSecretName = "stallkeeper-oauth"
	// TenantDirectoryName names the Secret with the index; TenantDirectoryShardName those with users and departments.
	TenantDirectoryName = "stallkeeper-directory"
)

// Keys of the Secret OAuthSecretName.
const (
	OAuthClientIDKey     = "clientId"
	OAuthClientSecretKey = "clientSecret"
	OAuthDomainNameKey   = "domainName"
	OAuthTenantIDKey     = "tenantId"
	OAuthAppIDKey        = "appId"
	// OAuthApplicationsKey lists all applications as JSON, where an enterprise has several: the other keys are those of the one
	// that was changed last.
	OAuthApplicationsKey = "applications.json"
)

// Keys of the Secret TenantDirectoryName.
const (
	// DirectoryIndexKey says what the directory holds and in which files.
	DirectoryIndexKey = "index.json"
	// DirectoryForwardKey is the key that forwarded changes are signed with; there only where the product forwards them.
	DirectoryForwardKey = "forward.key"
)

// enterpriseHash is the number of base32 characters: 130 bits.
const enterpriseHash = 26

// EnterpriseHash stands for an enterprise's id in a label, which has no place for any text of 64 characters.
func EnterpriseHash(enterpriseID string) string {
	sum := sha256.Sum256([]byte(enterpriseID))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:enterpriseHash])
}

// DirectorySecretName names the first of the directory's Secrets beside an instance.
func DirectorySecretName(instanceName string) string { return instanceName + "-directory" }

// DirectoryShardName names one of the Secrets that the directory is spread over.
func DirectoryShardName(instanceName string, shard int) string {
	return fmt.Sprintf("%s-directory-%02d", instanceName, shard)
}

// DirectoryCursorName names the Secret that says how far the directory was forwarded.
func DirectoryCursorName(instanceName string) string { return instanceName + "-directory-cursor" }

// TenantDirectoryShardName names one of the Secrets with users and departments in a tenant's namespace.
func TenantDirectoryShardName(shard int) string {
	return fmt.Sprintf("%s-%02d", TenantDirectoryName, shard)
}
