#!/usr/bin/env bash
# What make test has no time for: many more cases of every property, the race detector on what is concurrent, and every fuzz
# target for as long as the first argument says (1m when not given). Run by make test-long, after make test.
set -euo pipefail
cd "$(dirname "$0")/.."
fuzztime=${1:-1m}

# folders of the packages whose tests hold the text
folders() {
	git ls-files -z --cached --others --exclude-standard -- '*_test.go' | xargs -0 grep -l -- "$1" | xargs -r -n1 dirname | sort -u
}

for folder in $(folders '"pgregory.net/rapid"'); do
	echo "== properties in $folder"
	checks=10000
	if [ "$folder" = controllers/tenant ]; then checks=100000; fi
	KUBEBUILDER_ASSETS=$PWD/bin/controlplane STALLKEEPER_SEQUENCES=200 STALLKEEPER_MEMORY_SEQUENCES=100000 go test -timeout 4h "./$folder" -args -rapid.checks="$checks"
done

echo '== race detector'
# The race detector is written in C.
KUBEBUILDER_ASSETS=$PWD/bin/controlplane CGO_ENABLED=1 go test -race -p 2 -timeout 30m ./...

for folder in $(folders '^func Fuzz'); do
	for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$folder"/*_test.go); do
		echo "== $target in $folder"
		# Where coverage differs from run to run, an input is made smaller for a minute, and nothing else is tried meanwhile.
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$fuzztime" -fuzzminimizetime 1s "./$folder"
	done
done
