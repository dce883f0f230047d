package subscription

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"newsletter/shared/outbox"
)

// SendDecision is the decision about a due email. The zero SendDecision sends it.
type SendDecision struct {
	// DropReason drops the email: outbox.Stale, Outdated, JustSent or Superseded; empty to keep it.
	DropReason outbox.Outcome
	// DeferFor is how long the mailbox budget defers the email; 0 for not at all.
	DeferFor time.Duration
}

// A loggedEmail is an entry of the email log.
type loggedEmail struct {
	purpose string
	at      time.Time // the minute
}

// outsideBudget is the purpose of sent emails that no budget counts.
const outsideBudget = "outside"

// A waitingEmail is a message that waits for a mailbox, with its recipient.
type waitingEmail struct {
	outbox.Delivery
	to Recipient
	// lastSent is when an email of this kind was last sent to the subscriber in the message's epoch; zero for never.
	lastSent time.Time
	// leaving is set while another one of this kind has begun to leave for the subscriber in the message's epoch.
	leaving bool
}

// mayLeave returns why the email may not be sent at all; empty if it may.
func (w waitingEmail) mayLeave(now time.Time) outbox.Outcome {
	r := EmailOf(w.Kind).row()
	switch {
	case !w.to.Accepts(w.Kind, w.Epoch):
		return outbox.Stale
	case now.Sub(w.CreatedAt) > outbox.MaxWait && !r.imported:
		return outbox.Outdated
	case r.repeat > 0 && w.CreatedAt.Before(w.lastSent.Add(r.repeat)):
		return outbox.JustSent
	}
	return ""
}

// sendFacts is what decides about a due email besides the time.
type sendFacts struct {
	ready   bool // the message was not ended since its claim
	counted bool // it has begun to leave before: it is in the email log already
	// waiting are the newest emails of this purpose that wait for the mailbox and have not begun to leave, and the due
	// one; the newest first.
	waiting   []waitingEmail
	confirmed bool // the mailbox has an active subscription
	log       []loggedEmail
}

// decideSend decides about a due email. It returns the email that leaves in its place: the newest one that may.
func decideSend(now time.Time, d outbox.Delivery, f sendFacts) (leaves waitingEmail, purpose string, c SendDecision) {
	at := slices.IndexFunc(f.waiting, func(w waitingEmail) bool { return w.ID == d.ID })
	switch {
	case !f.ready:
		return waitingEmail{}, "", SendDecision{DropReason: outbox.Superseded}
	case at < 0: // the subscriber is gone
		return waitingEmail{}, "", SendDecision{DropReason: outbox.Stale}
	}
	if reason := f.waiting[at].mayLeave(now); reason != "" {
		return waitingEmail{}, "", SendDecision{DropReason: reason}
	}
	if f.counted { // a retry is the same email
		return f.waiting[at], "", SendDecision{}
	}
	leaves = f.waiting[slices.IndexFunc(f.waiting, func(w waitingEmail) bool { return w.mayLeave(now) == "" })]
	r := EmailOf(leaves.Kind).row()
	switch {
	case leaves.leaving && r.repeat > 0:
		return waitingEmail{}, "", SendDecision{DeferFor: time.Minute}
	case r.budget == nil:
		return leaves, "", SendDecision{}
	case r.budget == signUpBudget && isInvited(now, f.log):
		return leaves, outsideBudget, SendDecision{}
	}
	limits := r.budget.unconfirmed
	if f.confirmed {
		limits = r.budget.confirmed
	}
	free := freeInBudget(now, limits, r.budget.purposes(), f.log)
	if free.After(now) {
		end := d.CreatedAt.Add(outbox.MaxWait + time.Second) // then it is outdated
		return waitingEmail{}, "", SendDecision{DeferFor: min(free.Sub(now), max(end.Sub(now), time.Second))}
	}
	return leaves, string(r.loggedAs), SendDecision{}
}

// isInvited reports whether the mailbox's reader ended a mute period within the invitation, and no sign-up email left
// since.
func isInvited(now time.Time, log []loggedEmail) bool {
	var invitedAt, usedAt time.Time
	for _, e := range log {
		switch e.purpose {
		case invited:
			invitedAt = later(invitedAt, e.at)
		case outsideBudget:
			usedAt = later(usedAt, e.at)
		}
	}
	return invitedAt.After(now.Add(-invitation)) && !usedAt.After(invitedAt)
}

