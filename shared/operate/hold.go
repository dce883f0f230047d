package operate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"newsletter/shared/admission"
	"newsletter/shared/outbox"
	"newsletter/shared/subscription"
)

// The commands on what the risk decision held (docs/risk.md).
var (
	HoldList    = read("hold list", listHolds)
	HoldRelease = record("hold release", func(ctx context.Context, i *Installation, s HoldSelection) (DecidedHolds, error) {
		return i.decideHolds(ctx, s, "released", i.store.ReleaseHeld)
	})
	HoldReject = record("hold reject", func(ctx context.Context, i *Installation, s HoldSelection) (DecidedHolds, error) {
		return i.decideHolds(ctx, s, "rejected", i.store.RejectHeld)
	})
)

// All is a request without members.
type All struct{}

// listHolds lists held emails, the oldest first.
func listHolds(ctx context.Context, i *Installation, _ All) (l List[subscription.HeldEmail], err error) {
	rows, err := i.store.ListHeld(ctx, maxListed)
	if err != nil {
		return l, err
	}
	return list(rows)
}

// HoldSelection selects held emails: those with the ids, or all.
type HoldSelection struct {
	IDs    []string `json:"ids,omitempty"`
	All    bool     `json:"all,omitempty"`
	Reason string   `json:"reason,omitempty"` // with All: only those with this reason; empty for any
}

// DecidedHolds is the result of a decision about held emails.
type DecidedHolds struct {
	Decided []DecidedHold `json:"decided"`
	// Remain is set if a selection of all was not finished in this call. The same call continues it.
	Remain bool `json:"remain"`
}

// Counts returns the number of decided emails, for the log.
func (d DecidedHolds) Counts() map[string]int64 {
	return map[string]int64{"decided": int64(len(d.Decided))}
}

// DecidedHold is the result of a decision about one email.
type DecidedHold struct {
	ID     uuid.UUID `json:"id"`
	Result string    `json:"result"` // "released", "rejected" or NotHeld
}

// NotHeld is the result for an email that is not held: it may have been decided before.
const NotHeld = "not held"

// maxDecided is the number of emails that one call decides. Each is a transaction of some 10 ms.
const maxDecided = 200

// decideHolds decides the selected emails, each in a transaction.
func (i *Installation) decideHolds(
	ctx context.Context, s HoldSelection, done string, decide func(context.Context, uuid.UUID, subscription.Visit) error,
) (DecidedHolds, error) {
	result := DecidedHolds{Decided: []DecidedHold{}}
	ids, err := i.selectHolds(ctx, s)
	if err != nil {
		return result, err
	}
	if s.All && len(ids) > maxDecided {
		ids, result.Remain = ids[:maxDecided], true
	}
	for n, id := range ids {
		one := DecidedHold{id, done}
		if err := decide(ctx, id, visit("tool")); errors.Is(err, subscription.ErrNotHeld) {
			one.Result = NotHeld
		} else if err != nil {
			return result, fmt.Errorf("decided %d of %d: %w", n, len(ids), err)
		}
		result.Decided = append(result.Decided, one)
	}
	return result, nil
}

// selectHolds returns the ids of the selected emails.
func (i *Installation) selectHolds(ctx context.Context, s HoldSelection) (ids []uuid.UUID, err error) {
	switch {
	case s.All == (len(s.IDs) > 0) || s.Reason != "" && !s.All:
		return nil, Wrong("name ids, or all with an optional reason")
	case len(s.IDs) > maxDecided:
		return nil, Wrong("%d ids are too many for one call, whose limit is %d", len(s.IDs), maxDecided)
	case !s.All:
		return parseIDs(s.IDs)
	}
	if s.Reason != "" {
		if err := CheckKnown("reason", s.Reason, append(admission.HoldReasons(), outbox.HoldBurst)); err != nil {
			return nil, err
		}
	}
	holds, err := i.store.ListHeld(ctx, maxListed)
	for _, h := range holds {
		if s.Reason == "" || slices.Contains(strings.Split(h.Reason, ","), s.Reason) {
			ids = append(ids, h.ID)
		}
	}
	return ids, err
}

// parseIDs parses the ids of a request.
func parseIDs(texts []string) ([]uuid.UUID, error) {
	var ids []uuid.UUID
	for _, text := range texts {
		id, err := uuid.Parse(text)
		if err != nil {
			return nil, Wrong("%q is not an id; a list has the ids", text)
		}
		ids = append(ids, id)
	}
	return ids, nil
}
