package subscription

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
	"newsletter/shared/token"
)

// The outcomes of EndMute and, besides LinkQueued, of Renew.
const (
	MuteEnded      Outcome = "mute_ended"
	LinkOverBudget Outcome = "link_over_budget" // asked for too often
)

// invited is the purpose under which the email log records that the reader of a mailbox ended its mute period. The next
// sign-up email to the mailbox within invitation is outside its budget.
const (
	invited    = "invited"
	invitation = 24 * time.Hour
)

// renewals limits what the reader of a mailbox can ask for by the links in its emails, which is outside the mailbox
// budget: the reader has proved to read it. The numbers bound what a scanner that presses buttons can cause.
var renewals = []struct {
	limit  int
	within time.Duration
}{{1, 15 * time.Minute}, {3, 24 * time.Hour}, {10, 30 * 24 * time.Hour}}

// allowsRenewal reports whether the limits allow one more at now. asked are the times of the earlier ones.
func allowsRenewal(now time.Time, asked []time.Time) bool {
	for _, r := range renewals {
		recent := 0
		for _, at := range asked {
			if at.After(now.Add(-r.within)) {
				recent++
			}
		}
		if recent >= r.limit {
			return false
		}
	}
	return true
}

// renewed returns the email that replaces an expired link; NoEmail for a link that does not expire.
func renewed(p token.Purpose) Email {
	i := slices.IndexFunc(emailRows, func(r emailRow) bool { return r.renews && r.link == p })
	if i < 0 {
		return NoEmail
	}
	return emailRows[i].email
}

// OldLink is what the reader of an email can do with a link that no longer does what it says.
type OldLink uint8

const (
	// Useless links are answered like unknown ones.
	Useless OldLink = iota
	// Renewable links have expired, and their subscription is unchanged: Renew emails a new one.
	Renewable
	// Declined links are confirm links of a sign-up that "this wasn't me" ended: EndMute allows another one.
	Declined
)

// A declined link has no sign-up or subscription, of this id or of a later one of the address, and no suppression that
// only the owner can remove. It stays one after EndMute, until the reader signs up.
const declinedLinkSQL = `
select exists (
           select from identities i
           where i.subscriber_id = $1::text::uuid
             and (exists (select from suppressions p where p.email_hmac = i.email_hmac and p.reason = 'declined' and p.until > $2::timestamptz)
                  or exists (select from ledger_events e where e.subscriber_id = i.subscriber_id
                             and (e.kind = $3::text or e.kind = $4::text and e.actor = $5::text)))
             and not exists (select from suppressions p
                             where (p.email_hmac = i.email_hmac or p.mailbox_hmac = i.mailbox_hmac) and p.until is null)
             and not exists (select from identities present join subscribers s on s.id = present.subscriber_id
                             where present.email_hmac = i.email_hmac and s.status in ('pending', 'active')))`

// loadDeclined reads whether a confirm link is Declined.
func loadDeclined(b *pgx.Batch, link token.Link, now time.Time, declined *bool) {
	b.Queue(declinedLinkSQL, link.SubscriberID.String(), now, string(ledger.Declined), string(ledger.SuppressionRemoved), string(ledger.Subscriber)).
		QueryRow(func(found pgx.Row) error { return found.Scan(declined) })
}

// OldLink returns what can be done with a link. claims are those of a token that is valid, or expired with
// token.ErrRenewable. It is one round trip and changes nothing. The error is the database's.
func (s *Store) OldLink(ctx context.Context, claims token.Claims) (OldLink, error) {
	var to Recipient
	var declined bool
	err := s.db.Batch(ctx, func(b *pgx.Batch) {
		to, declined = Recipient{}, false
		b.Queue(sendRecipientSQL, claims.SubscriberID.String(), s.clock()).QueryRow(to.scan)
		if claims.Purpose == token.Confirm {
			loadDeclined(b, claims.Link, s.clock(), &declined)
		}
	})
	switch {
	case err != nil:
		return Useless, fmt.Errorf("read what an old link can do: %w", err)
	case declined:
		return Declined, nil
	case to.Accepts(renewed(claims.Purpose).Kind(), claims.Epoch) && !s.clock().Before(claims.Expires):
		return Renewable, nil
	}
	return Useless, nil
}

// A mailboxReader is the mailbox of a link's subscriber and what its reader asked for before.
type mailboxReader struct {
	found          bool
	email, mailbox []byte // pseudonyms
	asked          []time.Time
}

const (
	readerSQL = `
select email_hmac, mailbox_hmac from identities where subscriber_id = $1::text::uuid`
	renewalsSQL = `
select at from email_log
where mailbox_hmac = (select mailbox_hmac from identities where subscriber_id = $1::text::uuid)
  and purpose = any($2::text[]) and at > $3::timestamptz`
)

