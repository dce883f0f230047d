package admission

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"newsletter/shared/config"
	"newsletter/shared/ratelimit"
)

// TestDefaultLimitsAdmitCrowds simulates crowds behind few addresses under the default limits.
func TestDefaultLimitsAdmitCrowds(t *testing.T) {
	t.Parallel()
	for name, crowd := range map[string]struct {
		people int
		during time.Duration
		client func(person int) netip.Addr
	}{
		"a conference behind one IPv4 address, over an hour": {200, time.Hour,
			func(int) netip.Addr { return netip.MustParseAddr("192.0.2.1") }},
		"a talk that ends with a link, one IPv4 address": {60, 5 * time.Minute,
			func(int) netip.Addr { return netip.MustParseAddr("192.0.2.1") }},
		"a mobile carrier's customers behind 16 IPv4 addresses": {300, time.Hour,
			func(person int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(person % 16)}) }},
		"a mobile carrier's customers, each with an IPv6 /64": {300, time.Hour,
			func(person int) netip.Addr {
				return netip.MustParseAddr(fmt.Sprintf("2001:db8:1:%x::1", person))
			}},
	} {
		var twice ratelimit.Policies // without Redis a limit is half of what is configured
		if err := twice.UnmarshalText([]byte(double(t, config.Read[SubscribeLimits](config.FromMap(nil)).Policies))); err != nil {
			t.Fatal(err)
		}
		now := start
		g := newAdmission(t, nil, &now, Subscribe, twice.String())
		for person := range crowd.people {
			if v := g.Admit(t.Context(), Request{Client: crowd.client(person)}); v.Outcome != Accept {
				t.Errorf("%s: person %d is refused by %v", name, person, v.Limit.Violated())
				break
			}
			now = now.Add(crowd.during / time.Duration(crowd.people))
		}
	}
}

// TestDefaultLimitsOfSites checks that the limits of a site are high enough for a mobile carrier.
func TestDefaultLimitsOfSites(t *testing.T) {
	t.Parallel()
	env := config.FromMap(nil)
	for endpoint, policies := range map[Endpoint]ratelimit.Policies{
		Subscribe: config.Read[SubscribeLimits](env).Policies, Unsubscribe: config.Read[UnsubscribeLimits](env).Policies,
		Privacy: config.Read[PrivacyLimits](env).Policies,
	} {
		sites := 0
		for _, p := range policies {
			if p.Scope != ratelimit.Site {
				continue
			}
			if sites++; float64(p.Limit)/p.Window.Hours() < 200 {
				t.Errorf("%s: %s refuses a site of 200 an hour", endpoint, p)
			}
		}
		if sites == 0 {
			t.Errorf("%s: a site of many hosts is not limited at all", endpoint)
		}
	}
}

func double(t *testing.T, ps ratelimit.Policies) string {
	t.Helper()
	var all []string
	for _, p := range ps {
		p.Limit *= 2
		all = append(all, p.String())
	}
	return strings.Join(all, ",")
}
