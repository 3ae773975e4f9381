//go:build race

package render

// shadow is how many bytes the race detector has for each one of the program: without it no worker would be started under it.
const shadow = 5
