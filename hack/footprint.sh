#!/usr/bin/env bash
# Measures what the two processes use, for the requests and limits in the chart's values: memory and processor time of the
# controller with more and more tenants, and of the webhook under purchases. Run by make footprint.
#
#   hack/footprint.sh [TENANTS ...]        the numbers of tenants to stop at; 0 200 1000 3000 unless said
#
# It plays the demo first and works in its cluster, whose node is simulated; the processes are real, and as large as in a pod.
set -euo pipefail
cd "$(dirname "$0")/.."
steps=("${@:-}")
if [[ -z ${steps[0]} ]]; then
	steps=(0 200 1000 3000)
fi

echo 'Playing the demo, whose cluster is used'
KEEP=1 go run ./hack/demo >bin/footprint-demo.log
trap 'go run ./hack/demo -down' EXIT
set -a
. bin/demo/env
set +a
kubectl=bin/controlplane/kubectl

pid() { pgrep -f "^$PWD/bin/stallkeeper $1 " | head -1; }
# ready counts tenants. kubectl wait looks at one after the other, which takes minutes for thousands.
ready() {
	$kubectl get mpi -n sales -l footprint \
		-o jsonpath='{range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}' | grep -c True || true
}
# mebibytes PID FIELD: VmRSS is what it holds now, VmHWM the most that it ever held.
mebibytes() { awk -v field="$2:" '$1 == field { printf "%d", $2 / 1024 }' "/proc/$1/status"; }
# ticks of 10 ms that it has spent in the processor.
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }

controller=$(pid controller) webhook=$(pid webhook)
product=$($kubectl get mpp -n sales -o jsonpath='{.items[0].metadata.name}')
plan=$($kubectl get mpp "$product" -n sales -o jsonpath='{.spec.plans[0].name}')
printf '\n%-8s  %-9s  %-22s  %-14s  %s\n' tenants 'ready in' 'controller now (most)' 'webhook' 'controller, idle'
made=0
for tenants in "${steps[@]}"; do
	began=$SECONDS
	for ((i = made; i < tenants; i++)); do
		printf -- '---\napiVersion: stallkeeper.io/v1alpha1\nkind: MarketplaceInstance\nmetadata: {name: footprint-%d, namespace: sales, labels: {footprint: "1"}}\nspec: {productRef: {name: %s}, plan: %s, lifecycle: {deletionProtection: Disabled}}\n' "$i" "$product" "$plan"
	done >bin/footprint.yaml
	if ((tenants > made)); then
		$kubectl create -f bin/footprint.yaml >/dev/null
		until (($(ready) == tenants)); do
			((SECONDS - began < 1800)) || { echo "only $(ready) of $tenants tenants became ready in half an hour" >&2 && exit 1; }
			sleep 2
		done
	fi
	made=$tenants
	took=$((SECONDS - began))
	sleep 30 # what follows is idle
	before=$(ticks "$controller")
	sleep 20
	idle=$(($(ticks "$controller") - before))
	printf '%-8s  %-9s  %-22s  %-14s  %s\n' "$tenants" "$took s" \
		"$(mebibytes "$controller" VmRSS) MiB ($(mebibytes "$controller" VmHWM) MiB)" "$(mebibytes "$webhook" VmRSS) MiB" \
		"$((idle * 10 / 20)) ms of processor time a second"
done

calls=400
before=$(ticks "$webhook") began=$SECONDS
seq $calls | xargs -P 8 -I{} bin/stallkeeper simulate purchase --order "FOOTPRINT-{}" -o json >/dev/null
printf '\n%d purchases in %d s: webhook %s MiB at most, %d ms of processor time for each\n' \
	"$calls" $((SECONDS - began)) "$(mebibytes "$webhook" VmHWM)" $((($(ticks "$webhook") - before) * 10 / calls))
