// Package load has what runs for minutes or hours: a flood of strangers' connections, and a soak of mixed calls, against the real
// `stallkeeper webhook` on a real API server, and a fleet of tenants that are made and suspended at once beside the same writes by a plain
// client. All of it stays on 127.0.0.1. It is skipped unless LOAD=1; make bench-large runs it.
//
//	LOAD=1 go test ./test/load -run Flood -v                         FLOOD_IDLE=20000 FLOOD_SENDING=5000 FLOOD_DURATION=60s
//	LOAD=1 go test ./test/load -run Soak -v -timeout 3h              SOAK_DURATION=2h SOAK_RATE=200
//	LOAD=1 go test ./test/load -run Fleet -v -timeout 1h             FLEET_TENANTS=1400 FLEET_BURST=1000
package load
