// Charts of others, which test/operator makes products of as they are. Nothing of them is copied here: they come from the Go
// module proxy, pinned by go.sum like every other module. There is no Go code in this module, so `go mod tidy` would empty it.
module github.com/stallkeeper/stallkeeper/test/othercharts

go 1.26.0

require (
	github.com/cockroachdb/helm-charts v0.0.0-20260828131910-3f65257a73c7
	github.com/hashicorp/vault-helm v0.34.1
)
