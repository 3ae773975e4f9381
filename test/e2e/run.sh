#!/usr/bin/env bash
# Plays sales with the product as it ships: image, chart, real pods. Run by make e2e, whose help has the variables.
#
# Without E2E_KUBECONFIG it builds the image, starts a control plane with a real node (Linux, root) and ends it afterwards, also
# when interrupted; KEEP=1 leaves it running. With E2E_KUBECONFIG it uses that cluster, and IMAGE, which its nodes must be able
# to pull; there it removes what it has made.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD

work=bin/e2e
cluster=$root/bin/cluster-e2e
mkdir -p "$work"
export E2E_STALLKEEPER=${E2E_STALLKEEPER:-$root/bin/stallkeeper} E2E_HELM=$root/bin/tools/helm E2E_KUBECTL

archive=$(find charts/released -name '*.tgz' | sort -V | tail -1)
if [[ -z $archive ]]; then
	# The archives begin anew where the kinds have changed in place. An upgrade and a rollback are tried all the same.
	echo 'e2e: no former release is kept yet in charts/released: the chart of this repository is upgraded to itself, with a changed value'
	bin/tools/helm package charts/stallkeeper --destination "$work" >/dev/null
	archive=$work/stallkeeper-$(sed -n 's/^version: //p' charts/stallkeeper/Chart.yaml).tgz
fi
released=$(basename "$archive" .tgz)
export E2E_RELEASED_CHART=$root/$archive
go test -c -o "$work/e2e.test" ./test/e2e
run=("$root/$work/e2e.test" -test.timeout 20m -ginkgo.v -ginkgo.no-color "$@")

if [[ -n ${E2E_KUBECONFIG:-} ]]; then
	E2E_KUBECTL=$(command -v kubectl || echo "$root/bin/controlplane/kubectl")
	if [[ ! -x $E2E_KUBECTL ]]; then
		echo 'e2e: kubectl is not in the PATH' >&2
		exit 1
	fi
	: "${E2E_IMAGE:?set IMAGE to an image that the cluster can pull}"
	export E2E_KUBECONFIG E2E_IMAGE
	exec "${run[@]}"
fi

if [[ $(uname) != Linux || $EUID != 0 ]]; then
	echo 'e2e: a real node needs Linux and root. Nothing was tested. On a cluster of yours: make e2e KUBECONFIG=... IMAGE=...' >&2
	exit 1
fi
controlplane=$root/bin/tools/controlplane-e2e
go -C hack/controlplane build -o "$controlplane" .
control() { (cd "$root/hack/controlplane" && "$controlplane" "$@" --dir "$cluster"); }

finish() {
	code=$?
	trap '' INT TERM HUP
	if [[ -n ${KEEP:-} && ${KEEP} != 0 && $code != 130 ]]; then
		echo "The cluster goes on running. To end it: $controlplane down --dir $cluster"
	else
		control down
	fi
	exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

control down
# An archive that is there already saves the build, for who works on this run itself.
if [[ -z ${E2E_ARCHIVE:-} ]]; then
	echo 'Building the image from the Dockerfile'
	E2E_ARCHIVE=$root/$work/stallkeeper.tar
	hack/image/build.sh localhost/stallkeeper:e2e "$E2E_ARCHIVE"
fi
# The chart that was released last ran with an image of its own. It is made again from its commit, where the clone has that.
commit=$(cat "charts/released/$released.commit" 2>/dev/null || true)
images=()
if [[ -n $commit ]] && git cat-file -e "$commit^{commit}" 2>/dev/null; then
	echo "Building the image of $released from $commit"
	rm -rf "$work/released"
	mkdir "$work/released"
	git archive "$commit" | tar -x -C "$work/released"
	VERSION=$released COMMIT=$commit hack/image/build.sh localhost/stallkeeper:released "$work/released.tar" "$work/released"
	rm -rf "$work/released"
	images+=(--image "$root/$work/released.tar")
	export E2E_RELEASED_IMAGE=localhost/stallkeeper:released
fi
# The tenants' software: the same busybox as on Docker Hub, from Debian.
"$controlplane" pack-image --name "$(sed -n 's/.*image: //p' test/e2e/testdata/product.yaml | head -1)" -o "$work/busybox.tar" \
	--file bin/busybox="$(command -v busybox)" --entrypoint /bin/busybox \
	$(for applet in sh cat id ls wget httpd sleep timeout; do echo "--link bin/$applet=busybox"; done)
echo 'Starting a control plane with a real node'
control up --real-node --image "$E2E_ARCHIVE" --image "$root/$work/busybox.tar" "${images[@]}"

export E2E_KUBECONFIG=$cluster/kubeconfig E2E_IMAGE=localhost/stallkeeper:e2e E2E_KUBECTL=$root/bin/controlplane/kubectl
export E2E_CONTROLPLANE=$controlplane E2E_CLUSTER_DIR=$cluster
nsenter --net="/proc/$(cat "$cluster/node/holder")/ns/net" "${run[@]}"
