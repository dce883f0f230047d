package ledger

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// Finding is a time span in which the ledger differs from what was sealed.
type Finding struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	What string    `json:"what"`
}

// Report is the result of a verification.
type Report struct {
	Seals    int       `json:"seals"`
	Events   int       `json:"events"`   // sealed
	Anchors  int       `json:"anchors"`  // that match a seal
	Until    time.Time `json:"until"`    // end of the last seal; zero if there is none
	Head     string    `json:"head"`     // the last seal's hash, in hexadecimal
	Findings []Finding `json:"findings"` // empty if the ledger is unchanged
}

// Outside is what is known of the seals from outside the database.
type Outside struct {
	// Anchors maps the hashes of anchored seals to their ends. Nil: no anchors are kept; if not nil, every seal must be
	// in it within the time of Overdue.
	Anchors map[string]time.Time
	// Known are hashes that must be in the chain, such as those that the owner keeps.
	Known [][]byte
}

// Verify reads all seals and events. It reports every invalid seal, all events that should be sealed and are not, and
// every difference between the seals and what is known of them outside. The error is the database's.
func (s *Sealer) Verify(ctx context.Context, outside Outside) (Report, error) {
	seals, err := s.all(ctx)
	if err != nil {
		return Report{}, err
	}
	report, chain := Report{Findings: []Finding{}}, map[string]bool{}
	previous := Seal{Hash: []byte{}}
	for i, seal := range seals {
		what, err := s.check(ctx, seal, previous, i == 0)
		if err != nil {
			return Report{}, err
		}
		if what != "" {
			report.Findings = append(report.Findings, Finding{seal.From, seal.To, what})
		}
		chain[string(seal.Hash)] = true
		report.Seals, report.Events, report.Until, report.Head = report.Seals+1, report.Events+seal.Events, seal.To, fmt.Sprintf("%x", seal.Hash)
		previous = seal
	}
	unsealed, err := s.unsealed(ctx, report.Until)
	if err != nil {
		return Report{}, err
	}
	report.Findings = append(report.Findings, unsealed...)
	for _, hash := range outside.Known {
		if !chain[string(hash)] {
			report.Findings = append(report.Findings, Finding{What: fmt.Sprintf("the seal %x is not in the chain", hash)})
		}
	}
	report.Findings = append(report.Findings, s.compare(seals, outside.Anchors)...)
	for hash := range outside.Anchors {
		if chain[hash] {
			report.Anchors++
		}
	}
	return report, nil
}

// anchorDue is the age of a seal's end by which it is anchored: its events are then at most three hours old.
const anchorDue = Overdue - sealSpan

// compare returns the differences between the seals and their anchors, by time.
func (s *Sealer) compare(seals []Seal, anchors map[string]time.Time) (findings []Finding) {
	if anchors == nil {
		return nil
	}
	ends := map[string]time.Time{}
	for _, seal := range seals {
		ends[string(seal.Hash)] = seal.To
		if _, found := anchors[string(seal.Hash)]; !found && !seal.To.After(s.now().Add(-anchorDue)) {
			findings = append(findings, Finding{seal.From, seal.To, "the seal is not anchored: it was written later, or its anchor was removed"})
		}
	}
	for hash, to := range anchors {
		if end, found := ends[hash]; !found || !end.Equal(to) {
			findings = append(findings, Finding{to.Add(-sealSpan), to,
				fmt.Sprintf("the seal %x was anchored and is not in the chain: events were rewritten or removed, or the database was restored", hash)})
		}
	}
	slices.SortFunc(findings, func(a, b Finding) int { return cmp.Or(a.To.Compare(b.To), cmp.Compare(a.What, b.What)) })
	return findings
}

// Head returns the last seal of the chain; the zero Seal if there is none. The error is ErrBrokenChain or the
// database's.
func (s *Sealer) Head(ctx context.Context) (Seal, error) { return s.last(ctx) }

// unsealed returns a finding for events after the last seal that should have been sealed by now.
func (s *Sealer) unsealed(ctx context.Context, until time.Time) ([]Finding, error) {
	if until.IsZero() {
		until = time.Unix(0, 0)
	}
	due := s.now().Add(-Overdue).UTC()
	first, err := s.firstEvent(ctx, until, due)
	if err != nil || first.IsZero() {
		return nil, err
	}
	return []Finding{{first.UTC(), due, "events are not sealed, although maintain seals every hour: seals were removed, or maintain does not run"}}, nil
}

// check returns what is wrong with a seal, or "".
func (s *Sealer) check(ctx context.Context, seal, previous Seal, first bool) (string, error) {
	switch {
	case !bytes.Equal(seal.Hash, seal.hash()):
		return "the seal was changed", nil
	case !bytes.Equal(seal.Previous, previous.Hash):
		return "the previous seal was changed, removed or added", nil
	case seal.To.After(s.now()):
		return "the seal ends in the future", nil
	case !first && !seal.From.Equal(previous.To):
		return "the seal does not begin where the previous one ends", nil
	}
	if first {
		at, err := s.firstEvent(ctx, time.Unix(0, 0), seal.From)
		if err != nil {
			return "", err
		}
		if !at.IsZero() {
			return fmt.Sprintf("an event of %s was added before the first seal", at.UTC().Format(time.RFC3339)), nil
		}
	}
	found, err := s.digest(ctx, seal.From, seal.To)
	switch {
	case err != nil:
		return "", err
	case found.events < seal.Events:
		return fmt.Sprintf("%d of %d events were removed", seal.Events-found.events, seal.Events), nil
	case found.events > seal.Events:
		return fmt.Sprintf("%d events were added to %d", found.events-seal.Events, seal.Events), nil
	case !bytes.Equal(found.digest, seal.Digest):
		return fmt.Sprintf("at least one of %d events was changed", found.events), nil
	case found.refused > 0:
		return fmt.Sprintf("the content of %d of %d events was deleted, which belongs to a subscription or was not due", found.refused, found.events), nil
	}
	return "", nil
}

const allSealsSQL = `
select id::text, from_at, to_at, events, digest, previous, hash, anchored_at from ledger_seals
where to_at > $1::timestamptz order by to_at limit $2::integer`

func (s *Sealer) all(ctx context.Context) ([]Seal, error) {
	var all []Seal
	after := time.Unix(0, 0)
	for {
		var found []Seal
		err := s.db.Batch(ctx, func(b *pgx.Batch) {
			b.Queue(allSealsSQL, after, pageSize).Query(func(rows pgx.Rows) error {
				var err error
				found, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (seal Seal, err error) {
					return seal, seal.scan(row)
				})
				return err
			})
		})
		if err != nil {
			return nil, fmt.Errorf("read the seals: %w", err)
		}
		all = append(all, found...)
		if len(found) < pageSize {
			return all, nil
		}
		after = found[len(found)-1].To
	}
}
