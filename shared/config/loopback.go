package config

import "net/netip"

// IsLoopback says whether a host is this machine, where the local stack and tests have their servers: the one place that may
// be reached without TLS.
func IsLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
