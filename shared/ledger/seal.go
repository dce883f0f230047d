package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// settleTime is the minimum age of a sealed event: by then every transaction that could add an older one has ended,
	// because no function runs longer than 15 minutes (Lambda's quota).
	settleTime = 20 * time.Minute
	// sealSpan is the time that a seal covers at most, so that a finding names an hour.
	sealSpan = time.Hour
	// sealInterval is how often maintain seals, by its schedule in template.yaml; a test compares the two.
	sealInterval = time.Hour
	// maxDelay is how late a run of maintain may seal: its schedule drops the event after 15 minutes
	// (MaximumEventAgeInSeconds), and a run takes at most another 15.
	maxDelay = 40 * time.Minute
	// Overdue is the maximum age of an event without a seal, and of an event whose seal has no anchor: three hours. An
	// event may have been slightly too young for one run and waits for the next.
	Overdue = settleTime + sealSpan + sealInterval + maxDelay
	// pageSize limits the events of a read, so that no statement is long and memory stays bounded.
	pageSize = 2000
)

// database is the part of a connection pool that seals need.
type database interface {
	Batch(ctx context.Context, queue func(*pgx.Batch)) error
}

// Seal proves that the ledger had exactly these events in its time span.
type Seal struct {
	ID       uuid.UUID
	From, To time.Time // from From, inclusive, to To, exclusive
	Events   int
	Digest   []byte // SHA-256 over the events
	Previous []byte // the hash of the previous seal; empty for the first
	Hash     []byte // SHA-256 over all of the above except the id
	Anchored bool   // it was anchored outside the database, as far as the database knows
}

// hash computes the seal's hash.
func (s Seal) hash() []byte {
	h := sha256.New()
	h.Write([]byte("newsletter/seal/1"))
	for _, n := range []int64{s.From.UnixMicro(), s.To.UnixMicro(), int64(s.Events)} {
		_ = binary.Write(h, binary.BigEndian, n) // writing to a hash never fails
	}
	h.Write(s.Digest)
	h.Write(s.Previous)
	return h.Sum(nil)
}

// Sealer seals the ledger of a database and verifies it. It is safe for concurrent use: each seal has one successor.
type Sealer struct {
	db  database
	now func() time.Time
}

// NewSealer returns a Sealer; now is the clock.
func NewSealer(db database, now func() time.Time) *Sealer { return &Sealer{db, now} }

const (
	// The end of the chain is the seal that no other one follows. Its time does not decide, because a seal with any
	// times may have been added. The last column is true if the seal continues its predecessor.
	lastSealSQL = `
select s.id::text, s.from_at, s.to_at, s.events, s.digest, s.previous, s.hash, s.anchored_at,
       case when s.previous = '' then true else coalesce(p.to_at = s.from_at, false) end
from ledger_seals s left join ledger_seals p on p.hash = s.previous
where not exists (select from ledger_seals n where n.previous = s.hash)
limit 2`
	anySealSQL   = `select exists (select from ledger_seals)`
	nextEventSQL = `
select min(at) from ledger_events where at >= $1::timestamptz and at < $2::timestamptz`
	insertSealSQL = `
insert into ledger_seals (id, from_at, to_at, events, digest, previous, hash, created_at)
values ($1::text::uuid, $2::timestamptz, $3::timestamptz, $4::integer, $5::bytea, $6::bytea, $7::bytea, $8::timestamptz)
on conflict (previous) do nothing`
	unanchoredSQL = `
select s.id::text, s.from_at, s.to_at, s.events, s.digest, s.previous, s.hash, s.anchored_at
from ledger_seals s where anchored_at is null order by to_at limit $1::integer`
	anchoredSQL = `update ledger_seals set anchored_at = $2::timestamptz where id = $1::text::uuid and anchored_at is null`
)

// ErrBrokenChain is the error for a chain with a seal that this package did not create. Verify locates it.
var ErrBrokenChain = errors.New("ledger: the chain of seals was changed; see `newsletter ledger verify`")

