package subscription

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
)

// Proof is the evidence of one subscriber's consent for an authority (Art. 7(1) GDPR).
type Proof struct {
	Address   string    `json:"address"`
	CreatedAt time.Time `json:"created_at"`
	// Status is the state of the subscription; "none" without a row.
	Status State `json:"status"`
	// Steps are all events of the subscriber, oldest first, including those of earlier sign-ups.
	Steps []Step `json:"steps"`
}

// Step is one event in the history of a consent.
type Step struct {
	EventID      string        `json:"event_id"`
	SubscriberID string        `json:"subscriber_id"`
	At           time.Time     `json:"at"`
	Kind         ledger.Kind   `json:"kind"`
	Actor        ledger.Actor  `json:"actor"`
	Channel      string        `json:"channel"`
	Source       ledger.Source `json:"source"`
	RequestID    string        `json:"request_id"`
	Data         ledger.Data   `json:"data"`
	// Evidence is the imported list's note on the consent, at most 500 bytes; empty for other events.
	Evidence string `json:"evidence,omitempty"`
	// IP and UserAgent are empty after their retention period.
	IP        string `json:"ip,omitempty"`
	UserAgent string `json:"user_agent,omitempty"`
	// Text is the text that was shown, verbatim; nil for none.
	Text *ledger.ConsentText `json:"text,omitempty"`
}

const proofSQL = `
select a.id::text, coalesce(a.subscriber_id::text, ''), a.at, a.kind, a.actor, a.channel, a.source::text, a.request_id, a.data::text,
       case when a.kind = 'subscription.imported' then coalesce(s.evidence, '') else '' end, coalesce(host(c.ip), ''), coalesce(c.user_agent, ''),
       coalesce(t.id::text, ''), coalesce(t.version, ''), coalesce(t.locale, ''), coalesce(t.body, ''),
       coalesce(encode(t.sha256, 'hex'), ''), coalesce(t.created_at, a.at)
from ledger_events a left join event_context c on c.event_id = a.id left join consent_texts t on t.id = a.consent_text_id
     left join subscribers s on s.id = a.subscriber_id
where a.subscriber_id = any($1::text[]::uuid[])
order by a.at, a.id limit $2::integer`

const statusSQL = `
select status from subscribers where email_norm = $1::text`

// Proof returns the evidence for an address and records the access. Without steps, nothing is known about the address.
// The error is the database's.
func (s *Store) Proof(ctx context.Context, a Address, visit Visit) (Proof, error) {
	p := Proof{Address: a.Display}
	var ids []string
	event := ledger.Event{ID: newID(), Kind: ledger.ConsentProved, Actor: ledger.Operator, Channel: visit.Channel, RequestID: visit.RequestID}
	err := s.transact(ctx, 0,
		func(b *pgx.Batch, _ time.Time) { loadIDs(b, s.key.Address(a.Normalized), &ids) },
		func(b *pgx.Batch, now time.Time) error {
			p.CreatedAt, p.Status, p.Steps, event.At = now, None, []Step{}, now
			b.Queue(statusSQL, a.Normalized).QueryRow(func(found pgx.Row) error { return ignoreNoRows(found.Scan((*string)(&p.Status))) })
			b.Queue(proofSQL, ids, maxExported).Query(func(rows pgx.Rows) error {
				var err error
				p.Steps, err = pgx.CollectRows(rows, scanStep)
				return err
			})
			if len(ids) > 0 {
				event.SubscriberID = mustID(ids[0])
			}
			event.Data.Outcome = "printed"
			ledger.Append(b, event)
			return nil
		})
	if err != nil {
		return Proof{}, fmt.Errorf("read the proof of consent: %w", err)
	}
	return p, nil
}

func scanStep(row pgx.CollectableRow) (Step, error) {
	var s Step
	var source, data, textID string
	text := ledger.ConsentText{}
	err := row.Scan(&s.EventID, &s.SubscriberID, &s.At, (*string)(&s.Kind), (*string)(&s.Actor), &s.Channel, &source, &s.RequestID, &data,
		&s.Evidence, &s.IP, &s.UserAgent, &textID, &text.Version, (*string)(&text.Locale), &text.Body, &text.SHA256, &text.CreatedAt)
	if err != nil {
		return s, err
	}
	if textID != "" {
		text.ID = mustID(textID)
		s.Text = &text
	}
	s.At, s.Source = s.At.UTC(), ledger.ParseSource(source)
	return s, json.Unmarshal([]byte(data), &s.Data)
}
