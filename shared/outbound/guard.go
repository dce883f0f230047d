package outbound

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"syscall"
)

// errBlocked is the error for a name that resolves to an address that is not public.
var errBlocked = errors.New("the address is not public")

// notPublic lists the ranges that are not public: IANA's special-purpose registries for IPv4 and IPv6 (RFC 6890 and its
// successors, as of 2026), and the IPv6 ranges that embed IPv4 addresses.
var notPublic = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
	"192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
	"198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
	"5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
)

func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		all[i] = netip.MustParsePrefix(text)
	}
	return all
}

// public reports whether an address is on the public internet.
func public(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsGlobalUnicast() {
		return false
	}
	for _, p := range notPublic {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// ports are the ports that may be called.
var ports = map[uint16]bool{443: true, 8443: true}

// control implements net.Dialer.Control. The dialer calls it for each resolved address before it connects, so an
// earlier resolution of the name does not matter.
func (c Config) control(_, address string, _ syscall.RawConn) error {
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %w", errBlocked, err)
	}
	if c.allows(target) || public(target.Addr()) && ports[target.Port()] {
		return nil
	}
	return errBlocked
}

// allows reports whether an address is that of a fake in the local stack.
func (c Config) allows(target netip.AddrPort) bool {
	return target.Addr().IsLoopback() && ("http://"+target.String() == c.FakesURL || slices.Contains(c.AllowPrivate, target.String()))
}
