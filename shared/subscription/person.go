package subscription

import (
	"cmp"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/pseudonym"
)

// pseudonyms returns the keyed hashes of one person's address.
type pseudonyms struct {
	email, fold []byte
	domain      []byte // nil where emails to the domain are not counted
	keyID       string
}

func newPseudonyms(key pseudonym.Key, a Address) pseudonyms {
	return pseudonyms{email: key.Address(a.Normalized), fold: key.Fold(a.MailboxKey), keyID: key.ID()}
}

// pseudonyms are those of an address with its domain, for emails that the cap on one domain counts.
func (s *Store) pseudonyms(a Address) pseudonyms {
	names := newPseudonyms(s.key, a)
	if domain := s.domainCap.domainOf(a); domain != "" {
		names.domain = s.key.Domain(domain)
	}
	return names
}

// With $5 false nothing is written, as in saveRowSQL. The hashes are renewed each time the address is seen, so that they
// follow a change of the key.
const saveIdentitySQL = `
insert into identities (subscriber_id, email_hmac, mailbox_hmac, key_id)
select $1::text::uuid, $2::bytea, $3::bytea, $4::text
where $5::boolean
on conflict (subscriber_id) do update set
    email_hmac = excluded.email_hmac, mailbox_hmac = excluded.mailbox_hmac, key_id = excluded.key_id, until = null`

// save queues whose pseudonym id is; nothing if wanted is false.
func (p pseudonyms) save(b *pgx.Batch, id uuid.UUID, wanted bool) {
	b.Queue(saveIdentitySQL, id.String(), p.email, p.fold, p.keyID, wanted)
}

// SuppressionReason is why an address gets no mail.
type SuppressionReason string

// The reasons that the schema allows. All but notMe hold until an operator lifts them.
const (
	Complaint SuppressionReason = "complaint"
	Bounce    SuppressionReason = "bounce"
	Objection SuppressionReason = "objection"
	ByOwner   SuppressionReason = "operator"
	notMe     SuppressionReason = "declined"
)

// SuppressionReasons lists every reason.
func SuppressionReasons() []SuppressionReason {
	return []SuppressionReason{Complaint, Bounce, Objection, notMe, ByOwner}
}

// CoversMailbox reports whether a reason is about whoever reads the mailbox, so that no spelling of its address gets mail. A
// bounce is not: that jane+x@ does not exist says nothing of jane@.
func (r SuppressionReason) CoversMailbox() bool { return r != Bounce }

// silence is what suppressions hold against an address; the zero silence is nothing.
type silence struct {
	reason  SuppressionReason // against the address itself; empty for none that is in force
	mailbox SuppressionReason // against its mailbox, under another spelling of the address; empty for none
	known   bool              // the address is known by its keyed hash, so that something can be held against it
}

const silenceByAddressSQL = `
select coalesce((select reason from suppressions
                 where email_hmac = $1::bytea and (until is null or until > $3::timestamptz)), ''),
       coalesce((select reason from suppressions
                 where mailbox_hmac = $2::bytea and email_hmac <> $1::bytea and (until is null or until > $3::timestamptz)
                 order by until desc limit 1), '')`

func (s *silence) loadByAddress(b *pgx.Batch, names pseudonyms, now time.Time) {
	b.Queue(silenceByAddressSQL, names.email, names.fold, now).QueryRow(func(found pgx.Row) error {
		s.known = true
		return found.Scan((*string)(&s.reason), (*string)(&s.mailbox))
	})
}

// The lock keeps an erasure, which deletes the pseudonym first, from passing by somebody who has read it and is about to
// write of the person.
const silenceOfPersonSQL = `
select coalesce(p.reason, '')
from identities i
left join suppressions p on p.email_hmac = i.email_hmac and (p.until is null or p.until > $2::timestamptz)
where i.subscriber_id = $1::text::uuid
for key share of i`

// loadByID reads what is held against the address itself.
func (s *silence) loadByID(b *pgx.Batch, id uuid.UUID, now time.Time) {
	b.Queue(silenceOfPersonSQL, id.String(), now).QueryRow(func(found pgx.Row) error {
		err := found.Scan((*string)(&s.reason))
		s.known = err == nil
		return optional(err)
	})
}

// why returns what keeps mail away from the address; empty if nothing does.
func (s silence) why() SuppressionReason { return cmp.Or(s.reason, s.mailbox) }

// hushed means that email is kept away, and the subscription is left as it is: a "not me" period is running, or another
// spelling of the address is suppressed.
func (s silence) hushed() bool { return s.reason == notMe || s.mailbox != "" }

// state returns where a person stands by their row and by what is held against the address itself. A lasting suppression
// outweighs a row that could still get mail; without a row an objection is what an erasure left behind.
func (s silence) state(r row) State {
	switch {
	case s.reason == "" || s.reason == notMe:
		return r.state()
	case !r.exists && s.reason == Objection:
		return Erased
	}
	return Suppressed
}

// A lasting reason is never weakened by a passing one, and a longer period never by a shorter one.
const hushSQL = `
insert into suppressions (email_hmac, mailbox_hmac, key_id, reason, created_at, until)
select email_hmac, mailbox_hmac, key_id, 'declined', $2::timestamptz, $3::timestamptz
from identities where subscriber_id = $1::text::uuid
on conflict (email_hmac) do update set
    mailbox_hmac = excluded.mailbox_hmac, reason = excluded.reason, created_at = excluded.created_at, until = excluded.until
where suppressions.until < excluded.until`

// queueHush keeps mail away from the mailbox of the person of id for MutePeriod.
func queueHush(b *pgx.Batch, id uuid.UUID, now time.Time) {
	b.Queue(hushSQL, id.String(), now, now.Add(MutePeriod))
}
