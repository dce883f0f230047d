package subscription

import (
	"cmp"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/pseudonym"
)

// pseudonyms is the keyed hashes of one address.
type pseudonyms struct {
	email, mailbox []byte
	keyID          string
}

func newPseudonyms(key pseudonym.Key, a Address) pseudonyms {
	return pseudonyms{email: key.Address(a.Normalized), mailbox: key.Mailbox(a.MailboxKey), keyID: key.ID()}
}

// The hashes are updated with each use of the address, so that they follow a change of the key or of mailboxProviders.
// Suppressions keep the hashes of their time; that of the address itself does not depend on mailboxProviders.
const saveIdentitySQL = `
insert into identities (subscriber_id, email_hmac, mailbox_hmac, key_id)
values ($1::text::uuid, $2::bytea, $3::bytea, $4::text)
on conflict (subscriber_id) do update set
    email_hmac = excluded.email_hmac, mailbox_hmac = excluded.mailbox_hmac, key_id = excluded.key_id, until = null`

// save stores id and its pseudonyms.
func (p pseudonyms) save(b *pgx.Batch, id uuid.UUID) {
	b.Queue(saveIdentitySQL, id.String(), p.email, p.mailbox, p.keyID)
}

// SuppressionReason is why an address is suppressed.
type SuppressionReason string

// The reasons that the schema allows. All but declinedReason and Restriction apply until an operator removes the
// suppression.
const (
	Complaint      SuppressionReason = "complaint"
	Bounce         SuppressionReason = "bounce"
	Objection      SuppressionReason = "objection"
	Restriction    SuppressionReason = "restriction" // the subscriber's own, which they end themselves
	ByOwner        SuppressionReason = "operator"
	declinedReason SuppressionReason = "declined"
)

// SuppressionReasons returns all reasons.
func SuppressionReasons() []SuppressionReason {
	return []SuppressionReason{Complaint, Bounce, Objection, Restriction, declinedReason, ByOwner}
}

// CoversMailbox reports whether a reason suppresses every spelling of the address. A bounce does not: jane@ may exist
// where jane+x@ does not.
func (r SuppressionReason) CoversMailbox() bool { return r != Bounce }

// suppressions is the suppressions in force for an address; zero for none.
type suppressions struct {
	reason  SuppressionReason // of the address itself; empty for none
	mailbox SuppressionReason // of its mailbox, from another spelling of the address; empty for none
	known   bool              // a pseudonym of the address is stored, so it can be suppressed
}

const suppressionsByAddressSQL = `
select coalesce((select reason from suppressions
                 where email_hmac = $1::bytea and (until is null or until > $3::timestamptz)), ''),
       coalesce((select reason from suppressions
                 where mailbox_hmac = $2::bytea and email_hmac <> $1::bytea and (until is null or until > $3::timestamptz)
                 order by until desc limit 1), '')`

func (s *suppressions) loadByAddress(b *pgx.Batch, hashes pseudonyms, now time.Time) {
	b.Queue(suppressionsByAddressSQL, hashes.email, hashes.mailbox, now).QueryRow(func(found pgx.Row) error {
		s.known = true
		return found.Scan((*string)(&s.reason), (*string)(&s.mailbox))
	})
}

// effective returns the reason that suppresses the address; empty if it is not suppressed.
func (s suppressions) effective() SuppressionReason { return cmp.Or(s.reason, s.mailbox) }

// muted reports whether email is suppressed without a change of the subscription's state: after a decline, during a
// restriction, or because another spelling of the address is suppressed.
func (s suppressions) muted() bool {
	return s.reason == declinedReason || s.reason == Restriction || s.mailbox != ""
}

// forbidsLinks reports whether not even links may be sent that the subscriber asks for. During a restriction they may:
// one of them ends it.
func (s suppressions) forbidsLinks() bool {
	return s.reason != "" && s.reason != Restriction || s.mailbox != "" && s.mailbox != Restriction
}

// state returns the state of a subscription by its row and by the suppression of the address itself. A permanent
// suppression overrides the row. An objection without a row is the result of an erasure.
func (s suppressions) state(r row) State {
	switch {
	case s.reason == "" || s.reason == declinedReason || s.reason == Restriction:
		return r.state()
	case !r.exists && s.reason == Objection:
		return Erased
	}
	return Suppressed
}
