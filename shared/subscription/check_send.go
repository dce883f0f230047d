package subscription

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/outbox"
)

// SendDecision is the decision about a due email. The zero SendDecision sends it.
type SendDecision struct {
	// DropReason drops the email: outbox.Stale, Outdated or Superseded; empty to keep it.
	DropReason outbox.Outcome
	// DeferFor is how long the mailbox budget or the domain limit defers the email; 0 for not at all.
	DeferFor time.Duration
}

// A logEntry is an entry of the email log.
type logEntry struct {
	id     uuid.UUID
	email  Email      // as logged
	sentAt *time.Time // nil if sending has not begun; of an invitation, when it was made
	waits  bool       // it is due, and the subscriber's epoch is unchanged
}

// randomID is the version of the ids that the entries of a mailbox have after an erasure.
const randomID uuid.Version = 4

// after reports whether e was queued later than d. Their ids sort by time; an entry of before an erasure was not.
func (e logEntry) after(d outbox.Delivery) bool {
	return e.id.Version() != randomID && bytes.Compare(e.id[:], d.ID[:]) > 0
}

// decideSend decides about a due email that its recipient accepts. log is the emails to the same mailbox within
// emailLifetime plus budgetWindow that share its budget. domainFree is when the domain limit allows the next email.
func decideSend(now time.Time, d outbox.Delivery, log []logEntry, domainFree time.Time) SendDecision {
	r := EmailOf(d.Kind).row()
	if now.Sub(d.CreatedAt) > r.lifetime {
		return SendDecision{DropReason: outbox.Outdated}
	}
	free := domainFree
	var sent []time.Time
	var invitedAt time.Time
	for _, e := range log {
		if e.id == d.ID {
			continue
		}
		if e.email == invited {
			invitedAt = later(invitedAt, *e.sentAt)
			continue
		}
		if e.email == r.loggedAs && e.after(d) && (e.waits || e.sentAt != nil) {
			return SendDecision{DropReason: outbox.Superseded} // a backlog must not arrive as a burst
		}
		if e.sentAt != nil {
			sent = append(sent, *e.sentAt)
		}
	}
	slices.SortFunc(sent, func(a, b time.Time) int { return b.Compare(a) }) // latest first
	if r.budget == confirmBudget && invitedAt.After(now.Add(-invitation)) && (len(sent) == 0 || invitedAt.After(sent[0])) {
		return SendDecision{DeferFor: max(0, free.Sub(now))} // the mailbox's reader asked for it
	}
	if len(sent) >= r.budget.limit {
		free = later(free, sent[r.budget.limit-1].Add(budgetWindow))
	}
	if len(sent) > 0 {
		free = later(free, sent[0].Add(r.budget.pause))
	}
	return SendDecision{DeferFor: max(0, free.Sub(now))}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

const sendRecipientSQL = `
select s.id::text, s.email, coalesce(s.locale, ''), s.status, s.epoch,
       (select bool_and(p.reason = 'restriction') from suppressions p join identities i on p.email_hmac = i.email_hmac or p.mailbox_hmac = i.mailbox_hmac
        where i.subscriber_id = s.id and (p.until is null or p.until > $2::timestamptz))
from subscribers s
where s.id = $1::text::uuid`

// Emails to one mailbox, and to one limited domain, are checked one after the other, so that each check sees what the
// previous one recorded. The mailbox is locked first, which rules out a deadlock.
const (
	lockMailboxSQL = `
select pg_advisory_xact_lock(hashtextextended(encode(mailbox_hmac, 'hex'), 0)) from identities where subscriber_id = $1::text::uuid`
	lockDomainSQL = `
select pg_advisory_xact_lock(hashtextextended(encode(domain_hmac, 'hex'), 0)) from email_log
where id = $1::text::uuid and domain_hmac is not null`
)

const logEntriesSQL = `
select m.id::text, m.purpose, case m.purpose when 'invited' then m.at else m.sent_at end,
       exists (select from outbox o join subscribers s on s.id = o.subscriber_id
               where o.id = m.id and o.state = 'ready' and o.epoch = s.epoch)
from email_log m
where m.mailbox_hmac = (select mailbox_hmac from identities where subscriber_id = $1::text::uuid)
  and m.purpose = any($2::text[]) and m.at > $3::timestamptz`

// It selects the email whose exit from the window makes room for the next one.
const domainSentSQL = `
select sent_at from email_log
where domain_hmac = (select domain_hmac from email_log where id = $1::text::uuid) and sent_at > $2::timestamptz and id <> $1::text::uuid
order by sent_at desc offset $3::integer limit 1`

// Messages from an older version have no entry under their id.
const markSentSQL = `
insert into email_log (id, mailbox_hmac, purpose, at, sent_at)
select $1::text::uuid, mailbox_hmac, $3::text, $4::timestamptz, $5::timestamptz from identities where subscriber_id = $2::text::uuid
on conflict (id) do update set sent_at = excluded.sent_at`

// CheckSend decides whether a due email may be sent now and returns its recipient. Call it immediately before sending.
// The budgets were counted when the email was queued; CheckSend enforces them for what reaches the mailbox, however
// long emails waited. Of several waiting emails of one kind, only the newest is sent. An email to be sent is
// recorded as sent; one that is checked again counts once. Emails of an unknown kind pass without being counted. It is
// one transaction in two round trips. The error is the database's.
func (s *Store) CheckSend(ctx context.Context, d outbox.Delivery) (Recipient, SendDecision, error) {
	email := EmailOf(d.Kind).row()
	if email.email == NoEmail {
		return Recipient{}, SendDecision{}, nil
	}
	emailID, subscriberID := d.ID.String(), d.SubscriberID.String()
	var to Recipient
	var log []logEntry
	var domainFree time.Time
	var c SendDecision
	err := s.transact(ctx, 0,
		func(b *pgx.Batch, before time.Time) {
			to, log, domainFree = Recipient{}, nil, time.Time{}
			b.Queue(lockMailboxSQL, subscriberID)
			b.Queue(lockDomainSQL, emailID)
			b.Queue(sendRecipientSQL, subscriberID, before).QueryRow(to.scan)
			b.Queue(logEntriesSQL, subscriberID, append(logged(email.sharesBudget), invited), before.Add(-emailLifetime-budgetWindow)).Query(func(rows pgx.Rows) error {
				var err error
				log, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (e logEntry, err error) {
					return e, row.Scan(&e.id, (*string)(&e.email), &e.sentAt, &e.waits)
				})
				return err
			})
			if limit := s.domainLimit.Limit; limit > 0 {
				b.Queue(domainSentSQL, emailID, before.Add(-domainWindow), limit-1).QueryRow(func(row pgx.Row) error {
					var sent time.Time
					err := row.Scan(&sent)
					if err == nil {
						domainFree = sent.Add(domainWindow)
					}
					return ignoreNoRows(err)
				})
			}
		},
		func(b *pgx.Batch, now time.Time) error {
			c = SendDecision{DropReason: outbox.Stale}
			if to.Accepts(d.Kind, d.Epoch) {
				c = decideSend(now, d, log, domainFree)
			}
			if c == (SendDecision{}) {
				b.Queue(markSentSQL, emailID, subscriberID, string(email.loggedAs), d.CreatedAt, now)
			}
			return nil
		})
	if err != nil {
		return Recipient{}, SendDecision{}, fmt.Errorf("check an email before sending: %w", err)
	}
	return to, c, nil
}
