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

// announce queues that an event be told to whoever is set up to hear of it. sealed is nil but for an erasure.
func announce(b *pgx.Batch, e ledger.Event, epoch int32, sealed []byte) {
	outbox.Enqueue(b, outbox.Message{
		ID: newID(), Kind: outbox.Change, SubscriberID: e.SubscriberID, EventID: e.ID, Epoch: epoch, CreatedAt: e.At, Sealed: sealed,
	})
}

// ChangeEvent is an announced event as its listeners need it. It names nobody.
type ChangeEvent struct {
	EventID      uuid.UUID
	Kind         ledger.Kind
	At           time.Time
	SubscriberID uuid.UUID
	Source       ledger.Source
	Data         ledger.Data
	// EmailHMAC, FoldHMAC and KeyID are the pseudonyms of the person's address and mailbox, for the journal; nil when they
	// are not kept any more.
	EmailHMAC, MailboxHMAC []byte
	KeyID                  string
	// HushedUntil is the end of the "not me" period that the event started; zero if it started none.
	MutedUntil time.Time
}

const newsSQL = `
select e.kind, e.at, coalesce(e.subscriber_id::text, ''), e.source::text, e.data::text, i.email_hmac, i.mailbox_hmac, coalesce(i.key_id, ''),
       coalesce(p.until, '-infinity')
from ledger_events e
left join identities i using (subscriber_id)
left join suppressions p on p.email_hmac = i.email_hmac and p.reason = 'declined' and p.created_at = e.at
where e.id = $1::text::uuid`

// ChangeEvent reads an announced event, in one round trip; false if there is none of that id. The error is the database's.
func (s *Store) ChangeEvent(ctx context.Context, eventID uuid.UUID) (news ChangeEvent, found bool, err error) {
	err = s.db.Batch(ctx, func(b *pgx.Batch) {
		news, found = ChangeEvent{EventID: eventID}, false
		b.Queue(newsSQL, eventID.String()).QueryRow(func(row pgx.Row) error {
			var source, data string
			var until pgtype.Timestamptz
			err := row.Scan((*string)(&news.Kind), &news.At, &news.SubscriberID, &source, &data, &news.EmailHMAC, &news.MailboxHMAC, &news.KeyID, &until)
			if err != nil {
				return optional(err)
			}
			found, news.Source, news.MutedUntil = true, ledger.ParseSource(source), until.Time // zero for infinity
			return json.Unmarshal([]byte(data), &news.Data)
		})
	})
	if err != nil {
		return ChangeEvent{}, false, fmt.Errorf("read an announced event: %w", err)
	}
	return news, found, nil
}
