// Package sources queries the sources of meters, Prometheus or a Service of the tenant, for the usage of an interval. It is stateless. A
// response becomes a number or an *Error and is otherwise dropped, so that a source can't inject text into conditions and logs.
package sources
