package subscription

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
)

// enqueueChange enqueues an event for all configured destinations. sealed is set for an erasure only.
func enqueueChange(b *pgx.Batch, e ledger.Event, epoch int32, sealed []byte) {
	outbox.Enqueue(b, outbox.Message{
		ID: newID(), Kind: outbox.Change, SubscriberID: e.SubscriberID, EventID: e.ID, Epoch: epoch, CreatedAt: e.At, Sealed: sealed,
	})
}

// ChangeEvent is an event as destinations receive it. It does not identify the subscriber.
type ChangeEvent struct {
	EventID      uuid.UUID
	Kind         ledger.Kind
	At           time.Time
	SubscriberID uuid.UUID
	Source       ledger.Source
	Data         ledger.Data
	// EmailHMAC, MailboxHMAC and KeyID are the pseudonyms of the address and its mailbox, for the suppression journal;
	// empty when they are no longer kept.
	EmailHMAC, MailboxHMAC []byte
	KeyID                  string
	// MutedUntil is the end of the mute period that the event started; zero if it started none.
	MutedUntil time.Time
}

const changeEventSQL = `
select e.kind, e.at, coalesce(e.subscriber_id::text, ''), e.source::text, e.data::text, i.email_hmac, i.mailbox_hmac, coalesce(i.key_id, ''),
       coalesce(p.until, '-infinity')
from ledger_events e
left join identities i using (subscriber_id)
left join suppressions p on p.email_hmac = i.email_hmac and p.reason = 'declined' and p.created_at = e.at
where e.id = $1::text::uuid`

// ChangeEvent reads an event in one round trip. It returns false if no event has that id. The error is the database's.
func (s *Store) ChangeEvent(ctx context.Context, eventID uuid.UUID) (event ChangeEvent, found bool, err error) {
	err = s.db.Batch(ctx, func(b *pgx.Batch) {
		event, found = ChangeEvent{EventID: eventID}, false
		b.Queue(changeEventSQL, eventID.String()).QueryRow(func(row pgx.Row) error {
			var source, data string
			var until pgtype.Timestamptz
			err := row.Scan((*string)(&event.Kind), &event.At, &event.SubscriberID, &source, &data, &event.EmailHMAC, &event.MailboxHMAC, &event.KeyID, &until)
			if err != nil {
				return ignoreNoRows(err)
			}
			found, event.Source, event.MutedUntil = true, ledger.ParseSource(source), until.Time // zero for infinity
			return json.Unmarshal([]byte(data), &event.Data)
		})
	})
	if err != nil {
		return ChangeEvent{}, false, fmt.Errorf("read change event: %w", err)
	}
	return event, found, nil
}
