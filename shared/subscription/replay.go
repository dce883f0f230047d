package subscription

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
)

// SuppressionRecord is an entry of the suppression journal, to be replayed into a restored database.
type SuppressionRecord struct {
	Kind ledger.Kind // Erased, Unsubscribed, Suppressed or SuppressionRemoved
	// At is the day. Epoch is that of the subscription before the event.
	At          time.Time
	Epoch       int32
	Reason      string
	EmailHMAC   []byte
	MailboxHMAC []byte // nil if the record does not cover it
	KeyID       string
	// Until is the end of the mute period that an unsubscribe started; zero if it started none.
	Until time.Time
}

// The outcomes of Replay besides those of the repeated operations.
const (
	// Superseded means that the subscriber signed up after the record, or that it is in effect.
	Superseded Outcome = "superseded"
	// OtherPepper means that the record was written under another pepper, so no address can be recognized by it.
	OtherPepper Outcome = "other_pepper"
)

// A replayTarget is the subscriber of a record, as stored in the database.
type replayTarget struct {
	found       bool
	id          uuid.UUID
	email       string
	status      State
	requestedAt time.Time
	epoch       int32
	erasedOn    bool // an erasure of the address on the record's day is in the database
}

const replayTargetSQL = `
select s.id::text, s.email, s.status, s.requested_at, s.epoch,
       exists (select from erasures e where e.email_hmac = i.email_hmac and e.at = $2::timestamptz)
from identities i join subscribers s on s.id = i.subscriber_id where i.email_hmac = $1::bytea`

// Replay applies a record of the suppression journal again. A restored backup brings back subscribers who have left
// since; replay all records from the time of the backup on, in order. A record that is already in effect returns
// Unchanged, Superseded or the outcome of a repeated operation. A record that is older than the subscriber's latest
// request is skipped (Superseded): records have only a day, so on that day the epoch decides, and for an erasure whether
// the database has it. The error is the database's.
func (e *Eraser) Replay(ctx context.Context, record SuppressionRecord, visit Visit) (Outcome, error) {
	s := e.store
	visit.HappenedAt = record.At
	if record.KeyID != s.key.ID() {
		return OtherPepper, nil
	}
	var target replayTarget
	err := s.db.Batch(ctx, func(b *pgx.Batch) {
		target = replayTarget{}
		b.Queue(replayTargetSQL, record.EmailHMAC, day(record.At)).QueryRow(func(found pgx.Row) error {
			err := found.Scan(&target.id, &target.email, (*string)(&target.status), &target.requestedAt, &target.epoch, &target.erasedOn)
			target.found = err == nil
			return ignoreNoRows(err)
		})
	})
	if err != nil {
		return "", fmt.Errorf("find the subscriber of a suppression record: %w", err)
	}
	if target.found && target.isNewer(record) {
		return Superseded, nil
	}
	switch record.Kind {
	case ledger.Erased:
		return e.replayErasure(ctx, record, target, visit)
	case ledger.Unsubscribed:
		return s.replayUnsubscribe(ctx, record, target, visit)
	case ledger.Suppressed:
		return s.replaySuppression(ctx, record, target, visit)
	case ledger.SuppressionRemoved:
		if !target.found {
			return Unchanged, nil
		}
		address, err := ParseAddress(target.email)
		if err != nil {
			return "", err
		}
		return s.RemoveSuppression(ctx, address, visit)
	default:
		return Unchanged, nil
	}
}

// isNewer reports whether the subscriber signed up after the record.
func (t replayTarget) isNewer(r SuppressionRecord) bool {
	requested, recorded := day(t.requestedAt), day(r.At)
	switch {
	case !requested.Equal(recorded):
		return requested.After(recorded)
	case r.Kind == ledger.Erased:
		return t.erasedOn
	}
	return t.epoch > r.Epoch
}

// muteAddressSQL is muteSQL for an address that may not be in the database.
const muteAddressSQL = `
insert into suppressions (email_hmac, mailbox_hmac, key_id, reason, created_at, until)
values ($1::bytea, $2::bytea, $3::text, 'declined', $4::timestamptz, $5::timestamptz)
on conflict (email_hmac) do update set
    mailbox_hmac = excluded.mailbox_hmac, reason = excluded.reason, created_at = excluded.created_at, until = excluded.until
where suppressions.until < excluded.until`

// replayUnsubscribe ends the subscription, if there is one, and starts the rest of a mute period.
func (s *Store) replayUnsubscribe(ctx context.Context, record SuppressionRecord, target replayTarget, visit Visit) (Outcome, error) {
	if record.Until.After(s.clock()) {
		err := s.db.Batch(ctx, func(b *pgx.Batch) {
			b.Queue(muteAddressSQL, record.EmailHMAC, record.MailboxHMAC, record.KeyID, record.At, record.Until)
		})
		if err != nil {
			return "", fmt.Errorf("replay a mute period: %w", err)
		}
	}
	if !target.found {
		return Unchanged, nil
	}
	return s.leave(ctx, leaving{id: target.id, event: onUnsubscribe, actor: ledger.Subscriber, visit: visit})
}

const deleteIdentitiesSQL = `
delete from identities where email_hmac = $1::bytea`

func (e *Eraser) replayErasure(ctx context.Context, record SuppressionRecord, target replayTarget, visit Visit) (Outcome, error) {
	objected := record.Reason == string(Objection)
	if target.found {
		address, err := ParseAddress(target.email)
		if err != nil {
			return "", err
		}
		return e.Erase(ctx, Erasure{Address: address, Object: objected, Visit: visit})
	}
	// Identities may be left without a row, and the objection may be lost.
	err := e.store.db.Batch(ctx, func(b *pgx.Batch) {
		b.Queue(deleteIdentitiesSQL, record.EmailHMAC)
		if objected {
			record.suppress(b)
		}
	})
	if err != nil {
		return "", fmt.Errorf("replay an erasure: %w", err)
	}
	return Unchanged, nil
}

func (s *Store) replaySuppression(ctx context.Context, record SuppressionRecord, target replayTarget, visit Visit) (Outcome, error) {
	if record.Reason == string(Restriction) {
		if !target.found {
			return Unchanged, nil
		}
		return s.restrict(ctx, target.id, nil, ledger.Operator, visit)
	}
	if target.found {
		return s.Suppress(ctx, Suppression{SubscriberID: target.id, Reason: SuppressionReason(record.Reason), Actor: ledger.Operator, Visit: visit})
	}
	err := s.db.Batch(ctx, record.suppress)
	if err != nil {
		return "", fmt.Errorf("replay a suppression: %w", err)
	}
	return Unchanged, nil
}

// suppress suppresses an address without a subscriber in the database.
func (s SuppressionRecord) suppress(b *pgx.Batch) {
	suppressAddress(b, s.EmailHMAC, s.MailboxHMAC, s.KeyID, SuppressionReason(s.Reason), s.At)
}
