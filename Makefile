# `make` alone lists what there is. Nothing is needed but Go, git and make: every other program is built from the Go
# module proxy into bin/.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
# Go spreads its own work over the cores; two targets at once would only fight for them.
.NOTPARALLEL:
.DEFAULT_GOAL := help

# The same for every call of go, also for those of the programs that are called from here: with other settings the build
# cache would hold everything twice.
export CGO_ENABLED := 0
export GOFLAGS := $(strip $(GOFLAGS) -trimpath -buildvcs=false)

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
# The commit's time, not the clock's: the same source makes the same bytes.
DATE ?= $(shell git log -1 --format=%cI 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT) -X main.date=$(DATE)

IMAGE ?= stallkeeper:$(VERSION)
CONTAINER_TOOL ?= docker

CONTROLPLANE := go -C hack/controlplane run .
CONTROLLER_GEN := bin/tools/controller-gen
HELM := bin/tools/helm
GOLANGCI_LINT := bin/tools/golangci-lint
CYCLONEDX := bin/tools/cyclonedx-gomod
GOVULNCHECK := bin/tools/govulncheck

# make test TEST=./webhook TESTFLAGS='-run TestMerge -v' for one of them.
TEST ?= ./...
TESTFLAGS ?=
# How long each fuzz target runs in test-long.
FUZZTIME ?= 1m

##@ Daily

.PHONY: help
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: demo
demo: ## Play whole sales on a real Kubernetes API; KEEP=1 leaves everything running
	KEEP=$(KEEP) go run ./hack/demo

.PHONY: test
test: controlplane ## Run all tests; TEST=./webhook TESTFLAGS='-run Merge -v' narrows them
	KUBEBUILDER_ASSETS=$(CURDIR)/bin/controlplane go test -p 2 -timeout 15m $(TESTFLAGS) $(TEST)
ifeq ($(TEST),./...)
	go -C hack/controlplane test -p 1 -timeout 15m $(TESTFLAGS) ./...
endif

.PHONY: test-long
test-long: test ## The same, then more random cases, the race detector, and each fuzz target for FUZZTIME
	hack/test-long.sh $(FUZZTIME)

# Only from the command line: a KUBECONFIG of the environment may be that of a cluster that people depend on.
E2E_CLUSTER = $(if $(filter command,$(firstword $(origin KUBECONFIG))),E2E_KUBECONFIG=$(abspath $(KUBECONFIG)) E2E_IMAGE=$(IMAGE))

.PHONY: e2e
e2e: build $(HELM) ## Play sales in real pods: Linux and root, or KUBECONFIG=... IMAGE=... for another cluster; KEEP=1 leaves ours running
	VERSION=$(VERSION) COMMIT=$(COMMIT) DATE=$(DATE) KEEP=$(KEEP) $(E2E_CLUSTER) test/e2e/run.sh $(TESTFLAGS)

.PHONY: bench
bench: ## Run the Go benchmarks
	go test -run '^$$' -bench . -benchmem $(TESTFLAGS) $(TEST)

.PHONY: bench-large
bench-large: controlplane ## Flood the real webhook with strangers, soak it for SOAK_DURATION (2h) at SOAK_RATE (200), and suspend and make fleets of tenants
	LOAD=1 SOAK_DURATION=$(or $(SOAK_DURATION),2h) KUBEBUILDER_ASSETS=$(CURDIR)/bin/controlplane go test ./test/load -v -timeout 4h $(TESTFLAGS)

.PHONY: footprint
footprint: build controlplane ## Measure the processes' memory and processor time with up to 3000 tenants (half an hour)
	hack/footprint.sh

.PHONY: lint
lint: $(GOLANGCI_LINT) ## Check import rules, API rules, complexity, security, style
	$(GOLANGCI_LINT) run ./...
	cd hack/controlplane && $(CURDIR)/$(GOLANGCI_LINT) run ./...

.PHONY: lint-fix
lint-fix: $(GOLANGCI_LINT) ## Format, and fix what the linters can fix themselves
	$(GOLANGCI_LINT) fmt ./...
	$(GOLANGCI_LINT) run --fix ./...

