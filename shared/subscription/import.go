package subscription

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/apikey"
	"newsletter/shared/field"
	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
)

// ListEntry is a person on an imported list.
type ListEntry struct {
	// Line is the place in the list, for the report.
	Line  int       `json:"line"`
	Email string    `json:"email"` // as written in the list
	State ListState `json:"state"`
	// At is the time of the consent, and EndedAt that of its end, or of the bounce or complaint; zero if the list does
	// not state it.
	At      time.Time `json:"at,omitzero"`
	EndedAt time.Time `json:"ended_at,omitzero"`
	// IP and UserAgent are those of the consent; empty if unknown.
	IP        netip.Addr        `json:"ip,omitzero"`
	UserAgent string            `json:"user_agent,omitempty"`
	Locale    ledger.Locale     `json:"locale,omitempty"`
	Sent      ledger.SentSource `json:"source,omitzero"`
	// Evidence is the list's own note on the consent, without an address.
	Evidence string `json:"evidence,omitempty"`
	// Fields are the list's values of declared fields by name, as written. One that does not fit is left out.
	Fields map[string]string `json:"fields,omitempty"`
	// TextVersion is the version of the consent text that the list names; empty for none.
	TextVersion string `json:"text_version,omitempty"`
}

// ListImport is a part of an imported list.
type ListImport struct {
	Entries []ListEntry
	// Confirmed treats who waits for a confirmation, in the list or here, as confirmed.
	Confirmed bool
	// Reconfirm asks those who wait according to the list once more, by an email.
	Reconfirm bool
	// DryRun only decides.
	DryRun bool
	// Fields are the declared fields, and Sources the declared sources.
	Fields  field.Declarations
	Sources ledger.Declarations
	Texts   []ledger.ConsentText
	// Visit is the call of a server that reports who left; its key must have the scope apikey.Suppressions. The zero Visit
	// is the operator's import.
	Visit Visit
}

// ImportResult is the result for an entry. It does not contain the address.
type ImportResult struct {
	Line int `json:"line"`
	// Became is the new state; empty if the entry changed nothing.
	Became State `json:"became,omitempty"`
	// Reason is why an entry that changes nothing is refused, in one word; empty if it is in effect already.
	Reason string `json:"reason,omitempty"`
}

const (
	// reconfirmEvery spreads the emails to those who waited: ten a minute. Old lists bounce, and the sending circuit
	// breaker opens at ten reports. They arrive within minutes, so that some dozens of emails leave before it opens,
	// not thousands.
	reconfirmEvery = 6 * time.Second
	// changeEvery spreads what destinations receive about an import, so that sign-ups of the same time do not wait
	// behind it.
	changeEvery = 50 * time.Millisecond
	// joinEvery spreads the new contacts of Loops: up to three calls each, of ten a second that an account may make.
	joinEvery = 500 * time.Millisecond
)

// importTx is the state of an import in its transaction.
type importTx struct {
	*ListImport
	store   *Store
	now     time.Time // under the locks
	people  []*imported
	written map[string]bool // by event
	key     apikey.Row
	toLoops bool // Loops is configured
}

// imported is an entry with an address.
type imported struct {
	ListEntry
	address Address
	hashes  pseudonyms
	rowID   uuid.UUID // of the row that it has, or would get
	eventID uuid.UUID
	state   importFacts
	row     listedRow
	d       decision
	reason  string
}

// listedRow is what decides about the row of an address.
type listedRow struct {
	exists bool
	epoch  int32
}

// Import adds a part of a list. Each address counts once in a call; of several entries the first. It is one
// transaction in two round trips, and importing the same list again changes nothing. The results are in the order of the
// entries. The error is apikey.ErrInvalid or apikey.ErrScope for a server, or the database's; nothing was changed then.
func (s *Store) Import(ctx context.Context, list ListImport) ([]ImportResult, error) {
	results := make([]ImportResult, len(list.Entries))
	if list.Visit.Key == nil {
		list.Visit = Visit{RequestID: "operator", Channel: importChannel}
	}
	tx := &importTx{ListImport: &list, store: s}
	byEntry := make([]*imported, len(list.Entries))
	seen := map[string]bool{}
	for i, e := range list.Entries {
		results[i].Line = e.Line
		address, err := ParseAddress(e.Email)
		switch {
		case err != nil:
			results[i].Reason = "bad_address"
		case e.TextVersion != "" && !slices.ContainsFunc(list.Texts, func(t ledger.ConsentText) bool { return t.Version == e.TextVersion }):
			results[i].Reason = "unknown_consent_version"
		case !seen[address.Normalized]:
			seen[address.Normalized] = true
			p := &imported{ListEntry: e, address: address, hashes: newPseudonyms(s.key, address), rowID: newID(), eventID: newID()}
			byEntry[i], tx.people = p, append(tx.people, p)
		}
	}
	if len(tx.people) == 0 && list.Visit.Key == nil {
		return results, nil
	}
	if err := s.transact(ctx, 0, tx.load, tx.decide); err != nil {
		return nil, fmt.Errorf("import %d entries: %w", len(list.Entries), err)
	}
	for i, p := range byEntry {
		switch {
		case p == nil:
		case p.d.Ledger == "":
			results[i].Reason = p.reason
		case list.DryRun || tx.written[p.eventID.String()]: // else a sign-up of the same moment was faster
			results[i].Became = p.became()
		}
	}
	return results, nil
}

// became returns the state after the entry: for one who waits and had left elsewhere, that to which they return.
func (p *imported) became() State {
	if p.d.Returning {
		return Unsubscribed
	}
	return p.d.To
}