// Next creates the next seal; false if there is nothing to seal yet. If another Sealer creates it at the same time,
// Next returns that seal. The error is ErrBrokenChain or the database's.
func (s *Sealer) Next(ctx context.Context) (Seal, bool, error) {
	last, err := s.last(ctx)
	for err == nil {
		seal, made, failed := s.follow(ctx, last)
		if failed != nil || made || seal.Hash == nil {
			return seal, made, failed
		}
		followed := last // at least one seal follows it
		last, err = s.last(ctx)
		switch {
		case err != nil:
		case bytes.Equal(last.Hash, seal.Hash):
			return last, true, nil
		case !last.To.After(followed.To): // its successor does not continue it
			return Seal{}, false, ErrBrokenChain
		}
	}
	return Seal{}, false, err
}

// last reads the end of the chain; it returns the zero seal if there is none.
func (s *Sealer) last(ctx context.Context) (last Seal, err error) {
	var ends int
	var sealed, continues bool
	err = s.db.Batch(ctx, func(b *pgx.Batch) {
		last, ends, continues = Seal{}, 0, true
		b.Queue(lastSealSQL).Query(func(rows pgx.Rows) error {
			for ; rows.Next(); ends++ {
				if err := last.scan(rows, &continues); err != nil {
					return err
				}
			}
			return rows.Err()
		})
		b.Queue(anySealSQL).QueryRow(func(row pgx.Row) error { return row.Scan(&sealed) })
	})
	switch {
	case err != nil:
		return Seal{}, fmt.Errorf("read the last seal: %w", err)
	case !sealed:
		return Seal{}, nil
	case ends != 1:
		return Seal{}, fmt.Errorf("%w: it has no single end", ErrBrokenChain)
	case !continues || !bytes.Equal(last.Hash, last.hash()):
		return Seal{}, fmt.Errorf("%w: the last seal does not continue it", ErrBrokenChain)
	case last.To.After(s.now()): // otherwise nothing would be sealed until then
		return Seal{}, fmt.Errorf("%w: the last seal ends in the future, at %s", ErrBrokenChain, last.To.Format(time.RFC3339))
	}
	return last, nil
}

// follow creates the seal after the last one. It returns the zero seal if there is nothing to seal, and made = false
// if the last seal already has a successor.
func (s *Sealer) follow(ctx context.Context, last Seal) (seal Seal, made bool, err error) {
	end := s.now().Add(-settleTime).UTC().Truncate(sealSpan)
	first, err := s.firstEvent(ctx, last.To, end)
	if err != nil || first.IsZero() {
		return Seal{}, false, err
	}
	seal = Seal{ID: uuid.Must(uuid.NewV7()), From: last.To, To: first.UTC().Truncate(sealSpan).Add(sealSpan), Previous: last.Hash}
	if last.Hash == nil {
		seal.From, seal.Previous = first.UTC().Truncate(sealSpan), []byte{}
	}
	sealed, err := s.digest(ctx, seal.From, seal.To)
	if err != nil {
		return Seal{}, false, err
	}
	seal.Digest, seal.Events = sealed.digest, sealed.events
	seal.Hash = seal.hash()
	err = s.db.Batch(ctx, func(b *pgx.Batch) {
		made = false
		b.Queue(insertSealSQL, seal.ID.String(), seal.From, seal.To, seal.Events, seal.Digest, seal.Previous, seal.Hash, s.now()).
			Exec(func(tag pgconn.CommandTag) error {
				made = tag.RowsAffected() == 1
				return nil
			})
	})
	if err != nil {
		return Seal{}, false, fmt.Errorf("write a seal: %w", err)
	}
	return seal, made, nil
}

