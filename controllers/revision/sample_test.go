package revision

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

func TestSampleAttributesAreThoseThatTheProductSpeaksOf(t *testing.T) {
	p := salestest.Product(
		salestest.Values(`{"a":"{{ .attributes.company }}","b":"{{ index .attributes \"disk-size\" }}","c":"{{ .attributes.on | toBool }}"}`),
		salestest.Access(v1alpha1.ProductAccess{
			FrontEndURL: "https://{{ .attributes.domain }}", AdminURL: "https://{{ .attributes.admin_host }}",
			UserName: "{{ .attributes.user }}", Memo: `{{ index .attributes "a note" }}`,
		}),
		salestest.Inline(`x: {{ .Values.stallkeeper.attributes.region }}`),
	)
	want := map[string]string{
		"company": "1", "disk-size": "1", "domain": "1", "admin_host": "1", "user": "1", "a note": "1", "region": "1",
		"on": "true",
	}
	if diff := cmp.Diff(want, sampleAttributes(dataOf(p, nil))); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
}
