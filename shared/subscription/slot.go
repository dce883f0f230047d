package subscription

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/net/publicsuffix"

	"newsletter/shared/outbox"
)

// SlotConfig is about the slots of sign-ups.
type SlotConfig struct {
	// Registrable domains whose sign-ups never wait for a slot, besides those of SITE_PUBLIC_URL and MAIL_FROM; they
	// cover their subdomains. MAIL_DOMAIN_RATE_PER_MINUTE does not apply to them. At other domains that are no known
	// provider, at most 20 emails of sign-ups an hour and 100 a day leave. Emails that wait for a slot leave within a
	// minute of the change. Empty: none.
	Exempt Exemptions `env:"LIMITS_EXEMPT_DOMAINS" example:"example.org"`
}

// Exemptions are registrable domains as lower-case A-labels.
type Exemptions []string

var errExemption = errors.New(`each must be a registrable domain: no subdomain and no public suffix (example: example.org)`)

// UnmarshalText parses comma-separated domains.
func (e *Exemptions) UnmarshalText(text []byte) error {
	*e = nil
	for item := range strings.SplitSeq(string(text), ",") {
		item = strings.TrimSuffix(strings.TrimSpace(item), ".")
		if item == "" {
			continue
		}
		domain, err := parseDomain(item)
		if err != nil {
			return errExemption
		}
		if registrable, err := publicsuffix.EffectiveTLDPlusOne(domain); err != nil || registrable != domain {
			return errExemption
		}
		*e = append(*e, domain)
	}
	return nil
}

// Emails of sign-ups to a domain that is no known provider leave in slots, so that the form cannot flood a company, and
// nobody can keep its people from signing up for long. A slot is given at admission and depends only on the number and
// times of admitted sign-ups at the domain, so it says nothing about an address. Half of the slots of a domain are
// kept for the first sign-up of a network within a day. The reasons for the numbers are in docs/adr/0035.
const (
	slotsNetworkHour = 5
	slotsDomainHour  = 20
	slotsDomainDay   = 100
)

// A slot is the time at which the email of an admitted sign-up may leave.
type slot struct {
	at    time.Time // the minute
	first bool      // the first of its network within a day
	own   bool      // of the network of the request that asks
}

// firstOfNetwork reports whether a sign-up now is the first of its network within a day.
func firstOfNetwork(now time.Time, taken []slot) bool {
	return !slices.ContainsFunc(taken, func(s slot) bool { return s.own && s.at.After(now.Add(-oneDay)) })
}

// nextSlot returns the earliest time from now on at which the slots allow another one. It returns false if there is
// none within outbox.MaxWait. taken has the slots from a day before now on.
func nextSlot(now time.Time, taken []slot) (time.Time, bool) {
	limits := []struct {
		within  time.Duration
		limit   int
		counted func(slot) bool
	}{
		{time.Hour, slotsDomainHour, func(slot) bool { return true }},
		{oneDay, slotsDomainDay, func(slot) bool { return true }},
		{time.Hour, slotsNetworkHour, func(s slot) bool { return s.own }},
		{time.Hour, slotsDomainHour / 2, func(s slot) bool { return !s.first }},
		{oneDay, slotsDomainDay / 2, func(s slot) bool { return !s.first }},
	}
	if firstOfNetwork(now, taken) {
		limits = limits[:2]
	}
	end := now.Add(outbox.MaxWait)
	for t := now; !t.After(end); {
		free := t
		for _, l := range limits {
			free = later(free, freeAt(t, l.within, l.limit, taken, l.counted))
		}
		if free.Equal(t) {
			return t, true
		}
		t = free
	}
	return end, false
}

// freeAt returns the earliest time from t on that is in no period of the given length with limit counted slots. taken
// is in order.
func freeAt(t time.Time, within time.Duration, limit int, taken []slot, counted func(slot) bool) time.Time {
	var times []time.Time
	for _, s := range taken {
		if counted(s) {
			times = append(times, s.at)
		}
	}
	for i := 0; i+limit <= len(times); i++ {
		first, last := times[i], times[i+limit-1]
		if last.Sub(first) < within && t.After(last.Add(-within)) && t.Before(first.Add(within)) {
			t = first.Add(within)
		}
	}
	return t
}

// slotNetwork returns the network by which slots count a client; the zero Prefix for an unknown one.
func slotNetwork(client netip.Addr) netip.Prefix {
	bits := 48
	if client = client.Unmap(); client.Is4() {
		bits = 24
	}
	network, err := client.WithZone("").Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return network
}

// limitedDomain returns the pseudonym of an address's domain; nil at a known provider.
func (s *Store) limitedDomain(a Address) []byte {
	domain := a.LimitedDomain()
	if domain == "" {
		return nil
	}
	return s.key.Domain(domain)
}

// Decoys are released as emails are.
const releaseSlotsSQL = `
update outbox set due_at = $2::timestamptz, deferred_until = $2::timestamptz, waits_for = null
where state = 'ready' and waits_for = 'slot' and due_at > $2::timestamptz and domain_hmac = any($1::bytea[])`

// ReleaseSlots makes the emails that wait for a slot at an exempt domain due. The error is the database's.
func (s *Store) ReleaseSlots(ctx context.Context, exempt Exemptions) error {
	domains := make([][]byte, len(exempt))
	for i, domain := range exempt {
		domains[i] = s.key.Domain(domain)
	}
	err := s.db.Batch(ctx, func(b *pgx.Batch) { b.Queue(releaseSlotsSQL, domains, s.clock()) })
	if err != nil {
		return fmt.Errorf("release the slots of exempt domains: %w", err)
	}
	return nil
}

// SlotWait is the emails of sign-ups that wait for a slot at a domain.
type SlotWait struct {
	Domain string    `json:"domain"` // the registrable domain, which can be exempted
	Emails int       `json:"emails"`
	Last   time.Time `json:"last"` // when the last of them is due
}

const slotWaitsSQL = `
select split_part(s.email_norm, '@', 2), count(*), max(o.due_at)
from outbox o join subscribers s on s.id = o.subscriber_id
where o.state = 'ready' and o.waits_for = 'slot' and o.due_at > $1::timestamptz and o.kind <> 'none'
group by 1`

// ListSlotWaits returns the domains at which emails wait for a slot, the most emails first. The error is the
// database's.
func (s *Store) ListSlotWaits(ctx context.Context) ([]SlotWait, error) {
	var byDomain map[string]SlotWait
	err := s.db.Batch(ctx, func(b *pgx.Batch) {
		byDomain = map[string]SlotWait{}
		b.Queue(slotWaitsSQL, s.clock()).Query(func(rows pgx.Rows) error {
			var host string
			var one SlotWait
			_, err := pgx.ForEachRow(rows, []any{&host, &one.Emails, &one.Last}, func() error {
				domain, _ := publicsuffix.EffectiveTLDPlusOne(host) // fails for a public suffix
				domain = cmp.Or(domain, host)
				all := byDomain[domain]
				byDomain[domain] = SlotWait{domain, all.Emails + one.Emails, later(all.Last, one.Last)}
				return nil
			})
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list the domains whose emails wait for a slot: %w", err)
	}
	return slices.SortedFunc(maps.Values(byDomain), func(a, b SlotWait) int {
		return cmp.Or(cmp.Compare(b.Emails, a.Emails), cmp.Compare(a.Domain, b.Domain))
	}), nil
}
