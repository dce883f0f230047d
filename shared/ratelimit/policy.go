// Package ratelimit counts calls exactly in sliding windows that all instances share through Redis, and falls back to
// counting in this process when Redis is lost.
//
// A call names its client's address and some policies; it is allowed only if every policy allows it, and only then
// counted. In any window of a policy's length never more than its limit is allowed, and no call is refused that fits.
//
// Failure policy: Take never fails. When Redis cannot be asked, a log in this process decides with half the limits, and
// the Decision says so and why. A circuit breaker keeps a lost Redis from costing every call a timeout; one that is back
// is used again by itself.
package ratelimit

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Scope says which clients a policy counts together.
type Scope string

// The scopes.
const (
	// Host is one subscriber line: an IPv4 address, or an IPv6 /64.
	Host Scope = "host"
	// Site is an organization or a provider's pool: an IPv4 /24, or an IPv6 /48.
	Site Scope = "site"
)

// network is the prefix that a scope counts under.
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

// Policy is a limit of calls in a window.
type Policy struct {
	Limit  int
	Window time.Duration // whole milliseconds
	Scope  Scope
}

// Name tells the policies of a call apart, as in "host-10m".
func (p Policy) Name() string { return string(p.Scope) + "-" + compact(p.Window) }

// String gives the policy as it is configured, as in "5/10m@host".
func (p Policy) String() string {
	return strconv.Itoa(p.Limit) + "/" + compact(p.Window) + "@" + string(p.Scope)
}

// compact writes a duration without the zeros that time.Duration puts behind it.
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

// Policies are those of one endpoint. A call must fit all of them.
type Policies []Policy

const (
	// maxLimit bounds a policy: a log of 10,000 entries takes about 100 KB in Redis.
	maxLimit = 10_000
	// minWindow and maxWindow bound a window; keys live for as long.
	minWindow = time.Second
	maxWindow = 7 * 24 * time.Hour
)

// UnmarshalText reads "5/10m@host,200/1h@site".
func (ps *Policies) UnmarshalText(text []byte) error {
	var all Policies
	names := map[string]bool{}
	for one := range strings.SplitSeq(string(text), ",") {
		p, err := parsePolicy(strings.TrimSpace(one))
		if err != nil {
			return err
		}
		if names[p.Name()] {
			return policyError("names " + p.Name() + " twice")
		}
		names[p.Name()] = true
		all = append(all, p)
	}
	*ps = all
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (ps Policies) MarshalText() ([]byte, error) { return []byte(ps.String()), nil }

// String gives the policies as they are configured.
func (ps Policies) String() string {
	all := make([]string, len(ps))
	for i, p := range ps {
		all[i] = p.String()
	}
	return strings.Join(all, ",")
}

// policyError is a mistake in a policy. It repeats nothing of the text.
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
