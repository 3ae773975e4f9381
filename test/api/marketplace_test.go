package api_test

import "testing"

func TestMarketplaces(t *testing.T) {
	t.Parallel()
	judge(t, "Marketplace", map[string]manifest{
		"the smallest one": {},
		"with everything": {is: `
spec:
  kooGallery:
    site: Europe
    callVersions: [SaaSV2, SaaSV1, KitV1, OrderNotification]
    api: {credentialsSecretName: koogallery-openapi, url: "https://proxy.example.com:8443/mkt"}
    usageValues: Number
    signOnPKCE: Omit
    fieldEncryption: AES128
  disclosure: {customerName: Show, initialPassword: Hide}`},
		"a test double without TLS": {is: `spec: {kooGallery: {api: {credentialsSecretName: k, url: "http://127.0.0.1:8080"}}}`},

		"no protocol":        {is: `spec: {protocol: null}`, at: "spec.protocol", says: "Required value"},
		"a protocol unknown": {is: `spec: {protocol: Azure, kooGallery: null}`, at: "spec.protocol", says: `supported values: "KooGallery"`},
		"a protocol without its member": {is: `spec: {kooGallery: null}`,
			at: "spec.kooGallery", says: "protocol KooGallery needs the member kooGallery"},
		"a site unknown": {is: `spec: {kooGallery: {site: Mars}}`, at: "spec.kooGallery.site",
			says: `supported values: "China", "International", "Europe"`},
		"no site":           {is: `spec: {kooGallery: {site: null}}`, at: "spec.kooGallery.site", says: "Required value"},
		"no callbackSecret": {is: `spec: {kooGallery: {callbackSecretRef: null}}`, at: "spec.kooGallery.callbackSecretRef", says: "Required value"},
		"a Secret of no name": {is: `spec: {kooGallery: {callbackSecretRef: {name: ""}}}`,
			at: "spec.kooGallery.callbackSecretRef.name", says: "must be the name of a Secret"},
		"a Secret of a name that no Secret has": {is: `spec: {kooGallery: {callbackSecretRef: {name: Foo Bar}}}`,
			at: "spec.kooGallery.callbackSecretRef.name", says: "must be the name of a Secret"},
		"an API without credentials": {is: `spec: {kooGallery: {api: {url: "https://proxy.example.com"}}}`,
			at: "spec.kooGallery.api.credentialsSecretName", says: "Required value"},
		"credentials of a name that no Secret has": {is: `spec: {kooGallery: {api: {credentialsSecretName: koogallery_openapi}}}`,
			at: "spec.kooGallery.api.credentialsSecretName", says: "must be the name of a Secret where Stallkeeper is installed"},
		"an API's URL without a scheme": {is: `spec: {kooGallery: {api: {credentialsSecretName: k, url: proxy.example.com}}}`,
			at: "spec.kooGallery.api.url", says: "must be a base URL"},
		"an API's URL of another scheme": {is: `spec: {kooGallery: {api: {credentialsSecretName: k, url: "ftp://proxy.example.com"}}}`,
			at: "spec.kooGallery.api.url", says: "https:// (or http:// for a test double)"},
		"an API's URL without a host": {is: `spec: {kooGallery: {api: {credentialsSecretName: k, url: "https:///mkt"}}}`,
			at: "spec.kooGallery.api.url", says: "and a host"},
		"an API's URL with an account": {is: `spec: {kooGallery: {api: {credentialsSecretName: k, url: "https://u:p@proxy.example.com"}}}`,
			at: "spec.kooGallery.api.url", says: "without account, query and fragment"},
		"an API's URL with a query": {is: `spec: {kooGallery: {api: {credentialsSecretName: k, url: "https://proxy.example.com/?x=1"}}}`,
			at: "spec.kooGallery.api.url", says: "without account, query and fragment"},
		"an API's URL with a fragment": {is: `spec: {kooGallery: {api: {credentialsSecretName: k, url: "https://proxy.example.com/#x"}}}`,
			at: "spec.kooGallery.api.url", says: "without account, query and fragment"},
		"call versions of none": {is: `spec: {kooGallery: {callVersions: []}}`,
			at: "spec.kooGallery.callVersions", says: "should have at least 1 items"},
		"a call version twice": {is: `spec: {kooGallery: {callVersions: [SaaSV2, SaaSV2]}}`,
			at: "spec.kooGallery.callVersions[1]", says: "Duplicate value"},
		"a call version unknown": {is: `spec: {kooGallery: {callVersions: [V1]}}`,
			at: "spec.kooGallery.callVersions[0]", says: `"SaaSV1"`},
		"a disclosure of nothing":        {is: `spec: {disclosure: {}}`},
		"the last disclosure taken back": {is: `spec: {disclosure: {customerName: Show}}`, then: []string{`spec: {disclosure: {customerName: null}}`}},
		"a disclosure of a boolean": {is: `spec: {disclosure: {customerName: true}}`,
			at: "spec.disclosure.customerName", says: "must be of type string"},
		"a name of 64 characters": {is: `metadata: {name: ` + long(64) + `}`, at: "metadata", says: "metadata.name must have at most 63 characters"},

		"the fields of before, at the top": {is: `spec: {site: China}`, says: `unknown field "spec.site"`},
		"the API of before":                {is: `spec: {openAPISecretRef: {name: k}}`, says: `unknown field "spec.openAPISecretRef"`},
		"another member":                   {is: `spec: {azure: {}}`, says: `unknown field "spec.azure"`},

		"another site later": {then: []string{`spec: {kooGallery: {site: China}}`},
			at: "spec.kooGallery.site", says: "site can't be changed, because the names of all sales are made from it: make another Marketplace"},
		"another Secret later":                   {then: []string{`spec: {kooGallery: {callbackSecretRef: {name: other}}}`}},
		"an API later":                           {then: []string{`spec: {kooGallery: {api: {credentialsSecretName: k}}}`}},
		"no API any more":                        {is: `spec: {kooGallery: {api: {credentialsSecretName: k}}}`, then: []string{`spec: {kooGallery: {api: null}}`}},
		"other call versions later":              {then: []string{`spec: {kooGallery: {callVersions: [SaaSV1, SaaSV2]}}`, `spec: {kooGallery: {callVersions: null}}`}},
		"a status with a word of later versions": {where: "status", then: []string{`status: {observedGeneration: 1, conditions: [` + condition("Later", "True", "SaidLater") + `]}`}},
	})
}
