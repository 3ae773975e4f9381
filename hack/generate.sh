#!/usr/bin/env bash
# Writes everything that is made from the Go types: deep copies, apply configurations, CRDs, and the chart's templates of
# the CRDs. Run by make generate and make verify.
set -euo pipefail
cd "$(dirname "$0")/.."

stamp=$(mktemp)
trap 'rm -f "$stamp"' EXIT
# A little in the past, for file systems that round times.
touch -d '2 seconds ago' "$stamp"

bin/tools/controller-gen object applyconfiguration crd:crdVersions=v1 paths=./api/... output:crd:dir=config/crd

# What a type that is gone has left behind was not written again.
find config/crd api/*/applyconfiguration -type f ! -newer "$stamp" -print -delete | sed 's/^/removed: /'

if [[ -x hack/chart-crds.sh ]]; then
	hack/chart-crds.sh
fi
