package operate

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
	"newsletter/shared/subscription"
)

// The commands on the messages of the outbox.
var (
	OutboxList  = read("outbox list", listMessages)
	OutboxSlots = read("outbox slots", listSlots)
	OutboxRetry = record("outbox retry", func(ctx context.Context, i *Installation, s MessageSelection) (ChangedMessages, error) {
		return i.changeMessages(ctx, s, ledger.Event{Kind: ledger.Retried, Data: ledger.Data{Outcome: "retried"}}, outbox.RequeueMessages)
	})
	OutboxDrop = record("outbox drop", func(ctx context.Context, i *Installation, s MessageSelection) (ChangedMessages, error) {
		return i.changeMessages(ctx, s, ledger.Event{Kind: ledger.Dropped, Data: ledger.Data{Outcome: "dropped"}}, outbox.DropMessages)
	})
)

// MessageFilter selects messages to list.
type MessageFilter struct {
	State string      `json:"state"`          // "dead", "ready", "held" or "done"
	Kind  outbox.Kind `json:"kind,omitempty"` // empty: all
}

// listMessages lists messages, the oldest first.
func listMessages(ctx context.Context, i *Installation, f MessageFilter) (l List[outbox.MessageView], err error) {
	if err := CheckKnown("state", f.State, []string{"dead", "ready", "held", "done"}); err != nil {
		return l, err
	}
	rows, err := i.messages(ctx, f)
	if err != nil {
		return l, err
	}
	return list(rows)
}

// messages lists messages of a known kind.
func (i *Installation) messages(ctx context.Context, f MessageFilter) ([]outbox.MessageView, error) {
	if f.Kind != "" {
		known, err := i.knownKinds(ctx)
		if err == nil {
			err = CheckKnown("kind", f.Kind, known)
		}
		if err != nil {
			return nil, err
		}
	}
	return i.queue.ListMessages(ctx, f.State, f.Kind, maxListed)
}

// knownKinds lists the message kinds of this version, and those in the outbox.
func (i *Installation) knownKinds(ctx context.Context) ([]outbox.Kind, error) {
	all, err := i.queue.ListKinds(ctx)
	for _, email := range subscription.Emails() {
		all = append(all, email.Kind())
	}
	for _, kind := range outbox.Kinds() {
		all = append(all, kind)
		for _, destination := range outbox.Destinations() {
			if kind.IsFanOut() && destination != outbox.Email {
				all = append(all, outbox.NotifyOf(kind, destination))
			}
		}
	}
	return all, err
}

// listSlots lists the domains where emails of sign-ups wait for a slot.
func listSlots(ctx context.Context, i *Installation, _ All) (l List[subscription.SlotWait], err error) {
	rows, err := i.store.ListSlotWaits(ctx)
	if err != nil {
		return l, err
	}
	return list(rows)
}

// MessageSelection selects messages to change: those with the ids, or all dead letters.
type MessageSelection struct {
	IDs  []string    `json:"ids,omitempty"`
	All  bool        `json:"all,omitempty"`
	Kind outbox.Kind `json:"kind,omitempty"` // with All: only this kind
}

// ChangedMessages is the result of a change of messages.
type ChangedMessages struct {
	Changed  int64 `json:"changed"`
	Selected int64 `json:"selected"`
	More     bool  `json:"more"` // with All: there may be more
}

// Counts returns the number of changed messages, for the log.
func (c ChangedMessages) Counts() map[string]int64 { return map[string]int64{"changed": c.Changed} }

// changeMessages changes messages and records it, in one transaction.
func (i *Installation) changeMessages(
	ctx context.Context, s MessageSelection, event ledger.Event, queue func(b *pgx.Batch, ids []string, now time.Time, done func(int64)),
) (result ChangedMessages, err error) {
	switch {
	case s.All == (len(s.IDs) > 0) || s.Kind != "" && !s.All:
		return result, Wrong("name ids, or all with an optional kind")
	case len(s.IDs) > maxListed:
		return result, Wrong("%d ids are too many for one call, whose limit is %d", len(s.IDs), maxListed)
	}
	if _, err := parseIDs(s.IDs); err != nil {
		return result, err
	}
	ids := s.IDs
	if s.All {
		rows, err := i.messages(ctx, MessageFilter{"dead", s.Kind})
		if err != nil {
			return result, err
		}
		for _, r := range rows {
			ids = append(ids, r.ID.String())
		}
		result.More = len(rows) >= maxListed
	}
	result.Selected = int64(len(ids))
	result.Changed, err = i.change(ctx, event, func(b *pgx.Batch, done func(int64)) { queue(b, ids, i.now(), done) })
	return result, err
}
