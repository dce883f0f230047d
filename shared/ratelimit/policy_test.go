package ratelimit

import (
	"strings"
	"testing"
	"time"
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

func TestKeysHoldNoAddress(t *testing.T) {
	t.Parallel()
	l := New(nil, newKey(t), Config{}, time.Now)
	ps := policies(t, "5/10m@host,200/1h@site")
	keys := func(client, endpoint string) []string {
		return l.keys(Call{Endpoint: endpoint, Client: addr(client), Policies: ps})
	}
	one, neighbour, elsewhere := keys("192.0.2.77", "subscribe"), keys("192.0.2.78", "subscribe"), keys("198.51.100.7", "subscribe")
	for _, key := range append(one, keys("2001:db8:1:2::3", "subscribe")...) {
		if strings.Contains(key, "192.0.2") || strings.Contains(key, "2001:db8") {
			t.Errorf("%s shows the address", key)
		}
		if strings.Count(key, "{") != 1 || !strings.HasPrefix(key, "rl:{") {
			t.Errorf("%s has no hash tag", key)
		}
	}
	tag := func(key string) string { return key[:strings.Index(key, "}")] }
	if tag(one[0]) != tag(one[1]) || tag(one[0]) != tag(neighbour[0]) || tag(one[0]) == tag(elsewhere[0]) {
		t.Error("the hash tag is not that of the site")
	}
	if one[0] == neighbour[0] || one[1] != neighbour[1] || one[1] == elsewhere[1] {
		t.Error("hosts and sites are not told apart")
	}
	if other := keys("192.0.2.77", "confirm"); other[0] == one[0] || other[1] == one[1] {
		t.Error("endpoints are counted together")
	}
}
