package subscription

import (
	"cmp"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/shared/outbox"
)

// It reads only entries of emails to be sent: the index starts with the purpose, so a flood of requests without an
// email does not slow the count down.
const sentEmailsSQL = `
select purpose, count(*), max(greatest(at, sent_at)) from email_log
where mailbox_hmac = $1::bytea and purpose = any($2::text[]) and greatest(at, sent_at) > $3::timestamptz
group by purpose`

// load counts the emails of the given purposes to a canonical mailbox that were queued or sent within budgetWindow.
func (m *SentEmails) load(b *pgx.Batch, mailboxHMAC []byte, purposes ...string) {
	b.Queue(sentEmailsSQL, mailboxHMAC, purposes, m.Now.Add(-budgetWindow)).Query(func(rows pgx.Rows) error {
		var purpose string
		var sent Sent
		_, err := pgx.ForEachRow(rows, []any{&purpose, &sent.Count, &sent.Last}, func() error {
			m.Sent[Purpose(purpose)] = sent
			return nil
		})
		return err
	})
}

// newSentEmails returns empty counts for load.
func newSentEmails(now time.Time) SentEmails {
	return SentEmails{Now: now, Sent: map[Purpose]Sent{}}
}

const logEmailSQL = `
insert into email_log (id, mailbox_hmac, purpose, at, domain_hmac)
values ($1::text::uuid, $2::bytea, $3::text, $4::timestamptz, $5::bytea)`

// enqueue enqueues m and adds the entry of the email log that the budgets count, under the same id. The entry of
// NoEmail is a decoy that no budget counts. domainHMAC is nil if emails to the domain are not counted.
func (p Purpose) enqueue(b *pgx.Batch, mailboxHMAC, domainHMAC []byte, m outbox.Message) {
	b.Queue(logEmailSQL, m.ID.String(), mailboxHMAC, cmp.Or(string(p), "none"), m.CreatedAt, domainHMAC)
	outbox.Enqueue(b, m)
}
