// Package apiservertest is an API server in memory, for tests that need thousands of clusters. It knows field ownership, generations,
// finalizers, the defaults of what the tests make, what can't be changed, and node ports: as much of the real one as decides about
// tenants. It validates no schema and runs no admission policy; the tests that need those run on the real one.
package apiservertest