// Unanchored returns seals that have no anchor, oldest first, at most pageSize of them.
func (s *Sealer) Unanchored(ctx context.Context) (all []Seal, err error) {
	err = s.db.Batch(ctx, func(b *pgx.Batch) {
		b.Queue(unanchoredSQL, pageSize).Query(func(rows pgx.Rows) error {
			all, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (seal Seal, err error) { return seal, seal.scan(row) })
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read the seals without an anchor: %w", err)
	}
	return all, nil
}

// SetAnchored records that a seal was anchored.
func (s *Sealer) SetAnchored(ctx context.Context, seal Seal) error {
	err := s.db.Batch(ctx, func(b *pgx.Batch) { b.Queue(anchoredSQL, seal.ID.String(), s.now()) })
	if err != nil {
		return fmt.Errorf("record an anchor: %w", err)
	}
	return nil
}

// scan reads a seal, and the columns after it into further.
func (s *Seal) scan(row pgx.Row, further ...any) error {
	var anchored *time.Time
	err := row.Scan(append([]any{&s.ID, &s.From, &s.To, &s.Events, &s.Digest, &s.Previous, &s.Hash, &anchored}, further...)...)
	s.From, s.To, s.Anchored = s.From.UTC(), s.To.UTC(), anchored != nil
	return err
}

// firstEvent returns the time of the first event from a time on and before an end; zero if there is none.
func (s *Sealer) firstEvent(ctx context.Context, from, end time.Time) (time.Time, error) {
	var at *time.Time
	err := s.db.Batch(ctx, func(b *pgx.Batch) {
		at = nil
		b.Queue(nextEventSQL, from, end).QueryRow(func(row pgx.Row) error { return row.Scan(&at) })
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("find the next event to seal: %w", err)
	}
	if at == nil {
		return time.Time{}, nil
	}
	return *at, nil
}

// A JSON array has a single text representation, whatever its elements. Times are numbers, so that no setting changes
// them. The content of an event is in it as a salted hash, which a tombstone keeps. A tombstone that still has content
// gets no hash, so it differs from what was sealed. The last column is true for a tombstone that may not be one.
const sealedEventsSQL = `
select e.at, e.id::text,
       jsonb_build_array(e.id, (extract(epoch from e.at) * 1000000)::bigint, e.kind, e.subscriber_id, e.actor, e.channel,
           e.data -> 'outcome', e.data -> 'from', e.data -> 'to',
           encode(case when e.content_hash is null
               then sha256(uuid_send(e.salt) || convert_to(jsonb_build_array(e.source, e.consent_text_id, e.request_id,
                                                               e.data - '{outcome,from,to}'::text[])::text, 'UTF8'))
               when e.salt is null and e.source = '{}' and e.consent_text_id is null and e.request_id = ''
                   and e.data - '{outcome,from,to}'::text[] = '{}'
               then e.content_hash end, 'hex'))::text,
       e.content_hash is not null and (e.at >= $6::timestamptz or case
           when e.subscriber_id is null then e.kind <> all ($7::text[])
           else exists (select from identities i where i.subscriber_id = e.subscriber_id)
               or exists (select from ledger_events o where o.subscriber_id = e.subscriber_id
                          and (o.data ->> 'to' = any ($8::text[]) or o.data ->> 'from' = any ($8::text[]))) end)
from ledger_events e
where e.at >= $1::timestamptz and e.at < $2::timestamptz and (e.at, e.id) > ($3::timestamptz, $4::text::uuid)
order by e.at, e.id limit $5::integer`

// hashed is a hash over events.
type hashed struct {
	digest  []byte
	events  int
	refused int // tombstones that may not be one
}

// digest hashes the events of a time span in order, page by page.
func (s *Sealer) digest(ctx context.Context, from, to time.Time) (all hashed, err error) {
	sum, after, id := sha256.New(), time.Unix(0, 0), uuid.Nil.String()
	for {
		var lines []string
		var refused int
		err := s.db.Batch(ctx, func(b *pgx.Batch) {
			lines, refused = nil, 0
			b.Queue(sealedEventsSQL, from, to, after, id, pageSize, s.tombstonesBefore(), requestKinds, subscribedStates).Query(func(rows pgx.Rows) error {
				var line string
				var wrong bool
				_, err := pgx.ForEachRow(rows, []any{&after, &id, &line, &wrong}, func() error {
					if lines = append(lines, line); wrong {
						refused++
					}
					return nil
				})
				return err
			})
		})
		if err != nil {
			return hashed{}, fmt.Errorf("read events to seal: %w", err)
		}
		write(sum, lines)
		all.events, all.refused = all.events+len(lines), all.refused+refused
		if len(lines) < pageSize {
			all.digest = sum.Sum(nil)
			return all, nil
		}
	}
}

// write adds lines to a hash, each preceded by its length.
func write(h hash.Hash, lines []string) {
	for _, line := range lines {
		_ = binary.Write(h, binary.BigEndian, int64(len(line)))
		h.Write([]byte(line))
	}
}
