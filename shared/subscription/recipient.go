package subscription

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
)

// Recipient is a subscriber at the time of sending.
type Recipient struct {
	SubscriberID uuid.UUID
	Mailbox      string // the address to write to
	Locale       ledger.Locale
	State        State
	Epoch        int32
	Suppressed   bool // a suppression is in force; CheckSend includes those of the whole mailbox
	Restricted   bool // there is no other one than the subscriber's restriction
}

const recipientsSQL = `
select s.id::text, s.email, coalesce(s.locale, ''), s.status, s.epoch,
       (select bool_and(p.reason = 'restriction') from suppressions p join identities i using (email_hmac)
        where i.subscriber_id = s.id and (p.until is null or p.until > $2::timestamptz))
from subscribers s
where s.id = any($1::text[]::uuid[])`

// Recipients reads the current state of subscribers in one round trip. It omits ids without a row, which must not be
// emailed. Call it immediately before sending. The error is the database's.
func (s *Store) Recipients(ctx context.Context, subscriberIDs ...uuid.UUID) (map[uuid.UUID]Recipient, error) {
	ids := make([]string, len(subscriberIDs))
	for i, id := range subscriberIDs {
		ids[i] = id.String()
	}
	var found map[uuid.UUID]Recipient
	err := s.db.Batch(ctx, func(b *pgx.Batch) {
		found = make(map[uuid.UUID]Recipient, len(ids))
		b.Queue(recipientsSQL, ids, s.clock()).Query(func(rows pgx.Rows) error {
			for rows.Next() {
				var r Recipient
				if err := r.scan(rows); err != nil {
					return err
				}
				found[r.SubscriberID] = r
			}
			return rows.Err()
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read recipients: %w", err)
	}
	return found, nil
}

// sendRecipientSQL includes the suppressions of the whole mailbox.
const sendRecipientSQL = `
select s.id::text, s.email, coalesce(s.locale, ''), s.status, s.epoch,
       (select bool_and(p.reason = 'restriction') from suppressions p join identities i on p.email_hmac = i.email_hmac or p.mailbox_hmac = i.mailbox_hmac
        where i.subscriber_id = s.id and (p.until is null or p.until > $2::timestamptz))
from subscribers s
where s.id = $1::text::uuid`

const findByPseudonymSQL = `
select s.id::text, s.email, coalesce(s.locale, ''), s.status, s.epoch,
       (select bool_and(p.reason = 'restriction') from suppressions p where p.email_hmac = $1::bytea and (p.until is null or p.until > $2::timestamptz))
from subscribers s join identities i on i.subscriber_id = s.id
where i.email_hmac = $1::bytea`

// FindByPseudonym reads the current subscriber of an address by its pseudonym. It returns the zero Recipient if there
// is none. The error is the database's.
func (s *Store) FindByPseudonym(ctx context.Context, emailHMAC []byte) (Recipient, error) {
	var r Recipient
	err := s.db.Batch(ctx, func(b *pgx.Batch) {
		r = Recipient{}
		b.Queue(findByPseudonymSQL, emailHMAC, s.clock()).QueryRow(r.scan)
	})
	if err != nil {
		return Recipient{}, fmt.Errorf("find a subscriber by pseudonym: %w", err)
	}
	return r, nil
}

func (r *Recipient) scan(found pgx.Row) error {
	var restriction *bool // null: not suppressed
	err := found.Scan(append(r.columns(), &restriction)...)
	r.suppress(restriction)
	return ignoreNoRows(err)
}

// columns returns where to scan all but the suppressions.
func (r *Recipient) columns() []any {
	return []any{&r.SubscriberID, &r.Mailbox, (*string)(&r.Locale), (*string)(&r.State), &r.Epoch}
}

// suppress sets whether r is suppressed; restriction is whether by the restriction alone, nil for not at all.
func (r *Recipient) suppress(restriction *bool) {
	r.Suppressed, r.Restricted = restriction != nil, restriction != nil && *restriction
}

// IsSubscribed reports whether r receives the newsletter. The zero Recipient does not.
func (r Recipient) IsSubscribed() bool { return r.State == Active && !r.Suppressed }

// Accepts reports whether an email that was decided in the given epoch may still be sent to r. During a restriction, only
// the links that the subscriber asks for may. The zero Recipient accepts none.
func (r Recipient) Accepts(kind outbox.Kind, epoch int32) bool {
	email := EmailOf(kind).row()
	return (!r.Suppressed || r.Restricted && email.isAskedFor()) && slices.Contains(email.states, r.State) && (email.anyEpoch || r.Epoch == epoch)
}
