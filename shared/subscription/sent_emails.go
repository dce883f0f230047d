package subscription

import (
	"cmp"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/shared/outbox"
)

// Only emails that were meant to leave are looked at: the index leads with the purpose, so a flood of requests without a
// mail does not slow the count down.
const mailedSQL = `
select purpose, count(*), max(greatest(at, sent_at)) from email_log
where mailbox_hmac = $1::bytea and purpose = any($2::text[]) and greatest(at, sent_at) > $3::timestamptz
group by purpose`

// load counts the emails of the given purposes to a folded address that were queued or sent within capWindow.
func (m *SentEmails) load(b *pgx.Batch, foldHMAC []byte, purposes ...string) {
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

// newMailed returns what was sent until now: nothing, before load.
func newMailed(now time.Time) SentEmails {
	return SentEmails{Now: now, Sent: map[Purpose]Sent{}}
}

const logMailSQL = `
insert into email_log (id, mailbox_hmac, purpose, at, domain_hmac)
values ($1::text::uuid, $2::bytea, $3::text, $4::timestamptz, $5::bytea)`

// queue queues m and, under its id, the entry that the caps count; NoEmail counts nowhere and stands in for an email.
// domainHMAC is nil where emails to the domain are not counted.
func (p Purpose) queue(b *pgx.Batch, foldHMAC, domainHMAC []byte, m outbox.Message) {
	b.Queue(logMailSQL, m.ID.String(), foldHMAC, cmp.Or(string(p), "none"), m.CreatedAt, domainHMAC)
	outbox.Enqueue(b, m)
}
