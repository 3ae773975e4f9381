package permissions_test

import "testing"

func TestLogin(t *testing.T) {
	change := func(do, body string) attempt { return attempt{as(login, do, body), byRBAC} }
	try(t, map[string]attempt{
		"reads marketplaces":            {as(login, "GET "+markets), ""},
		"reads products":                {as(login, "GET "+products), ""},
		"reads instances":               {as(login, "GET "+instances), ""},
		"reads an instance's seed":      {as(login, "GET /api/v1/namespaces/sales/secrets/sold-access"), ""},
		"reads an instance's directory": {as(login, "GET /api/v1/namespaces/sales/secrets/sold-directory"), ""},
		"lists no Secrets":              {as(login, "GET /api/v1/namespaces/sales/secrets"), byRBAC},
		"reads no tenant's Secret":      {as(login, "GET /api/v1/namespaces/tenant-sold/secrets/access"), byRBAC},
		"reads no Secret elsewhere":     {as(login, "GET /api/v1/namespaces/elsewhere/secrets/keys"), byRBAC},
		"reads no credentials":          {as(login, "GET /api/v1/namespaces/stallkeeper-system/secrets/koogallery-openapi"), byRBAC},
		"reads no instances elsewhere":  {as(login, "GET /apis/stallkeeper.io/v1alpha1/marketplaceinstances"), byRBAC},
		"reads no usage records":        {as(login, "GET "+records), byRBAC},
		"reads no namespaces":           {as(login, "GET /api/v1/namespaces"), byRBAC},
		"makes no Secret":               change("POST /api/v1/namespaces/sales/secrets", "{apiVersion: v1, kind: Secret, metadata: {name: x}}"),
		"makes no Secret in a tenant":   change("POST /api/v1/namespaces/tenant-sold/secrets", "{apiVersion: v1, kind: Secret, metadata: {name: x}}"),
		"changes no Secret":             change("MERGE /api/v1/namespaces/sales/secrets/sold-access", "stringData: {seed: mine}"),
		"changes no instance":           change("MERGE "+instances+"/sold", "spec: {subscription: {customerID: c}}"),
		"writes no status":              change("MERGE "+instances+"/sold/status", "status: {state: Running}"),
		"changes no product":            change("MERGE "+products+"/shop", "spec: {login: {path: /mine}}"),
		"changes no marketplace":        change("MERGE "+markets+"/koogallery", "spec: {kooGallery: {signOnPKCE: Omit}}"),
		"makes no Deployment":           {as(login, "APPLY /apis/apps/v1/namespaces/tenant-sold/deployments/app"), byRBAC},
		"makes no token":                change("POST /api/v1/namespaces/stallkeeper-system/serviceaccounts/stallkeeper-controller/token", "spec: {}"),
	})
}
