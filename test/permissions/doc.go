// Package permissions tries what the chart's two ServiceAccounts may do, and what is refused to everybody, on a real API
// server with RBAC: the chart is rendered and applied, tokens come from the TokenRequest API, and each case is one request.
// Requests that write are dry runs, which pass through authorization and admission like any other.
package permissions
