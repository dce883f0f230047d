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

// SendDecision is what is to be done with an email that is due. The zero SendDecision lets it go.
type SendDecision struct {
	// Ended is why it must not leave any more, in one word: "stale", "outdated" or "superseded"; empty if it may.
	DropReason string
	// Wait is how long the caps make it wait; 0 for not at all.
	DeferFor time.Duration
}

// The ends of an email that is not sent.
const (
	endedStale     = "stale"      // the person's state is no longer the one that it was decided in
	endedOutdated  = "outdated"   // it waited longer than what it says is true
	endedOvertaken = "superseded" // the same mailbox is sent the same later: what waits for long does not come as a burst
)

// logged is an entry of the email log.
type logged struct {
	id      uuid.UUID
	purpose Purpose
	sentAt  *time.Time // nil if its sending has not begun
	waits   bool       // it is due, and decided in the present state of its person
}

// after reports whether e was queued later than a delivery, by their ids, which sort by time.
func (e logged) after(d outbox.Delivery) bool { return bytes.Compare(e.id[:], d.ID[:]) > 0 }

// clearance decides about a due mail that its person accepts. log is what was queued for the same mailbox within mailLifetime
// and capWindow, under the purposes that share a cap. domainFree is when the cap on the mailbox's domain allows the next.
func clearance(now time.Time, d outbox.Delivery, log []logged, domainFree time.Time) SendDecision {
	purpose := purposeOf(d.Kind)
	bound, _ := caps(purpose)
	if now.Sub(d.CreatedAt) > bound.lifetime {
		return SendDecision{DropReason: endedOutdated}
	}
	free := domainFree
	var sent []time.Time
	for _, e := range log {
		if e.id == d.ID {
			continue
		}
		if e.purpose == purpose && e.after(d) && (e.waits || e.sentAt != nil) {
			return SendDecision{DropReason: endedOvertaken}
		}
		if e.sentAt != nil {
			sent = append(sent, *e.sentAt)
		}
	}
	slices.SortFunc(sent, func(a, b time.Time) int { return b.Compare(a) }) // the latest first
	if len(sent) >= bound.limit {
		free = later(free, sent[bound.limit-1].Add(capWindow))
	}
	if len(sent) > 0 {
		free = later(free, sent[0].Add(bound.pause))
	}
	return SendDecision{DeferFor: max(0, free.Sub(now))}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

const clearedSQL = `
select s.id::text, s.email, coalesce(s.locale, ''), s.status, s.epoch,
       exists (select from suppressions p join identities i on p.email_hmac = i.email_hmac or p.mailbox_hmac = i.mailbox_hmac
               where i.subscriber_id = s.id and (p.until is null or p.until > $2::timestamptz))
from subscribers s
where s.id = $1::text::uuid`

// Emails to one mailbox, and to one capped domain, are cleared one after the other, in every environment: what the first one
// recorded the next one sees. The mailbox comes first, so that nobody waits in a circle.
const (
	lockMailboxSQL = `
select pg_advisory_xact_lock(hashtextextended(encode(mailbox_hmac, 'hex'), 0)) from identities where subscriber_id = $1::text::uuid`
	lockDomainSQL = `
select pg_advisory_xact_lock(hashtextextended(encode(domain_hmac, 'hex'), 0)) from email_log
where id = $1::text::uuid and domain_hmac is not null`
)

const loggedSQL = `
select m.id::text, m.purpose, m.sent_at,
       exists (select from outbox o join subscribers s on s.id = o.subscriber_id
               where o.id = m.id and o.state = 'ready' and o.epoch = s.epoch)
from email_log m
where m.mailbox_hmac = (select mailbox_hmac from identities where subscriber_id = $1::text::uuid)
  and m.purpose = any($2::text[]) and m.at > $3::timestamptz`

// The last one that counts: when it leaves the window there is room for the next.
const domainSentSQL = `
select sent_at from email_log
where domain_hmac = (select domain_hmac from email_log where id = $1::text::uuid) and sent_at > $2::timestamptz and id <> $1::text::uuid
order by sent_at desc offset $3::integer limit 1`

// Rows that an older version has queued have no entry under their id.
const markSentSQL = `
insert into email_log (id, mailbox_hmac, purpose, at, sent_at)
select $1::text::uuid, mailbox_hmac, $3::text, $4::timestamptz, $5::timestamptz from identities where subscriber_id = $2::text::uuid
on conflict (id) do update set sent_at = excluded.sent_at`

// CheckSend decides whether a due mail may be sent now, to whom, and counts it if so. The caps were counted when it was queued;
// here they hold for what reaches the mailbox, however long emails have waited: of those that say the same only the newest
// leaves, and never more than the caps allow. An email that is cleared again counts once. Ask immediately before the
// sending. It is one transaction in two round trips. Emails of a kind that it does not know are let through uncounted. The
// error is the database's.
func (s *Store) CheckSend(ctx context.Context, d outbox.Delivery) (Recipient, SendDecision, error) {
	purpose := purposeOf(d.Kind)
	if purpose == NoEmail {
		return Recipient{}, SendDecision{}, nil
	}
	bound, _ := caps(purpose)
	purposes := make([]string, len(bound.purposes))
	for i, p := range bound.purposes {
		purposes[i] = string(p)
	}
	mail, person := d.ID.String(), d.SubscriberID.String()
	var to Recipient
	var log []logged
	var domainFree time.Time
	var c SendDecision
	err := s.transact(ctx, 0,
		func(b *pgx.Batch, before time.Time) {
			to, log, domainFree = Recipient{}, nil, time.Time{}
			b.Queue(lockMailboxSQL, person)
			b.Queue(lockDomainSQL, mail)
			b.Queue(clearedSQL, person, before).QueryRow(to.scan)
			b.Queue(loggedSQL, person, purposes, before.Add(-mailLifetime-capWindow)).Query(func(rows pgx.Rows) error {
				var err error
				log, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (e logged, err error) {
					return e, row.Scan(&e.id, (*string)(&e.purpose), &e.sentAt, &e.waits)
				})
				return err
			})
			if limit := s.domainCap.Limit; limit > 0 {
				b.Queue(domainSentSQL, mail, before.Add(-domainWindow), limit-1).QueryRow(func(row pgx.Row) error {
					var sent time.Time
					err := row.Scan(&sent)
					if err == nil {
						domainFree = sent.Add(domainWindow)
					}
					return optional(err)
				})
			}
		},
		func(b *pgx.Batch, now time.Time) error {
			c = SendDecision{DropReason: endedStale}
			if to.Accepts(d.Kind, d.Epoch) {
				c = clearance(now, d, log, domainFree)
			}
			if c == (SendDecision{}) {
				b.Queue(markSentSQL, mail, person, string(purpose), d.CreatedAt, now)
			}
			return nil
		})
	if err != nil {
		return Recipient{}, SendDecision{}, fmt.Errorf("clear an email: %w", err)
	}
	return to, c, nil
}
