#!/usr/bin/env bash
# Builds the image from the Dockerfile where no registry is reached, and writes it to an archive that `docker load`,
# `ctr images import` and kind take. Run by make image-archive.
#
#   hack/image/build.sh NAME ARCHIVE [SOURCE]
#
# SOURCE is the folder with the Dockerfile, this repository unless said.
# It needs Linux, root and buildah. The Dockerfile's two bases are made here: one of a static busybox, the CA certificates and
# the Go of this machine, one empty. Modules come from this machine's module cache, or from the Go module proxy. The build has
# storage of its own, which is removed at the end; its compiler uses this machine's build cache.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [[ $# -lt 2 || $# -gt 3 ]]; then
	echo "usage: $0 NAME ARCHIVE [SOURCE]" >&2
	exit 2
fi
name=$1 archive=$2 source=${3:-.}

# limit is the most that the image may have, in bytes.
limit=60000000

if [[ $(uname) != Linux || $EUID != 0 ]]; then
	echo 'image: building without a registry needs Linux and root; with docker or podman use: make image' >&2
	exit 1
fi
missing=()
for program in buildah:buildah busybox:busybox-static; do
	command -v "${program%:*}" >/dev/null || missing+=("${program#*:}")
done
if [[ ${#missing[@]} != 0 ]]; then
	echo "Installing Debian's packages ${missing[*]}"
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

work=$(mktemp -d)
cleanup() {
	# A build that was interrupted leaves what it had mounted for its step.
	awk -v below="$work/" 'index($5, below) == 1 { print $5 }' /proc/self/mountinfo | sort -r | while read -r mounted; do
		umount --lazy "$mounted"
	done
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP
export BUILDAH_ISOLATION=chroot
# vfs needs nothing of the file system below, which may be an overlay itself.
buildah() { command buildah --storage-driver vfs --root "$work/storage" --runroot "$work/run" "$@"; }

base=$(buildah from scratch)
buildah copy -q "$base" "$(command -v busybox)" /bin/busybox >/dev/null
buildah run "$base" /bin/busybox sh -c '/bin/busybox --install -s /bin && mkdir -m 1777 /tmp'
buildah copy -q "$base" /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt >/dev/null
# HOME as in the official Go image: below it lie the caches.
buildah config --env HOME=/root --env PATH=/usr/local/go/bin:/bin --env GOTOOLCHAIN=local \
	--env "GOPROXY=$(go env GOPROXY)" --env "GOSUMDB=$(go env GOSUMDB)" "$base"
buildah commit -q "$base" localhost/build-base >/dev/null
buildah commit -q "$(buildah from scratch)" localhost/empty-base >/dev/null

began=$SECONDS
buildah build -q --pull-never \
	--build-arg BUILD_IMAGE=localhost/build-base --build-arg BASE_IMAGE=localhost/empty-base \
	--build-arg "VERSION=${VERSION:-dev}" --build-arg "COMMIT=${COMMIT:-unknown}" --build-arg "DATE=${DATE:-unknown}" \
	--volume "$(go env GOROOT):/usr/local/go:ro" --volume "$(go env GOMODCACHE):/root/go/pkg/mod" \
	--volume "$(go env GOCACHE):/root/.cache/go-build" -t "$name" "$source" >/dev/null
mkdir -p "$(dirname "$archive")"
rm -f "$archive"
buildah push -q "$name" "docker-archive:$archive:$name"

size=$(stat -c %s "$archive")
printf 'Built %s in %d s: %s has %d.%d MB (at most %d)\n' "$name" $((SECONDS - began)) "$archive" \
	$((size / 1000000)) $((size / 100000 % 10)) $((limit / 1000000))
if ((size > limit)); then
	echo 'image: it is too large' >&2
	exit 1
fi
