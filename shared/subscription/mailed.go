package subscription

import (
	"cmp"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/net/publicsuffix"
)

// Only mails that were meant to leave are looked at: the index leads with the purpose, so a flood of requests without a
// mail does not slow the count down.
const mailedSQL = `
select purpose, count(*), max(at) from mail_log
where fold_hmac = $1::bytea and purpose = any($2::text[]) and at > $3::timestamptz
group by purpose`

// load counts the mails of the given purposes to a folded address within capWindow.
func (m *Mailed) load(b *pgx.Batch, foldHMAC []byte, purposes ...string) {
	b.Queue(mailedSQL, foldHMAC, purposes, m.Now.Add(-capWindow)).Query(func(rows pgx.Rows) error {
		var purpose string
		var sent Sent
		_, err := pgx.ForEachRow(rows, []any{&purpose, &sent.Count, &sent.Last}, func() error {
			m.Sent[Purpose(purpose)] = sent
			return nil
		})
		return err
	})
}

// newMailed is what was sent until now: nothing, before load.
func newMailed(now time.Time) Mailed {
	return Mailed{Now: now, Sent: map[Purpose]Sent{}}
}

// domainWindow is the time over which mails to one domain are counted.
const domainWindow = time.Hour

// toStrangers are the purposes that the cap on one domain counts: mails that anybody can cause to any address.
var toStrangers = []string{string(ConfirmMail), string(AlreadySubscribedMail)}

// Counting stops at the cap. Without a domain, that of a large provider, nothing is counted.
const domainMailedSQL = `
select count(*) from (
    select from mail_log
    where domain_hmac = $1::bytea and purpose = any($2::text[]) and at > $3::timestamptz limit $4::integer) as mails`

// loadDomain counts the mails to a domain within domainWindow. Requests that run at the same time do not see each other,
// so the cap may be passed by as many.
func (m *Mailed) loadDomain(b *pgx.Batch, domainHMAC []byte, limit int) {
	b.Queue(domainMailedSQL, domainHMAC, toStrangers, m.Now.Add(-domainWindow), limit).QueryRow(func(row pgx.Row) error {
		var count int
		err := row.Scan(&count)
		m.DomainFull = limit > 0 && count >= limit
		return err
	})
}

// cappedDomain is the registrable domain that the cap on one domain counts under; empty for large providers, where many
// strangers live, and for those that the owner has exempted.
func (c Config) cappedDomain(a Address) string {
	domain, err := publicsuffix.EffectiveTLDPlusOne(a.Domain)
	if err != nil { // the domain is itself a public suffix
		domain = a.Domain
	}
	if Provider(a.Domain) != "other" || slices.Contains(c.CapExempt, domain) {
		return ""
	}
	return domain
}

const logMailSQL = `
insert into mail_log (id, fold_hmac, purpose, at, domain_hmac)
values ($1::text::uuid, $2::bytea, $3::text, $4::timestamptz, $5::bytea)`

// log queues the entry that the caps count; NoMail counts nowhere and stands in for a mail.
func (p Purpose) log(b *pgx.Batch, foldHMAC, domainHMAC []byte, at time.Time) {
	b.Queue(logMailSQL, newID().String(), foldHMAC, cmp.Or(string(p), "none"), at, domainHMAC)
}
