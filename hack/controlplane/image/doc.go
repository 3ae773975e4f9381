// Package image packs files of this machine into an image archive, as `docker save` writes it, which containerd imports and
// a local registry is not needed for.
//
// It is for images that consist of static binaries: the node's pause image, and busybox. The same files give the same bytes.
package image
