package subscription

import (
	"cmp"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/shared/outbox"
)

// sentEmails counts the emails that were queued for or sent to a canonical mailbox within the last 24 h.
type sentEmails struct {
	Now time.Time
	// Sent has the counts by the name in the email log.
	Sent map[Email]sentCount
	// DomainLimitReached is true when the emails to the address's domain reached DomainLimit within the last hour.
	DomainLimitReached bool
}

// sentCount counts emails within the last 24 h. Last is when the last one was queued or sent.
type sentCount struct {
	Count int
	Last  time.Time
}

// Allows reports whether another email is within its mailbox budget and the domain limit.
func (m sentEmails) Allows(e Email) bool {
	r := e.row()
	if r.budget == nil || m.DomainLimitReached && r.anyAddress {
		return false
	}
	count, last := 0, time.Time{}
	for _, name := range logged(r.sharesBudget) {
		sent := m.Sent[Email(name)]
		count += sent.Count
		last = later(last, sent.Last)
	}
	if r.budget == confirmBudget && m.Sent[invited].Last.After(last) {
		return true // the mailbox's reader asked for it, within the invitation
	}
	return count < r.budget.limit && (last.IsZero() || m.Now.Sub(last) >= r.budget.pause)
}

// mailboxPurposes returns the names in the email log that sentEmails counts.
func mailboxPurposes() []string {
	return append(logged(func(r emailRow) bool { return !r.renews }), invited)
}

// It reads only entries of emails to be sent: the index starts with the purpose, so a flood of requests without an
// email does not slow the count down.
const sentEmailsSQL = `
select purpose, count(*), max(greatest(at, sent_at)) from email_log
where mailbox_hmac = $1::bytea and purpose = any($2::text[]) and greatest(at, sent_at) > $3::timestamptz
group by purpose`

// load counts the emails to a canonical mailbox that were queued or sent within budgetWindow.
func (m *sentEmails) load(b *pgx.Batch, mailboxHMAC []byte) {
	b.Queue(sentEmailsSQL, mailboxHMAC, mailboxPurposes(), m.Now.Add(-budgetWindow)).Query(func(rows pgx.Rows) error {
		var email string
		var sent sentCount
		_, err := pgx.ForEachRow(rows, []any{&email, &sent.Count, &sent.Last}, func() error {
			m.Sent[Email(email)] = sent
			return nil
		})
		return err
	})
}

// newSentEmails returns empty counts for load.
func newSentEmails(now time.Time) sentEmails {
	return sentEmails{Now: now, Sent: map[Email]sentCount{}}
}

const logEmailSQL = `
insert into email_log (id, mailbox_hmac, purpose, at, domain_hmac)
values ($1::text::uuid, $2::bytea, $3::text, $4::timestamptz, $5::bytea)`

// enqueue enqueues m and adds the entry of the email log that the budgets count, under the same id. The entry of
// NoEmail is a decoy that no budget counts. domainHMAC is nil if emails to the domain are not counted.
func (e Email) enqueue(b *pgx.Batch, mailboxHMAC, domainHMAC []byte, m outbox.Message) {
	b.Queue(logEmailSQL, m.ID.String(), mailboxHMAC, e.logged(), m.CreatedAt, domainHMAC)
	outbox.Enqueue(b, m)
}

// logged returns the name of e in the email log.
func (e Email) logged() string { return cmp.Or(string(e.row().loggedAs), "none") }
