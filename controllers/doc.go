// Package controllers wires the reconcilers: Setup is the one list of them, used by the command and by the tests. Each has a package
// of its own below this one.
package controllers
