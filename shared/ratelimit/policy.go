// Package ratelimit counts calls exactly, in sliding windows that all instances share through Redis. It counts in this
// process when Redis is unavailable.
//
// A call has a client address and policies. It is allowed, and counted, only if every policy allows it. In any window
// of a
// policy's length, no more calls than its limit are allowed, and no call that fits is refused.
//
// Failure policy: Take never fails. If Redis is unavailable, a log in this process decides with half the limits, and
// the
// Decision contains the reason. A circuit breaker saves calls the timeout of an unavailable Redis, and closes when
// Redis is
// back.
package ratelimit

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Scope is the set of clients that a policy counts together.
type Scope string

// The scopes.
const (
	// Host is one subscriber line: an IPv4 address, or an IPv6 /64.
	Host Scope = "host"
	// Site is an organization or a provider's pool: an IPv4 /24, or an IPv6 /48.
	Site Scope = "site"
	// Key is one server's key, whatever the client's address. Only policies in the code have it.
	Key Scope = "key"
)

// network returns the prefix that a scope counts under.
func (s Scope) network(client netip.Addr) netip.Prefix {
	client = client.Unmap()
	length := 64
	switch {
	case s == Host && client.Is4():
		length = 32
	case s == Site && client.Is4():
		length = 24
	case s == Site:
		length = 48
	}
	prefix, err := client.Prefix(length) // drops the zone
	if err != nil {                      // no address: all such clients count together
		return netip.Prefix{}
	}
	return prefix
}

// hostNumber distinguishes the hosts of one site: the last byte of an IPv4 address, or the 16 bits after a site's /48.
// Clients without an address share one.
func hostNumber(client netip.Addr) uint16 {
	client = client.Unmap()
	switch {
	case client.Is4():
		return uint16(client.As4()[3])
	case client.Is6():
		address := client.As16()
		return binary.BigEndian.Uint16(address[6:8])
	}
	return 0
}

// Policy is a limit of calls in a window.
type Policy struct {
	Limit  int
	Window time.Duration // whole milliseconds
	Scope  Scope
}

// Name returns the policy's name, which is unique within a call, such as "host-10m".
func (p Policy) Name() string { return string(p.Scope) + "-" + compact(p.Window) }

// String returns the policy in its configured form, such as "5/10m@host".
func (p Policy) String() string {
	return strconv.Itoa(p.Limit) + "/" + compact(p.Window) + "@" + string(p.Scope)
}

// compact returns a duration without the trailing zero units of time.Duration.
func compact(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// Policies are the policies of one endpoint. A call must fit all of them.
type Policies []Policy

const (
	// maxLimit limits a policy, and so a log: one of 10,000 calls has 90 kB, which each call reads and writes
	// completely.
	maxLimit = 10_000
	// minWindow and maxWindow limit a window; keys live as long.
	minWindow = time.Second
	maxWindow = 7 * 24 * time.Hour
)

// UnmarshalText parses "5/10m@host,200/1h@site".
func (ps *Policies) UnmarshalText(text []byte) error {
	var all Policies
	names := map[string]bool{}
	for one := range strings.SplitSeq(string(text), ",") {
		p, err := parsePolicy(strings.TrimSpace(one))
		if err != nil {
			return err
		}
		if names[p.Name()] {
			return policyError("contains " + p.Name() + " twice")
		}
		names[p.Name()] = true
		all = append(all, p)
	}
	if all.most() > maxLimit {
		return policyError(fmt.Sprintf("allows a site more than %d calls within the longest window of a host, and all of them would be stored; "+
			"add a limit for the site with a window of that length", maxLimit))
	}
	*ps = all
	return nil
}

// widest returns the scope whose networks have a log each.
func (ps Policies) widest() Scope {
	if slices.ContainsFunc(ps, func(p Policy) bool { return p.Scope == Site }) {
		return Site
	}
	return Host
}

// longest returns how long a log keeps its calls.
func (ps Policies) longest() time.Duration {
	var longest time.Duration
	for _, p := range ps {
		longest = max(longest, p.Window)
	}
	return longest
}

// most returns the maximum number of calls in a log.
func (ps Policies) most() int {
	most, longest := math.MaxInt, ps.longest()
	for _, p := range ps {
		if p.Scope == ps.widest() {
			windows := int((longest + p.Window - 1) / p.Window)
			most = min(most, windows*p.Limit)
		}
	}
	return most
}

func (ps Policies) quotas() []quota {
	quotas := make([]quota, len(ps))
	for i, p := range ps {
		quotas[i] = quota{p.Limit, p.Window.Microseconds(), p.Scope == Host}
	}
	return quotas
}

// MarshalText returns the text that UnmarshalText parses.
func (ps Policies) MarshalText() ([]byte, error) { return []byte(ps.String()), nil }

// String returns the policies in their configured form.
func (ps Policies) String() string {
	all := make([]string, len(ps))
	for i, p := range ps {
		all[i] = p.String()
	}
	return strings.Join(all, ",")
}

// policyError is an error in a policy. It does not contain the policy.
type policyError string

func (e policyError) Error() string { return e.Explain() }

// Explain implements the interface by which configuration errors are shown.
func (e policyError) Explain() string {
	return string(e) + `; policies look like "5/10m@host,200/1h@site": limit, window, and host or site`
}

func parsePolicy(s string) (Policy, error) {
	limit, rest, found := strings.Cut(s, "/")
	window, scope, found2 := strings.Cut(rest, "@")
	if !found || !found2 {
		return Policy{}, policyError("is not a list of policies")
	}
	var (
		p   = Policy{Scope: Scope(scope)}
		err error
	)
	if p.Limit, err = strconv.Atoi(limit); err != nil || p.Limit < 1 || p.Limit > maxLimit {
		return Policy{}, policyError(fmt.Sprintf("has a limit that is not between 1 and %d", maxLimit))
	}
	if p.Window, err = time.ParseDuration(window); err != nil || p.Window < minWindow || p.Window > maxWindow || p.Window%time.Millisecond != 0 {
		return Policy{}, policyError("has a window that is not between 1s and 168h")
	}
	if p.Scope != Host && p.Scope != Site {
		return Policy{}, policyError("has a scope that is not host or site")
	}
	return p, nil
}
