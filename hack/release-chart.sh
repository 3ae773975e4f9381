#!/usr/bin/env bash
# Keeps the chart as it stands in charts/released, from where make e2e upgrades to the next one. Run by make release-chart, on the
# commit that is released, with nothing uncommitted; commit what it writes.
#
#   hack/release-chart.sh [--replace] [COMMIT]
#
# With a COMMIT the chart is that commit's, for a release that was not kept at its time. With --replace a version that is kept is made
# anew, as long as it is not out: what make e2e upgrades from would else not be what people have.
set -euo pipefail
cd "$(dirname "$0")/.."

replace=
if [[ ${1:-} == --replace ]]; then
	replace=yes
	shift
fi
if [[ -n $(git status --porcelain) && $# == 0 ]]; then
	echo 'release-chart: there are uncommitted changes; the chart has to be that of a commit' >&2
	exit 1
fi
commit=$(git rev-parse --verify "${1:-HEAD}^{commit}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git archive "$commit" charts/stallkeeper | tar -x -C "$work"
version=$(sed -n 's/^version: //p' "$work/charts/stallkeeper/Chart.yaml")
if [[ -e charts/released/stallkeeper-$version.tgz && -z $replace ]]; then
	echo "release-chart: charts/released has $version already; raise the version in Chart.yaml, or run it with --replace if it is not out" >&2
	exit 1
fi
bin/tools/helm package "$work/charts/stallkeeper" --destination charts/released
# What the image of this release is built from.
echo "$commit" >"charts/released/stallkeeper-$version.commit"
