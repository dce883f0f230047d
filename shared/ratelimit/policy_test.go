package ratelimit

import (
	"strings"
	"testing"
	"time"

	"newsletter/shared/config"
	"newsletter/shared/pseudonym"
)

func TestPoliciesAreReadAndWritten(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Policies{
		"5/10m@host":               {{5, 10 * time.Minute, Host}},
		"5/10m@host,200/1h@site":   {{5, 10 * time.Minute, Host}, {200, time.Hour, Site}},
		" 1/1s@site , 2/168h@site": {{1, time.Second, Site}, {2, 168 * time.Hour, Site}},
		"3/1h30m@host":             {{3, 90 * time.Minute, Host}},
		"10000/1.5s@host":          {{10_000, 1500 * time.Millisecond, Host}},
	} {
		var got Policies
		if err := got.UnmarshalText([]byte(text)); err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if len(got) != len(want) {
			t.Errorf("%q: %v", text, got)
			continue
		}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("%q: %v, want %v", text, got[i], want[i])
			}
		}
		written, err := got.MarshalText()
		if trimmed := strings.ReplaceAll(text, " ", ""); err != nil || string(written) != trimmed {
			t.Errorf("%q is written as %q, %v", text, written, err)
		}
	}
}

func TestBadPoliciesAreExplained(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                       "not a list of policies",
		"5":                      "not a list of policies",
		"5/10m":                  "not a list of policies",
		"5/10m@host,":            "not a list of policies",
		"0/10m@host":             "limit",
		"-1/10m@host":            "limit",
		"10001/10m@host":         "limit",
		"many/10m@host":          "limit",
		"5/999ms@host":           "window",
		"5/169h@host":            "window",
		"5/1.0005s@host":         "window",
		"5/10@host":              "window",
		"5/10m@address":          "scope",
		"5/10m@host,6/600s@host": "twice",
	} {
		ps := Policies{{1, time.Second, Host}}
		err := ps.UnmarshalText([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "5/10m@host,200/1h@site") {
			t.Errorf("%q: %v, want a word about %q and an example", text, err, want)
		}
		if len(ps) != 1 {
			t.Errorf("%q: half of it was taken", text)
		}
	}
}

func TestScopesAreNetworks(t *testing.T) {
	t.Parallel()
	for client, want := range map[string][2]string{
		"192.0.2.77":                 {"192.0.2.77/32", "192.0.2.0/24"},
		"::ffff:192.0.2.77":          {"192.0.2.77/32", "192.0.2.0/24"},
		"2001:db8:1:2:3:4:5:6":       {"2001:db8:1:2::/64", "2001:db8:1::/48"},
		"2001:db8:1:2:aaaa:bbbb:5:6": {"2001:db8:1:2::/64", "2001:db8:1::/48"},
		"fe80::1%eth0":               {"fe80::/64", "fe80::/48"},
	} {
		if got := Host.network(addr(client)).String(); got != want[0] {
			t.Errorf("host of %s is %s", client, got)
		}
		if got := Site.network(addr(client)).String(); got != want[1] {
			t.Errorf("site of %s is %s", client, got)
		}
	}
}

func TestWhereACallCounts(t *testing.T) {
	t.Parallel()
	key, err := pseudonym.NewKey(pseudonym.Config{Pepper: config.Seal(strings.Repeat("QUJD", 11))}) // one key in 65,536 hides nothing
	if err != nil {
		t.Fatal(err)
	}
	l := New(nil, key, time.Now)
	both, hosts := policies(t, "5/10m@host,200/1h@site"), policies(t, "5/10m@host")
	at := func(client, endpoint string, ps Policies) counterKey {
		where := l.counterKey(Call{Endpoint: endpoint, Client: addr(client), Policies: ps})
		if strings.Contains(where.log, "192.0.2") || strings.Contains(where.log, "2001:db8") || where.host == hostNumber(addr(client)) {
			t.Errorf("%v shows the address %s", where, client)
		}
		return where
	}
	one := at("192.0.2.77", "subscribe", both)
	for client, want := range map[string]struct{ sameLog, sameHost bool }{
		"192.0.2.77":         {true, true},
		"::ffff:192.0.2.77":  {true, true},
		"192.0.2.78":         {true, false},
		"198.51.100.77":      {false, false},
		"2001:db8:1:2::3":    {false, false},
		"2001:db8:1:2:3::77": {false, false},
	} {
		other := at(client, "subscribe", both)
		if (other.log == one.log) != want.sameLog || want.sameLog && (other.host == one.host) != want.sameHost {
			t.Errorf("%s counts at %v, 192.0.2.77 at %v", client, other, one)
		}
	}
	if a, b := at("2001:db8:1:2::3", "subscribe", both), at("2001:db8:1:102::3", "subscribe", both); a.log != b.log || a.host == b.host {
		t.Errorf("two /64 of one /48 count at %v and %v", a, b)
	}
	if at("192.0.2.77", "confirm", both).log == one.log {
		t.Error("endpoints are counted together")
	}
	if a, b := at("192.0.2.77", "subscribe", hosts), at("192.0.2.78", "subscribe", hosts); a.log == b.log || a.log == one.log {
		t.Error("without a limit for sites, hosts share a log")
	}
}

// TestALogIsBounded: what hosts may do in a long window is kept for a whole site.
func TestALogIsBounded(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"5/168h@host":                           true,
		"5/1s@host,10000/168h@host":             true,
		"5/24h@host,200/1h@site":                true, // 4,800
		"5/168h@host,200/1h@site":               false,
		"5/168h@host,200/1h@site,2000/24h@site": false, // 14,000
		"5/168h@host,200/1h@site,1000/24h@site": true,
		"5/24h@host,10000/24h@site":             true,
		"5/1441m@host,10000/24h@site":           false,
	} {
		var ps Policies
		err := ps.UnmarshalText([]byte(text))
		if (err == nil) != want {
			t.Errorf("%s: %v", text, err)
		}
		if err != nil && !strings.Contains(err.Error(), "10000 calls within the longest window") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
