#!/usr/bin/env bash
# Writes everything that is made from the Go types: deep copies, apply configurations, CRDs, the chart's templates of the
# CRDs, and from the chart the kustomize base. Run by make generate and make verify.
set -euo pipefail
cd "$(dirname "$0")/.."

stamp=$(mktemp)
trap 'rm -f "$stamp"' EXIT
# A little in the past, for file systems that round times.
touch -d '2 seconds ago' "$stamp"

bin/tools/controller-gen object applyconfiguration crd:crdVersions=v1 paths=./api/... output:crd:dir=config/crd

# The pattern that controller-gen writes for a quantity has no bound. Clients that read 1E-2147483647 compute for hours, so that one such
# object would stop the controller at each start.
bounded='^(\\+|-)?(([0-9]{1,32}(\\.[0-9]{0,32})?)|(\\.[0-9]{1,32}))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?[0-9]{1,3}))?$'
sed -i "s/pattern: .*numkMGTPE.*/pattern: $bounded/" config/crd/*.yaml

# What a type that is gone has left behind was not written again.
find config/crd api/*/applyconfiguration -type f ! -newer "$stamp" -print -delete | sed 's/^/removed: /'

if [[ -x hack/chart-crds.sh ]]; then
	hack/chart-crds.sh
fi

# For those who use kustomize: the chart with its defaults, and a kustomization.yaml beside it that is written by hand.
{
	echo '# Made from charts/stallkeeper by make generate; not to be edited.'
	bin/tools/helm template stallkeeper charts/stallkeeper --namespace stallkeeper-system --skip-tests
} >config/default/install.yaml
