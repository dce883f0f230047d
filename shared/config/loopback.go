package config

import "net/netip"

// IsLoopback reports whether a host is this machine. Only there, in the local stack and in tests, may servers
// be used without TLS.
func IsLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
