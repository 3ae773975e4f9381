//go:build !race

package render

const shadow = 1