.PHONY: generate
generate: $(CONTROLLER_GEN) $(HELM) ## Write deep copies, apply configurations, CRDs and the chart's copy of them
	hack/generate.sh

.PHONY: verify
verify: $(CONTROLLER_GEN) $(HELM) ## Fail when generated files, formatting, go.mod files or import rules are not what they should be
	hack/verify.sh

##@ Cluster

.PHONY: cluster-up
cluster-up: ## Start a Kubernetes control plane on 127.0.0.1; kubeconfig at bin/cluster/kubeconfig
	$(CONTROLPLANE) up

.PHONY: cluster-down
cluster-down: ## End it and what a demo left running, and remove their data
	@if [ -f bin/demo/processes.json ]; then go run ./hack/demo -down; fi
	$(CONTROLPLANE) down

.PHONY: controlplane
controlplane: ## Build etcd, the Kubernetes binaries and kwok into bin/controlplane (12 minutes the first time)
	$(CONTROLPLANE) build

##@ Build

.PHONY: build
build: ## Build the operator into bin/stallkeeper
	go build -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

.PHONY: sbom
sbom: build $(CYCLONEDX) ## Write the CycloneDX bill of materials of bin/stallkeeper to bin/stallkeeper.cdx.json
	$(CYCLONEDX) bin -json -std -noserial -version $(VERSION) -output bin/stallkeeper.cdx.json bin/stallkeeper

.PHONY: vulncheck
vulncheck: build $(GOVULNCHECK) ## Look for known vulnerabilities in bin/stallkeeper; needs vuln.go.dev, or GOVULNDB=URL of a copy
	$(GOVULNCHECK) $(if $(GOVULNDB),-db $(GOVULNDB)) -mode binary bin/stallkeeper

.PHONY: image
image: ## Build the image IMAGE with CONTAINER_TOOL
	$(CONTAINER_TOOL) build --build-arg VERSION=$(VERSION) --build-arg COMMIT=$(COMMIT) --build-arg DATE=$(DATE) -t $(IMAGE) .

.PHONY: image-archive
image-archive: ## Build it with Linux, root and buildah where no registry is reached, into bin/image/stallkeeper.tar
	VERSION=$(VERSION) COMMIT=$(COMMIT) DATE=$(DATE) hack/image/build.sh $(IMAGE) bin/image/stallkeeper.tar

.PHONY: release-chart
release-chart: $(HELM) ## Keep the chart of this commit in charts/released
	hack/release-chart.sh

.PHONY: tools
tools: $(CONTROLLER_GEN) $(HELM) $(GOLANGCI_LINT) ## Build controller-gen, helm and golangci-lint into bin/tools

.PHONY: clean
clean: cluster-down ## End the cluster and remove bin/; the build cache stays
	rm -rf bin cover.out

$(CONTROLLER_GEN): hack/tools/go.mod hack/tools/go.sum
	go -C hack/tools build -o $(CURDIR)/$@ sigs.k8s.io/controller-tools/cmd/controller-gen
	@touch $@

$(CYCLONEDX): hack/tools/supply/go.mod hack/tools/supply/go.sum
	go -C hack/tools/supply build -o $(CURDIR)/$@ github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod
	@touch $@

$(GOVULNCHECK): hack/tools/supply/go.mod hack/tools/supply/go.sum
	go -C hack/tools/supply build -o $(CURDIR)/$@ golang.org/x/vuln/cmd/govulncheck
	@touch $@

# Helm calls itself v4 only as far as it is told.
$(HELM): hack/tools/go.mod hack/tools/go.sum
	version=$$(go -C hack/tools list -m -f '{{.Version}}' helm.sh/helm/v4) && \
	go -C hack/tools build -ldflags "-X helm.sh/helm/v4/internal/version.version=$$version" -o $(CURDIR)/$@ helm.sh/helm/v4/cmd/helm
	@touch $@

# golangci-lint with the API linter built in.
$(GOLANGCI_LINT): hack/tools/lint/go.mod hack/tools/lint/go.sum
	go -C hack/tools/lint build -o $(CURDIR)/$@ sigs.k8s.io/kube-api-linter/cmd/golangci-lint-kube-api-linter
	@touch $@
