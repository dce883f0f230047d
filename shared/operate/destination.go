package operate

import (
	"context"
	"regexp"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
)

// The commands on destinations.
var (
	DestinationList   = read("destination list", listDestinations)
	DestinationPause  = record("destination pause", pauseDestination)
	DestinationResume = record("destination resume", resumeDestination)
)

// Stops are the destinations that get nothing, and the email that the sending circuit breaker stops.
type Stops struct {
	Paused  []outbox.Pause   `json:"paused"`
	Stopped []outbox.Breaker `json:"stopped"`
}

func listDestinations(ctx context.Context, i *Installation, _ All) (Stops, error) {
	stops := Stops{[]outbox.Pause{}, []outbox.Breaker{}}
	pauses, err := i.queue.ListPauses(ctx)
	if err != nil {
		return stops, err
	}
	breakers, err := i.queue.ListBreakers(ctx)
	stops.Paused = append(stops.Paused, pauses...)
	stops.Stopped = append(stops.Stopped, slices.DeleteFunc(breakers, outbox.Breaker.Closed)...)
	return stops, err
}

// DestinationToPause names a destination and why it is paused.
type DestinationToPause struct {
	Destination string `json:"destination"`
	Reason      string `json:"reason"` // one word of up to 32 letters, digits, - or _
}

// PausedDestination is the result of a pause.
type PausedDestination struct {
	outbox.Pause
	Before bool `json:"before"` // it was paused already, and nothing changed
}

// reasonPattern excludes addresses, so that a reason cannot contain personal data.
var reasonPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

func pauseDestination(ctx context.Context, i *Installation, d DestinationToPause) (result PausedDestination, err error) {
	if err := i.checkDestination(ctx, d.Destination); err != nil {
		return result, err
	}
	if !reasonPattern.MatchString(d.Reason) {
		return result, Wrong("the reason must be one word of up to 32 letters, digits, - or _")
	}
	result.Pause = outbox.Pause{Destination: d.Destination, Reason: d.Reason, At: i.now()}
	paused, err := i.change(ctx, ledger.Event{Kind: ledger.Paused, Data: ledger.Data{Outcome: "done", Purpose: d.Destination}},
		func(b *pgx.Batch, done func(int64)) {
			outbox.PauseDestination(b, d.Destination, d.Reason, i.now(), done)
		})
	if err != nil || paused > 0 {
		return result, err
	}
	pauses, err := i.queue.ListPauses(ctx)
	for _, p := range pauses {
		if p.Destination == d.Destination {
			return PausedDestination{p, true}, nil
		}
	}
	if err == nil {
		err = Failed("%s is not paused: another command has resumed it", d.Destination)
	}
	return result, err
}

// DestinationName names a destination.
type DestinationName struct {
	Destination string `json:"destination"`
}

// Resumed is the result of a resumption.
type Resumed struct {
	At time.Time `json:"at"`
}

// resumeDestination refuses a destination that is neither paused nor stopped: the operator may have meant another one.
func resumeDestination(ctx context.Context, i *Installation, d DestinationName) (Resumed, error) {
	if err := i.checkDestination(ctx, d.Destination); err != nil {
		return Resumed{}, err
	}
	now := i.now()
	resumed, err := i.change(ctx, ledger.Event{Kind: ledger.Resumed, Data: ledger.Data{Outcome: "done", Purpose: d.Destination}},
		func(b *pgx.Batch, done func(int64)) { outbox.ResumeDestination(b, d.Destination, now, done) })
	if err == nil && resumed == 0 {
		err = Failed("%s was neither paused nor stopped; nothing changed", d.Destination)
	}
	return Resumed{now}, err
}

// checkDestination refuses what cannot be paused: it is none of the destinations of this version, none of the owner's
// endpoints that are configured or that the outbox has rows for, and not paused.
func (i *Installation) checkDestination(ctx context.Context, name string) error {
	known := append(outbox.Destinations(), i.endpoints...)
	kinds, err := i.queue.ListKinds(ctx)
	if err != nil {
		return err
	}
	for _, kind := range kinds {
		if recipient := kind.Recipient(); recipient != "" {
			known = append(known, recipient)
		}
	}
	pauses, err := i.queue.ListPauses(ctx)
	if err != nil {
		return err
	}
	for _, p := range pauses {
		known = append(known, p.Destination)
	}
	return CheckKnown("destination", name, known)
}
