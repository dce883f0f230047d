package subscription

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"newsletter/shared/config"
	"newsletter/shared/outbox"
)

func TestExemptions(t *testing.T) {
	t.Parallel()
	for value, want := range map[string][]string{
		"": nil, "example.org": {"example.org"}, " Example.NET , Bücher.de,shop.co.uk.,": {"example.net", "xn--bcher-kva.de", "shop.co.uk"},
	} {
		env := config.FromMap(map[string]string{"LIMITS_EXEMPT_DOMAINS": value})
		if got := config.Read[SlotConfig](env); env.Err() != nil || !slices.Equal(got.Exempt, want) {
			t.Errorf("%q: %v, %v", value, got, env.Err())
		}
	}
	for name, value := range map[string]string{
		"a subdomain": "lists.example.org", "a public suffix": "co.uk", "a pattern": "*.example.org", "an address": "jane@example.org",
		"a URL": "https://example.org", "a name": "localhost", "two without a comma": "example.org example.net",
	} {
		env := config.FromMap(map[string]string{"LIMITS_EXEMPT_DOMAINS": value})
		config.Read[SlotConfig](env)
		if err := env.Err(); err == nil || !strings.Contains(err.Error(), "LIMITS_EXEMPT_DOMAINS") || strings.Contains(err.Error(), value) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSlotsKeepTheirLimits assigns slots to random networks at random times, and counts them in every period.
func TestSlotsKeepTheirLimits(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	type given struct {
		slot
		network int
	}
	var all []given
	at := now
	full := 0
	for range 3000 {
		at = at.Add(time.Duration(random.Int64N(int64(10 * time.Minute))))
		network := random.IntN(1 + random.IntN(400))
		var taken []slot
		for _, g := range all {
			if g.at.After(at.Add(-oneDay)) {
				taken = append(taken, slot{g.at, g.first, g.network == network})
			}
		}
		slices.SortFunc(taken, func(a, b slot) int { return a.at.Compare(b.at) })
		due, free := nextSlot(at, taken)
		if due.Before(at) || due.After(at.Add(outbox.MaxWait)) {
			t.Fatalf("at %s, the slot is at %s", at, due)
		}
		if !free {
			full++
			continue
		}
		all = append(all, given{slot{at: due, first: firstOfNetwork(at, taken)}, network})
	}
	within := func(from time.Time, d time.Duration, counted func(given) bool) (n int) {
		for _, g := range all {
			if counted(g) && !g.at.Before(from) && g.at.Before(from.Add(d)) {
				n++
			}
		}
		return n
	}
	for _, g := range all {
		repeated := func(o given) bool { return !o.first }
		for name, c := range map[string]struct{ n, limit int }{
			"of a domain in an hour":       {within(g.at, time.Hour, func(given) bool { return true }), 20},
			"of a domain in a day":         {within(g.at, oneDay, func(given) bool { return true }), 100},
			"repeated, of a domain, hour":  {within(g.at, time.Hour, repeated), 10},
			"repeated, of a domain, day":   {within(g.at, oneDay, repeated), 50},
			"repeated, of a network, hour": {within(g.at, time.Hour, func(o given) bool { return o.network == g.network && !o.first }), 5},
		} {
			if c.n > c.limit {
				t.Fatalf("%d slots %s from %s on", c.n, name, g.at)
			}
		}
	}
	if full == 0 || len(all) < 500 {
		t.Errorf("%d slots, %d times none: the test is void", len(all), full)
	}
}

func TestNextSlot(t *testing.T) {
	t.Parallel()
	many := func(n int, s slot, apart time.Duration) (taken []slot) {
		for i := range n {
			taken = append(taken, slot{s.at.Add(time.Duration(i) * apart), s.first, s.own})
		}
		return taken
	}
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	for name, c := range map[string]struct {
		taken []slot
		wait  time.Duration
		none  bool
	}{
		"nobody else":                         {},
		"four of this network":                {taken: many(4, slot{ago(time.Minute), false, true}, 0)},
		"five of this network":                {taken: many(5, slot{ago(time.Minute), false, true}, 0), wait: 59 * time.Minute},
		"ten of others, and one of this":      {taken: append([]slot{{ago(2 * time.Hour), true, true}}, many(10, slot{ago(time.Minute), false, false}, 0)...), wait: 59 * time.Minute},
		"ten of others, and none of this":     {taken: many(10, slot{ago(time.Minute), false, false}, 0)},
		"twenty of others":                    {taken: many(20, slot{ago(time.Minute), true, false}, 0), wait: 59 * time.Minute},
		"a hundred over the day":              {taken: many(100, slot{ago(23 * time.Hour), true, false}, 12*time.Minute), wait: time.Hour},
		"a hundred on each of the three days": {taken: many(430, slot{ago(23 * time.Hour), true, false}, 14*time.Minute), none: true},
	} {
		at, free := nextSlot(now, c.taken)
		if free == c.none || !c.none && at.Sub(now) != c.wait || c.none && at.Sub(now) != outbox.MaxWait {
			t.Errorf("%s: in %s, %v", name, at.Sub(now), free)
		}
	}
}

func TestSlotNetworks(t *testing.T) {
	t.Parallel()
	for client, want := range map[string]string{
		"192.0.2.7": "192.0.2.0/24", "::ffff:192.0.2.9": "192.0.2.0/24", "2001:db8:1:2::3%eth0": "2001:db8:1::/48",
	} {
		if got := slotNetwork(netip.MustParseAddr(client)); got.String() != want {
			t.Errorf("%s: %s, want %s", client, got, want)
		}
	}
	if got := slotNetwork(netip.Addr{}); got.IsValid() {
		t.Errorf("an unknown client has the network %s", got)
	}
}

// from signs up an address from a network and returns how long its email waits for a slot.
func (b *fixture) from(network int, typed string) time.Duration {
	b.Helper()
	v := visit
	v.Client.IP = netip.AddrFrom4([4]byte{10, byte(network >> 8), byte(network), 7})
	if _, err := b.store.Request(b.Context(), Request{Address: address(b, typed), Visit: v}); err != nil {
		b.Fatal(err)
	}
	var wait time.Duration
	if err := b.admin.QueryRow(b.Context(), `select due_at - created_at from outbox order by id desc limit 1`).Scan(&wait); err != nil {
		b.Fatal(err)
	}
	return wait
}

func TestSlotsOfADomain(t *testing.T) {
	b := setup(t)
	for i := range 5 {
		if wait := b.from(1, fmt.Sprintf("jane%d@lists.example.net", i)); wait != 0 {
			t.Fatalf("request %d waits for %s", i, wait)
		}
	}
	if wait := b.from(1, "jane5@example.net"); wait < 59*time.Minute || wait > time.Hour {
		t.Errorf("the sixth of a network waits for %s", wait)
	}
	if wait := b.from(2, "jane6@example.net"); wait != 0 {
		t.Errorf("the first of another network waits for %s", wait)
	}
	for _, typed := range []string{"jane@gmail.com", "jane@example.com", "jane@outlook.com"} {
		if wait := b.from(1, typed); wait != 0 {
			t.Errorf("%s waits for %s", typed, wait)
		}
	}
	if n := b.count("signup_slots"); n != 8 { // seven, and one at example.com
		t.Errorf("%d slots", n)
	}
	b.activate("jane@example.net")
	b.requestLink("jane@example.net", UnsubscribeLinkEmail, LinkQueued) // takes no slot and waits for none
	if n := b.count("outbox where kind = 'email.unsubscribe_link' and due_at = created_at"); n != 1 {
		t.Error("a rights email waits")
	}
	waits, err := b.store.ListSlotWaits(t.Context())
	if err != nil || len(waits) != 1 || waits[0].Domain != "example.net" || waits[0].Emails != 1 || !waits[0].Last.After(b.now().Add(50*time.Minute)) {
		t.Errorf("%+v, %v", waits, err)
	}
}

// TestTheFiftyFirstOfACompany gets a slot within 72 hours, and the email at once when the owner exempts the domain.
func TestTheFiftyFirstOfACompany(t *testing.T) {
	b := setup(t)
	var last time.Duration
	for i := range 51 { // a meeting, behind one network
		last = b.from(1, fmt.Sprintf("person%d@company.net", i))
		b.advance(time.Second)
	}
	if last < 9*time.Hour || last > 12*time.Hour {
		t.Errorf("the last waits for %s", last)
	}
	sent := map[string]bool{}
	for range 13 {
		for _, one := range b.deliver() {
			sent[one.to] = true
		}
		b.advance(time.Hour)
	}
	if len(sent) != 51 {
		t.Errorf("%d of 51 received their email", len(sent))
	}

	b.from(1, "late@company.net")
	if b.from(1, "later@company.net") == 0 || b.from(1, "latest@company.net") == 0 {
		t.Fatal("nobody waits")
	}
	if err := b.store.ReleaseSlots(t.Context(), Exemptions{"example.com", "company.net"}); err != nil {
		t.Fatal(err)
	}
	if sent := b.deliver(); len(sent) != 3 {
		t.Errorf("%d of 3 received their email after the exemption", len(sent))
	}
	if n := b.count("outbox where state = 'ready' and due_at > $1", b.now()); n != 0 {
		t.Errorf("%d messages wait at an exempt domain", n)
	}
}

// TestExemptingReleasesNothingElse: a message that waits for the mailbox budget, or at another domain, stays.
func TestExemptingReleasesNothingElse(t *testing.T) {
	b := setup(t)
	for i := range 3 {
		b.from(i, jane)
		b.deliver()
		b.advance(confirmRepeat + time.Minute)
	}
	for i := range 7 {
		b.from(9, fmt.Sprintf("john%d@example.net", i))
	}
	before := b.strings(`select id || ' ' || due_at from outbox where state = 'ready' and due_at > $1 order by id`, b.now())
	if err := b.store.ReleaseSlots(t.Context(), Exemptions{"example.org"}); err != nil {
		t.Fatal(err)
	}
	if after := b.strings(`select id || ' ' || due_at from outbox where state = 'ready' and due_at > $1 order by id`, b.now()); len(before) != 3 || !slices.Equal(before, after) {
		t.Errorf("waiting before %q, after %q", before, after)
	}
}

// TestSlotsDependOnRequestsAlone: for a neighbor at the victim's domain, the wait is the same whatever the state of the
// victim's address is.
func TestSlotsDependOnRequestsAlone(t *testing.T) {
	b := setup(t)
	waits := map[string]time.Duration{}
	number := 0
	for name, prepare := range indistinguishableStates() {
		number++
		domain := fmt.Sprintf("company%d.net", number)
		victim := "victim@" + domain
		prepare(b, victim)
		b.advance(25 * time.Hour) // the slots that brought the victim into the state
		network := 10 * number
		for i := range 12 {
			b.from(network+i%3, victim)
			b.from(network+i%3, fmt.Sprintf("invented%d@%s", i, domain))
		}
		waits[name] = b.from(network, "neighbor@"+domain).Round(time.Minute)
	}
	for name, wait := range waits {
		if wait != waits["none"] || wait == 0 {
			t.Errorf("%s: the neighbor waits for %s, and for %s beside an unknown address", name, wait, waits["none"])
		}
	}
}
