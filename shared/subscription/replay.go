package subscription

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
	"newsletter/shared/token"
)

// SuppressionRecord is an entry of the journal of stops, as far as it is to stand again in a database that was restored.
type SuppressionRecord struct {
	Kind         ledger.Kind // Erased, Unsubscribed, Suppressed or Lifted
	At           time.Time
	Reason       string
	SubscriberID uuid.UUID
	EmailHMAC    []byte
	MailboxHMAC  []byte // of the mailbox; nil in entries of before it was kept
	KeyID        string
	// Until is the end of the "not me" period that an unsubscription started; zero if it started none.
	Until time.Time
}

// The outcomes of Replay besides those of the acts that it repeats.
const (
	// Superseded means that the person asked for the newsletter after the stop.
	Superseded Outcome = "superseded"
	// OtherPepper means that the stop was written under another pepper, so that nobody can be recognised by it.
	OtherPepper Outcome = "other_pepper"
)

// stopped is whom a stop is about, as they are in the database.
type stopped struct {
	found       bool
	id          uuid.UUID
	email       string
	status      State
	requestedAt time.Time
}

const stoppedSQL = `
select s.id::text, s.email, s.status, s.requested_at
from identities i join subscribers s on s.id = i.subscriber_id where i.email_hmac = $1::bytea`

// Replay makes a stop stand again: after a restored backup, which brings back people who have left since, all stops from
// the backup's time on are replayed, in their order. A stop that stands already gives Unchanged or one of the outcomes that
// say so, and one that the person has overtaken by a newer request is left alone. The error is the database's.
func (e *Eraser) Replay(ctx context.Context, stop SuppressionRecord, visit Visit) (Outcome, error) {
	s := e.store
	visit.HappenedAt = stop.At
	if stop.KeyID != s.key.ID() {
		return OtherPepper, nil
	}
	var person stopped
	err := s.db.Batch(ctx, func(b *pgx.Batch) {
		person = stopped{}
		b.Queue(stoppedSQL, stop.EmailHMAC).QueryRow(func(found pgx.Row) error {
			err := found.Scan(&person.id, &person.email, (*string)(&person.status), &person.requestedAt)
			person.found = err == nil
			return optional(err)
		})
	})
	if err != nil {
		return "", fmt.Errorf("find whom a stop is about: %w", err)
	}
	if person.found && person.requestedAt.After(stop.At) {
		return Superseded, nil
	}
	switch stop.Kind {
	case ledger.Erased:
		return e.replayErasure(ctx, stop, person, visit)
	case ledger.Unsubscribed:
		return s.replayLeaving(ctx, stop, person, visit)
	case ledger.Suppressed:
		return s.replaySuppression(ctx, stop, person, visit)
	case ledger.SuppressionRemoved:
		if !person.found {
			return Unchanged, nil
		}
		address, err := ParseAddress(person.email)
		if err != nil {
			return "", err
		}
		return s.RemoveSuppression(ctx, address, visit)
	default:
		return Unchanged, nil
	}
}

// hushAddressSQL is hushSQL for somebody who may not be in the database.
const hushAddressSQL = `
insert into suppressions (email_hmac, mailbox_hmac, key_id, reason, created_at, until)
values ($1::bytea, $2::bytea, $3::text, 'declined', $4::timestamptz, $5::timestamptz)
on conflict (email_hmac) do update set
    mailbox_hmac = excluded.mailbox_hmac, reason = excluded.reason, created_at = excluded.created_at, until = excluded.until
where suppressions.until < excluded.until`

// replayLeaving ends the subscription, if there is one, and starts what is left of a "not me" period.
func (s *Store) replayLeaving(ctx context.Context, stop SuppressionRecord, person stopped, visit Visit) (Outcome, error) {
	if stop.Until.After(s.clock()) {
		err := s.db.Batch(ctx, func(b *pgx.Batch) {
			b.Queue(hushAddressSQL, stop.EmailHMAC, stop.MailboxHMAC, stop.KeyID, stop.At, stop.Until)
		})
		if err != nil {
			return "", fmt.Errorf("replay a period without mail: %w", err)
		}
	}
	if !person.found {
		return Unchanged, nil
	}
	return s.leave(ctx, token.Claims{SubscriberID: person.id}, visit, OnUnsubscribe)
}

const forgetLeftoversSQL = `
delete from identities where email_hmac = $1::bytea`

func (e *Eraser) replayErasure(ctx context.Context, stop SuppressionRecord, person stopped, visit Visit) (Outcome, error) {
	objected := stop.Reason == string(Objection)
	if person.found {
		address, err := ParseAddress(person.email)
		if err != nil {
			return "", err
		}
		return e.Erase(ctx, Erasure{Address: address, Object: objected, Visit: visit})
	}
	// Pseudonyms may be left of somebody without a row, and the objection may be lost.
	err := e.store.db.Batch(ctx, func(b *pgx.Batch) {
		b.Queue(forgetLeftoversSQL, stop.EmailHMAC)
		if objected {
			stop.suppress(b)
		}
	})
	if err != nil {
		return "", fmt.Errorf("replay an erasure: %w", err)
	}
	return Unchanged, nil
}

func (s *Store) replaySuppression(ctx context.Context, stop SuppressionRecord, person stopped, visit Visit) (Outcome, error) {
	if person.found {
		return s.Suppress(ctx, Suppression{SubscriberID: person.id, Reason: SuppressionReason(stop.Reason), Actor: ledger.Operator, Visit: visit})
	}
	err := s.db.Batch(ctx, stop.suppress)
	if err != nil {
		return "", fmt.Errorf("replay a suppression: %w", err)
	}
	return Unchanged, nil
}

// suppress queues the suppression of an address whose holder is not in the database.
func (s SuppressionRecord) suppress(b *pgx.Batch) {
	suppressAddress(b, s.EmailHMAC, s.MailboxHMAC, s.KeyID, SuppressionReason(s.Reason), s.At)
}
