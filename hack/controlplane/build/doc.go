// Package build makes the binaries of a control plane out of this module's dependencies.
//
// Workflow: ParsePins reads the versions from go.mod, All compares each binary's stamp with what it would be built
// from, builds the ones that differ, and stamps them. A stamp covers go.mod, go.sum, the Go release, the platform and
// the flags, so that a change of any of them rebuilds, and nothing else does: with matching stamps go is not even
// called. A binary appears under its name only when it is complete, so that an interrupted build leaves no broken one,
// and a running process is not disturbed.
package build
