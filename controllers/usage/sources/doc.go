// Package sources asks the sources of meters how much was used in an interval: a Prometheus, or a Service of the tenant. It holds
// no state. What a source answers is a number or an *Error; nothing else of an answer goes any further, so that a source can't
// bring texts into conditions and logs.
package sources
