package subscription

import (
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/pseudonym"
)

// pseudonyms are the keyed hashes of one person's address.
type pseudonyms struct {
	email, fold []byte
	domain      []byte // nil where mails to the domain are not counted
	keyID       string
}

func newPseudonyms(key pseudonym.Key, a Address) pseudonyms {
	return pseudonyms{email: key.Address(a.Norm), fold: key.Fold(a.Fold), keyID: key.ID()}
}

// pseudonyms are those of an address with its domain, for mails that the cap on one domain counts.
func (s *Store) pseudonyms(a Address) pseudonyms {
	names := newPseudonyms(s.key, a)
	if domain := s.cfg.Domain.domainOf(a); domain != "" {
		names.domain = s.key.Domain(domain)
	}
	return names
}

// With $5 false nothing is written, as in saveRowSQL. The hashes are renewed each time the address is seen, so that they
// follow a change of the key.
const saveIdentitySQL = `
insert into identities (subscriber_id, email_hmac, fold_hmac, key_id)
select $1::text::uuid, $2::bytea, $3::bytea, $4::text
where $5::boolean
on conflict (subscriber_id) do update set
    email_hmac = excluded.email_hmac, fold_hmac = excluded.fold_hmac, key_id = excluded.key_id, until = null`

// save queues whose pseudonym id is; nothing if wanted is false.
func (p pseudonyms) save(b *pgx.Batch, id uuid.UUID, wanted bool) {
	b.Queue(saveIdentitySQL, id.String(), p.email, p.fold, p.keyID, wanted)
}

// SuppressReason is why an address gets no mail.
type SuppressReason string

// The reasons that the schema allows. All but notMe hold until an operator lifts them.
const (
	Complaint SuppressReason = "complaint"
	Bounce    SuppressReason = "bounce"
	Objection SuppressReason = "objection"
	ByOwner   SuppressReason = "operator"
	notMe     SuppressReason = "not_me"
)

// silence is what suppressions hold against an address; the zero silence is nothing.
type silence struct {
	reason SuppressReason // empty for none that is in force
	known  bool           // the address is known by its keyed hash, so that something can be held against it
}

const silenceByEmailSQL = `
select coalesce((select reason from suppressions
                 where email_hmac = $1::bytea and (until is null or until > $2::timestamptz)), '')`

func (s *silence) loadByEmail(b *pgx.Batch, emailHMAC []byte, now time.Time) {
	b.Queue(silenceByEmailSQL, emailHMAC, now).QueryRow(s.scan)
}

// The lock keeps an erasure, which deletes the pseudonym first, from passing by somebody who has read it and is about to
// write of the person.
const silenceOfPersonSQL = `
select coalesce(p.reason, '')
from identities i
left join suppressions p on p.email_hmac = i.email_hmac and (p.until is null or p.until > $2::timestamptz)
where i.subscriber_id = $1::text::uuid
for key share of i`

func (s *silence) loadByID(b *pgx.Batch, id uuid.UUID, now time.Time) {
	b.Queue(silenceOfPersonSQL, id.String(), now).QueryRow(s.scan)
}

func (s *silence) scan(found pgx.Row) error {
	err := found.Scan((*string)(&s.reason))
	s.known = err == nil
	return optional(err)
}

// hushed says that a "not me" period is running.
func (s silence) hushed() bool { return s.reason == notMe }

// state is where a person stands by their row and by what is held against the address. A lasting suppression outweighs
// a row that could still get mail; without a row an objection is what an erasure left behind.
func (s silence) state(r row) State {
	switch {
	case s.reason == "" || s.hushed():
		return r.state()
	case !r.exists && s.reason == Objection:
		return Erased
	}
	return Suppressed
}

// A lasting reason is never weakened by a passing one, and a longer period never by a shorter one.
const hushSQL = `
insert into suppressions (email_hmac, key_id, reason, created_at, until)
select email_hmac, key_id, 'not_me', $2::timestamptz, $3::timestamptz
from identities where subscriber_id = $1::text::uuid
on conflict (email_hmac) do update set reason = excluded.reason, created_at = excluded.created_at, until = excluded.until
where suppressions.until < excluded.until`

// queueHush keeps mail away from the person of id for HushPeriod.
func queueHush(b *pgx.Batch, id uuid.UUID, now time.Time) {
	b.Queue(hushSQL, id.String(), now, now.Add(HushPeriod))
}
