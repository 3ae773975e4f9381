// Package controllers registers the reconcilers with a manager. Setup is the only list of them and serves both the binary and the
// tests. Each reconciler has its own package below this one.
package controllers
