package operator_test

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

// nasty is what a buyer may type: YAML's and the template language's own marks, quotes of all kinds, and lines.
const nasty = "Shop: \"A\" & 'B' # 1\n- {{ .Values.replicas }} {{\nevil: true\n\ttab \\ ~ | > %\n买家"

// typed is a product that passes the buyer's texts on.
const typed = `
---
apiVersion: v1
kind: ConfigMap
metadata: {name: typed}
data:
    quoted: {{ .Values.title | quote }}
    json: {{ .Values.title | toJson }}
    block: |-
        {{- .Values.title | nindent 8 }}
    customer: {{ .Values.customer | quote }}
    keys: {{ .Values | keys | join "," }}
`

func buyersTexts() {
	typing := func(p *v1alpha1.MarketplaceProduct) {
		p.Spec.Plans[0].Values = values(map[string]any{
			"title": "{{ .attributes.title }}", "customer": "{{ .customer.name }}", "replicas": "{{ .quantity | toInt }}",
		})
		p.Spec.Access.Memo = "Hello {{ .attributes.title }}"
	}
	It("arrives as it was typed, wherever the template puts it", func(ctx SpecContext) {
		c := connect(ctx, "disclosing", func(mp *v1alpha1.Marketplace) { mp.Spec.Disclosure.CustomerName = v1alpha1.DisclosureShow })
		offer(ctx, product("typed", typed+web, typing, listedBy(c)), ready)
		s := c.buys(ctx, "typed", orderOptions{quantity: 1, attributes: map[string]string{"title": nasty}, customer: nasty})
		mpi, t := s.becomes(ctx, look{state: v1alpha1.StateRunning, web: pods(1)})
		Expect(mpi.Spec.Subscription.CustomerName).To(Equal(nasty))
		Expect(t.configMaps["typed"].Data).To(Equal(map[string]string{
			"quoted": nasty, "json": nasty, "block": nasty, "customer": nasty, "keys": "customer,replicas,title",
		}))
		Expect(s.query(ctx, koogallery.ResultSuccess).Info[0].AppInfo.Memo).To(Equal("Hello " + nasty))
	})

	It("does not show the buyer's name unless the connection says so", func(ctx SpecContext) {
		offer(ctx, product("nameless", typed+web, typing), ready)
		name := "Nameless " + random(6)
		world.hidden.add("the name of a buyer whose connection hides it", name)
		s := world.main.buys(ctx, "nameless", orderOptions{quantity: 1, attributes: map[string]string{"title": "x"}, customer: name})
		mpi, t := s.becomes(ctx, look{state: v1alpha1.StateRunning, web: pods(1)})
		Expect(mpi.Spec.Subscription.CustomerName).To(BeEmpty())
		Expect(t.configMaps["typed"].Data).To(HaveKeyWithValue("customer", ""))
	})

	It("that a template does not quote is found before anything is sold", func(ctx SpecContext) {
		unquoted := strings.ReplaceAll(typed, ".Values.title | quote", ".Values.title")
		offer(ctx, product("unquoted", unquoted+web, typing), "False InvalidTemplate")
	})
}
