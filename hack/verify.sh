#!/usr/bin/env bash
# Fails when a generated file, the formatting or a go.mod file is not what it should be, or a package has no import rule. It
# generates into the tree, so that what was wrong is right afterwards; changes of other files do not disturb it. Run by make verify.
set -euo pipefail
cd "$(dirname "$0")/.."

failed=0
fail() {
	failed=1
	printf '\nverify: %s\n' "$1" >&2
}

# Every generated file with the hash of what is in it.
generated() {
	find api/*/applyconfiguration config/crd config/default charts/*/templates/crds api/*/zz_generated.* -type f -print0 2>/dev/null |
		sort -z | xargs -0 sha256sum
}

before=$(generated)
hack/generate.sh
if ! difference=$(diff <(echo "$before") <(generated)); then
	fail 'these generated files were not up to date, and are now; commit them:'
	sed -n 's/^[<>] [0-9a-f]*  /  /p' <<<"$difference" | sort -u >&2
fi

unformatted=$(gofmt -l .)
if [[ -n $unformatted ]]; then
	fail 'these files are not formatted; run gofmt -w on them:'
	sed 's/^/  /' <<<"$unformatted" >&2
fi

while read -r module; do
	folder=$(dirname "$module")
	if ! go -C "$folder" mod tidy -diff; then
		fail "$module is not tidy; run: go -C $folder mod tidy"
	fi
done < <(git ls-files -- 'go.mod' '*/go.mod' ':!test/othercharts') # that one names charts, which no Go code imports

if ! go run ./hack/imports; then
	fail 'the import rules of .golangci.yml do not cover the packages as they are; see above'
fi

if [[ $failed != 0 ]]; then
	exit 1
fi
echo 'Generated files, formatting, go.mod files and import rules are as they should be.'
