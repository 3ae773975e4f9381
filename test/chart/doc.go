// Package chart renders the Helm chart charts/stallkeeper as helm template does, without a cluster, for the tests of the
// chart and for tests that install it: values in, objects out. The values are checked against the chart's schema.
package chart