// freeInBudget returns the earliest time from now on at which limits allow another email. The log has minutes, so an
// email counts until the end of its minute.
func freeInBudget(now time.Time, limits []limit, purposes []string, log []loggedEmail) time.Time {
	var sent []time.Time
	for _, e := range log {
		if slices.Contains(purposes, e.purpose) {
			sent = append(sent, e.at.Add(time.Minute))
		}
	}
	slices.SortFunc(sent, func(a, b time.Time) int { return b.Compare(a) }) // latest first
	free := now
	for _, l := range limits {
		if len(sent) >= l.emails {
			free = later(free, sent[l.emails-1].Add(l.within))
		}
	}
	return free
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Emails to one mailbox are checked one after the other, so that each check sees what the previous one recorded.
const lockMailboxSQL = `
select pg_advisory_xact_lock(hashtextextended(encode(mailbox_hmac, 'hex'), 0)) from identities where subscriber_id = $1::text::uuid`

const (
	messageSQL = `
select state = 'ready', counted from outbox where id = $1::text::uuid`

	// The message itself comes first, because a mailbox may have more waiting emails than the limit.
	waitingSQL = `
select o.id::text, o.kind, o.event_id, o.epoch, o.created_at,
       s.id::text, s.email, coalesce(s.locale, ''), s.status, s.epoch,
       (select bool_and(p.reason = 'restriction') from suppressions p
        where (p.email_hmac = i.email_hmac or p.mailbox_hmac = i.mailbox_hmac) and (p.until is null or p.until > $3::timestamptz)),
       (select max(l.finished_at) from outbox l
        where l.subscriber_id = o.subscriber_id and l.epoch = o.epoch and l.kind = any($2::text[]) and l.outcome = 'sent'),
       exists (select from outbox l
               where l.subscriber_id = o.subscriber_id and l.epoch = o.epoch and l.kind = any($2::text[])
                 and l.state = 'ready' and l.counted and l.id <> o.id)
from outbox m
join identities k on k.subscriber_id = m.subscriber_id
join identities i on i.mailbox_hmac = k.mailbox_hmac
join outbox o on o.subscriber_id = i.subscriber_id and o.state = 'ready' and o.kind = any($2::text[]) and (not o.counted or o.id = m.id)
join subscribers s on s.id = o.subscriber_id
where m.id = $1::text::uuid
order by o.id = m.id desc, o.id desc
limit 20`

	emailLogSQL = `
select purpose, at from email_log
where mailbox_hmac = (select mailbox_hmac from identities where subscriber_id = $1::text::uuid)
  and purpose = any($2::text[]) and at > $3::timestamptz`

	confirmedSQL = `
select exists (
    select from identities k join identities i using (mailbox_hmac) join subscribers s on s.id = i.subscriber_id
    where k.subscriber_id = $1::text::uuid and s.status = 'active')`
)

// The due message carries the email that leaves, because it has the lease: exchangeSQL exchanges their contents. Then
// supersedeSQL ends the others.
const (
	leaveSQL = `
update outbox set counted = true where id = $1::text::uuid`
	exchangeSQL = `
update outbox o set kind = x.kind, subscriber_id = x.subscriber_id, event_id = x.event_id, epoch = x.epoch, created_at = x.created_at
from outbox x
where o.id <> x.id and o.id in ($1::text::uuid, $2::text::uuid) and x.id in ($1::text::uuid, $2::text::uuid)`
	// A decoy keeps the place of each superseded sign-up that was not claimed, so that nobody can observe that an email left.
	supersedeSQL = `
with superseded as (
    update outbox o set state = 'done', domain_hmac = null, outcome = 'superseded', finished_at = $3::timestamptz
    from identities k join identities i using (mailbox_hmac)
    where k.subscriber_id = $2::text::uuid and o.subscriber_id = i.subscriber_id and o.state = 'ready' and not o.counted
      and o.kind = any($4::text[]) and o.id <> $1::text::uuid
    returning o.subscriber_id, o.event_id, o.due_at, o.deferred_until, o.created_at, o.waits_for, o.attempts
)
insert into outbox (id, kind, subscriber_id, event_id, due_at, deferred_until, created_at, waits_for)
select gen_random_uuid(), 'none', subscriber_id, event_id, due_at, deferred_until, created_at, waits_for
from superseded where $5::boolean and attempts = 0 and waits_for is distinct from 'pass'`
)

const logEmailSQL = `
insert into email_log (id, mailbox_hmac, purpose, at)
select gen_random_uuid(), mailbox_hmac, $2::text, date_trunc('minute', $3::timestamptz) from identities where subscriber_id = $1::text::uuid`

// logEmail adds an entry to the log of a subscriber's mailbox.
func logEmail(b *pgx.Batch, id uuid.UUID, purpose string, now time.Time) {
	b.Queue(logEmailSQL, id.String(), purpose, now)
}

// CheckSend decides whether a due email may be sent now. It returns the delivery to send, with its recipient: of
// several emails of one kind that wait for a mailbox, the newest leaves as soon as the first is due, and the others are
// ended. A retry sends the same email again. Call it immediately before sending. It counts the mailbox budget, however
// long emails waited; an email that is checked again counts once. Emails of an unknown kind pass without being counted.
// It is one transaction in two round trips. The error is the database's.
func (s *Store) CheckSend(ctx context.Context, d outbox.Delivery) (outbox.Delivery, Recipient, SendDecision, error) {
	email := EmailOf(d.Kind).row()
	if email.email == NoEmail {
		return d, Recipient{}, SendDecision{}, nil
	}
	emailID, subscriberID, kinds := d.ID.String(), d.SubscriberID.String(), email.kinds()
	counted := []string{invited, outsideBudget}
	if email.budget != nil {
		counted = append(counted, email.budget.purposes()...)
	}
	var f sendFacts
	var leaves waitingEmail
	var c SendDecision
	err := s.transact(ctx, 0,
		func(b *pgx.Batch, before time.Time) {
			f = sendFacts{}
			b.Queue(lockMailboxSQL, subscriberID)
			b.Queue(messageSQL, emailID).QueryRow(func(row pgx.Row) error { return ignoreNoRows(row.Scan(&f.ready, &f.counted)) })
			b.Queue(waitingSQL, emailID, kinds, before).Query(func(rows pgx.Rows) (err error) {
				f.waiting, err = pgx.CollectRows(rows, scanWaiting)
				slices.SortFunc(f.waiting, func(a, b waitingEmail) int { return cmp.Compare(b.ID.String(), a.ID.String()) })
				return err
			})
			b.Queue(confirmedSQL, subscriberID).QueryRow(func(row pgx.Row) error { return row.Scan(&f.confirmed) })
			b.Queue(emailLogSQL, subscriberID, counted, before.Add(-budgetPeriod-time.Minute)).Query(func(rows pgx.Rows) (err error) {
				f.log, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (e loggedEmail, err error) { return e, row.Scan(&e.purpose, &e.at) })
				return err
			})
		},
		func(b *pgx.Batch, now time.Time) error {
			var purpose string
			leaves, purpose, c = decideSend(now, d, f)
			if c != (SendDecision{}) || f.counted {
				return nil
			}
			b.Queue(leaveSQL, emailID)
			if leaves.ID != d.ID {
				b.Queue(exchangeSQL, emailID, leaves.ID.String())
			}
			b.Queue(supersedeSQL, emailID, subscriberID, now, kinds, slices.Contains(SignUpKinds(), d.Kind))
			if purpose != "" {
				logEmail(b, leaves.SubscriberID, purpose, now)
			}
			return nil
		})
	if err != nil {
		return d, Recipient{}, SendDecision{}, fmt.Errorf("check an email before sending: %w", err)
	}
	if c != (SendDecision{}) {
		return d, Recipient{}, c, nil
	}
	leaves.ID, leaves.Attempt = d.ID, d.Attempt
	return leaves.Delivery, leaves.to, c, nil
}

func scanWaiting(row pgx.CollectableRow) (w waitingEmail, err error) {
	var restriction *bool
	into := append([]any{&w.ID, (*string)(&w.Kind), (*zeronull.UUID)(&w.EventID), &w.Epoch, &w.CreatedAt}, w.to.columns()...)
	err = row.Scan(append(into, &restriction, (*zeronull.Timestamptz)(&w.lastSent), &w.leaving)...)
	w.to.suppress(restriction)
	w.SubscriberID = w.to.SubscriberID
	return w, err
}