// Rows are locked in one order, so that two imports do not wait for each other. Sign-ups lock one row only.
const (
	listedRowsSQL = `
select s.email_norm, s.id::text, s.status, s.returning_from is not null, s.epoch,
       case when e.kind = 'subscription.imported' then (e.data ->> 'original_at')::timestamptz
            when s.status = 'active' then s.confirmed_at else s.requested_at end
from subscribers s left join ledger_events e on e.id = s.request_event_id
where s.email_norm = any($1::text[])
order by s.email_norm
for update of s`

	// deliver records the services that receive personal data, by these names.
	toLoopsSQL = `
select exists (select from recipients where name = $1::text and until is null)`

	// Compiling a statement takes longer than running it, but PostgreSQL expects many rows while its statistics are old.
	noCompilationSQL = `
select set_config('jit', 'off', true)`

	// What keeps an address out is read in the transaction that imports the others. Of other spellings, the last state in
	// the alphabet counts: unsubscribed.
	listedStopsSQL = `
select coalesce((select p.reason from suppressions p
                 where p.email_hmac = decode(l.email, 'hex') and (p.until is null or p.until > $3::timestamptz)), ''),
       coalesce((select min(p.reason) from suppressions p
                 where p.mailbox_hmac = decode(l.mailbox, 'hex') and p.email_hmac <> decode(l.email, 'hex')
                   and (p.until is null or p.until > $3::timestamptz)), ''),
       exists (select from erasures e where e.email_hmac = decode(l.email, 'hex')),
       case when l.waiting::boolean then coalesce((
           select max((select s.status from subscribers s where s.id = i.subscriber_id and s.status <> 'suppressed'))
           from identities i where i.mailbox_hmac = decode(l.mailbox, 'hex') and i.email_hmac <> decode(l.email, 'hex')), '') else '' end
from unnest($1::text[], $2::text[], $4::text[]) with ordinality as l (email, mailbox, waiting, n)
order by l.n`
)

func (t *importTx) load(b *pgx.Batch, before time.Time) {
	byNorm := make(map[string]*imported, len(t.people))
	for _, p := range t.people {
		p.row = listedRow{}
		p.state = importFacts{
			facts: facts{State: None}, Listed: p.State, EndedAt: p.EndedAt, Confirmed: t.Confirmed, Reconfirm: t.Reconfirm,
		}
		byNorm[p.address.Normalized] = p
	}
	if t.Visit.Key != nil {
		loadKey(b, *t.Visit.Key, &t.key)
	}
	b.Queue(toLoopsSQL, outbox.Loops).QueryRow(func(found pgx.Row) error { return found.Scan(&t.toLoops) })
	b.Queue(noCompilationSQL)
	b.Queue(listedRowsSQL, texts(t.people, func(p *imported) string { return p.address.Normalized })).Query(func(rows pgx.Rows) error {
		var norm, id string
		var state State
		var returning bool
		var epoch int32
		var consentAt *time.Time
		_, err := pgx.ForEachRow(rows, []any{&norm, &id, (*string)(&state), &returning, &epoch, &consentAt}, func() error {
			p := byNorm[norm]
			p.rowID, p.row = mustID(id), listedRow{true, epoch}
			p.state.State, p.state.Returning = state, returning
			if consentAt != nil {
				p.state.ConsentAt = *consentAt
			}
			return nil
		})
		return err
	})
	emails, mailboxes := t.hashes()
	waiting := texts(t.people, func(p *imported) string { return fmt.Sprint(p.State == ListWaiting) })
	b.Queue(listedStopsSQL, emails, mailboxes, before, waiting).Query(func(rows pgx.Rows) error {
		for _, p := range t.people {
			var sup suppressions
			if !rows.Next() {
				break
			}
			if err := rows.Scan((*string)(&sup.reason), (*string)(&sup.mailbox), &p.state.Erased, (*string)(&p.state.OtherSpelling)); err != nil {
				return err
			}
			p.state.State, p.state.Muted, p.state.Rowless = sup.state(row{exists: p.row.exists, Status: p.state.State}), sup.muted(), !p.row.exists
		}
		rows.Close()
		return rows.Err()
	})
}

// decide checks the key of a server, decides about all entries and writes what changes.
func (t *importTx) decide(b *pgx.Batch, now time.Time) error {
	if t.Visit.Key != nil {
		if err := t.key.Check(*t.Visit.Key, apikey.Suppressions); err != nil {
			return err
		}
	}
	return t.write(b, now)
}

// actor returns who caused the events: the sender who reports, or the operator.
func (t *importTx) actor() ledger.Actor {
	if t.Visit.Key != nil {
		return ledger.Provider
	}
	return ledger.Operator
}

func (t *importTx) hashes() (emails, mailboxes []string) {
	return texts(t.people, func(p *imported) string { return hex.EncodeToString(p.hashes.email) }),
		texts(t.people, func(p *imported) string { return hex.EncodeToString(p.hashes.mailbox) })
}

// texts returns a text of each person, for an array parameter.
func texts(people []*imported, of func(*imported) string) []string {
	all := make([]string, len(people))
	for i, p := range people {
		all[i] = of(p)
	}
	return all
}

// message returns the kind of message that an entry causes; empty for none. Loops has every subscriber, and the suppression
// journal every suppression; the other destinations receive only the ends of subscriptions here.
func (t *importTx) message(p *imported) outbox.Kind {
	switch {
	case p.d.Email != NoEmail:
		return p.d.Email.Kind()
	case p.d.Ledger == ledger.Unsubscribed || p.d.Ledger == ledger.Suppressed && p.row.exists:
		return outbox.Change
	case p.d.Ledger == ledger.Suppressed:
		return outbox.NotifyOf(outbox.Change, outbox.Journal)
	case p.d.To == Active && t.toLoops:
		return outbox.NotifyOf(outbox.Change, outbox.Loops)
	}
	return ""
}
