package main

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/stallkeeper/stallkeeper/controllers/egress"
)

func TestTheServerIsKnownByAddressOrName(t *testing.T) {
	each := egress.NewNames(time.Now, "kubernetes.default.svc")
	for server, want := range map[string]egress.Reach{
		"https://10.96.0.1:443":         {Never: []netip.Addr{netip.MustParseAddr("10.96.0.1")}, Names: each},
		"https://[fd12::1]:443":         {Never: []netip.Addr{netip.MustParseAddr("fd12::1")}, Names: each},
		"10.96.0.1":                     {Never: []netip.Addr{netip.MustParseAddr("10.96.0.1")}, Names: each},
		"https://api.example.com:6443":  {Names: egress.NewNames(time.Now, "kubernetes.default.svc", "api.example.com")},
		"https://example.com/clusters/": {Names: egress.NewNames(time.Now, "kubernetes.default.svc", "example.com")},
		"api.example.com":               {Names: egress.NewNames(time.Now, "kubernetes.default.svc", "api.example.com")},
		"https://127.0.0.1:6443":        {Names: each},
		"https://%zz":                   {Names: each},
	} {
		if diff := cmp.Diff(want, reachBeside(server), cmp.Transformer("names", (*egress.Names).String), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", server, diff)
		}
	}
}