// load locks the mailbox as CheckSend does, so that two of its links are not renewed at once.
func (m *mailboxReader) load(b *pgx.Batch, link token.Link, before time.Time) {
	*m = mailboxReader{}
	id := link.SubscriberID.String()
	b.Queue(lockMailboxSQL, id)
	b.Queue(readerSQL, id).QueryRow(func(found pgx.Row) error {
		err := found.Scan(&m.email, &m.mailbox)
		m.found = err == nil
		return ignoreNoRows(err)
	})
	purposes := []string{invited, string(NewConfirmEmail), string(NewExportEmail), string(NewEraseEmail)}
	b.Queue(renewalsSQL, id, purposes, before.Add(-renewals[len(renewals)-1].within)).Query(func(rows pgx.Rows) error {
		var err error
		m.asked, err = pgx.CollectRows(rows, pgx.RowTo[time.Time])
		return err
	})
}

// Renew enqueues an email with a new link that replaces one that expired. The email is outside the mailbox budget and
// has limits of its own, above which Renew returns LinkOverBudget. It is one transaction in two round trips, and each
// call appends a ledger event. The error is ErrUnknown if the link has not expired or its subscription has changed
// since, or the database's.
func (s *Store) Renew(ctx context.Context, claims token.Claims, visit Visit) (Outcome, error) {
	lock, eventID, email := s.subscriberLock(claims.SubscriberID), newID(), renewed(claims.Purpose)
	var r row
	var to Recipient
	var reader mailboxReader
	var outcome, repeated Outcome
	err := s.transact(ctx, lock,
		func(b *pgx.Batch, before time.Time) {
			r, to, repeated = row{}, Recipient{}, ""
			r.loadByID(b, claims.SubscriberID, lock)
			reader.load(b, claims.Link, before)
			b.Queue(sendRecipientSQL, claims.SubscriberID.String(), before).QueryRow(to.scan)
			loadOutcome(b, eventID, &repeated)
		},
		func(b *pgx.Batch, now time.Time) error {
			if repeated != "" {
				outcome = repeated
				return nil
			}
			if !r.exists || !reader.found || now.Before(claims.Expires) || !to.Accepts(email.Kind(), claims.Epoch) {
				return ErrUnknown
			}
			outcome = LinkOverBudget
			if allowsRenewal(now, reader.asked) {
				outcome = LinkQueued
			}
			s.record(b, ledger.Event{
				ID: eventID, At: now, Kind: ledger.LinkRequested, SubscriberID: r.ID, Actor: ledger.Subscriber,
				Data: ledger.Data{Outcome: string(outcome), Provider: r.provider(), Purpose: string(email)},
			}, visit)
			if outcome == LinkQueued {
				logEmail(b, claims.SubscriberID, string(email), now)
				outbox.Enqueue(b, outbox.Message{
					ID: newID(), Kind: email.Kind(), SubscriberID: r.ID, EventID: claims.EventID, Epoch: r.Epoch, CreatedAt: now,
				})
			}
			return nil
		})
	if err != nil {
		return "", fmt.Errorf("renew a link: %w", err)
	}
	return outcome, nil
}

const endMuteSQL = `
delete from suppressions where reason = 'declined' and (email_hmac = $1::bytea or mailbox_hmac = $2::bytea)`

// EndMute ends the mute periods of a mailbox for a Declined link, and puts its next sign-up email within 24 hours
// outside the mailbox budget, as often as Renew sends emails. The reader then signs up again. It is one transaction in
// two round trips, and each call appends a ledger event. The error is ErrUnknown for a link that is not Declined, or
// the database's.
func (s *Store) EndMute(ctx context.Context, link token.Link, visit Visit) (Outcome, error) {
	lock, eventID := s.subscriberLock(link.SubscriberID), newID()
	var r row
	var declined bool
	var reader mailboxReader
	var repeated Outcome
	err := s.transact(ctx, lock,
		func(b *pgx.Batch, before time.Time) {
			r, declined, repeated = row{}, false, ""
			r.loadByID(b, link.SubscriberID, lock)
			reader.load(b, link, before)
			loadDeclined(b, link, before, &declined)
			loadOutcome(b, eventID, &repeated)
		},
		func(b *pgx.Batch, now time.Time) error {
			if repeated != "" {
				return nil
			}
			if !declined || !reader.found {
				return ErrUnknown
			}
			event := r.event(r.state(), decision{To: r.state(), Outcome: MuteEnded, Ledger: ledger.SuppressionRemoved})
			event.ID, event.At, event.Actor, event.SubscriberID = eventID, now, ledger.Subscriber, link.SubscriberID
			event.Data.Reasons = []string{string(declinedReason)}
			s.record(b, event, visit)
			b.Queue(endMuteSQL, reader.email, reader.mailbox)
			if allowsRenewal(now, reader.asked) {
				logEmail(b, link.SubscriberID, invited, now)
			}
			enqueueChange(b, event, r.Epoch, nil)
			return nil
		})
	if err != nil {
		return "", fmt.Errorf("end a mute period: %w", err)
	}
	return MuteEnded, nil
}
