package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"newsletter/shared/alert"
	"newsletter/shared/notify"
	"newsletter/shared/telemetry"
)

const (
	// lostKey is where Redis remembers that the loss was told, for so long at most.
	lostKey      = "alert:{database}"
	lostLifetime = 7 * 24 * time.Hour
	// sayTimeout bounds the direct messages, which go to all channels at once.
	sayTimeout = 4 * time.Second
	// sayAgain is between two tries to tell a channel: less than between two pings, and more than telling takes, so that
	// nobody tells beside another.
	sayAgain = 30 * time.Second
)

// lostDatabase tells the owner that the database is lost, without the database: directly, once for each loss as far as
// Redis remembers it, or this environment where Redis is lost too; again while it lasts. A channel that does not take the
// message is told at the next ping. That it is over is queued as for every other alert.
type lostDatabase struct {
	redis  redis.UniversalClient // nil: only this environment remembers
	voices map[string]notify.Notifier
	remind time.Duration
	clear  time.Duration // for how long the database must have answered before the loss is over
	now    func() time.Time

	mu     sync.Mutex
	memory *loss
	ended  uuid.UUID // the last loss that is over, which a Redis that was lost meanwhile may still remember
}

// loss is a loss that was told.
type loss struct {
	ID       uuid.UUID `json:"id"`
	OpenedAt time.Time `json:"firing_since"`
	SeenAt   time.Time `json:"last_found_at"` // when it was found last
	// Round counts how often the owner was told, since RoundAt for the last time; Told are the channels that took that.
	Round   int       `json:"round"`
	RoundAt time.Time `json:"round_at"`
	Told    []string  `json:"told"`
	TriedAt time.Time `json:"tried_at"` // when somebody last tried to tell the others
	shared  bool      // Redis knows it
}

func (l loss) alert() alert.Alert {
	a := alert.Alert{
		ID: l.ID, Rule: alert.Database, Level: alert.Alarm, OpenedAt: l.OpenedAt, SeenAt: l.SeenAt,
		Summary: "PostgreSQL did not answer the health function, or took no writes.",
	}
	if l.Round > 1 {
		a.RemindedAt = &l.RoundAt
	}
	return a
}

// verdict is what came of a database that did not answer.
type verdict string

const (
	answers verdict = "answers" // it does after all
	told    verdict = "told"    // it is lost, and the owner was told by one channel at least, now or before
	unheard verdict = "unheard" // it is lost, and no channel takes the message
)

// tell asks the database once more, after a pause, and tells of the loss whoever has not heard of it yet.
func (d *lostDatabase) tell(ctx context.Context, wait time.Duration, ask func(context.Context) error) (verdict, error) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return unheard, ctx.Err()
	case <-timer.C:
	}
	if ask(ctx) == nil {
		return answers, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	l, to := d.claim(ctx)
	if l == nil { // another environment is telling it
		return told, nil
	}
	err := d.say(ctx, l, to)
	if len(l.Told) == 0 {
		return unheard, err
	}
	return told, err
}

// claim brings what is known of the loss up to date, and gives it with the channels that are to be told now: to one of
// several environments that ask at once. It is nil for the others.
func (d *lostDatabase) claim(ctx context.Context) (next *loss, to []string) {
	err := errNoRedis
	if d.redis != nil {
		err = d.redis.Watch(ctx, func(tx *redis.Tx) error {
			next, to = d.next(d.recall(tx.Get(ctx, lostKey)))
			text, err := json.Marshal(next)
			if err != nil {
				return err
			}
			_, err = tx.TxPipelined(ctx, func(p redis.Pipeliner) error { return p.Set(ctx, lostKey, text, lostLifetime).Err() })
			return err
		}, lostKey)
	}
	if errors.Is(err, redis.TxFailedErr) {
		return nil, nil
	}
	if next == nil { // Redis is lost
		next, to = d.next(d.memory)
	}
	if next.Round == 1 && next.OpenedAt.Equal(next.SeenAt) {
		telemetry.Add(ctx, telemetry.AlertsFired, 1, string(alert.Database))
	}
	next.shared = err == nil
	d.memory = next
	return next, to
}

// next returns what is known after the database was found lost once more, and the channels that are to be told of it now.
func (d *lostDatabase) next(known *loss) (*loss, []string) {
	now := d.clock()
	l := loss{ID: uuid.Must(uuid.NewV7()), OpenedAt: now}
	if known != nil {
		l = *known
	}
	l.SeenAt = now
	if l.Round == 0 || now.Sub(l.RoundAt) >= d.remind {
		l.Round, l.RoundAt, l.Told, l.TriedAt = l.Round+1, now, nil, time.Time{}
	}
	if now.Sub(l.TriedAt) < sayAgain {
		return &l, nil
	}
	var to []string
	for _, name := range slices.Sorted(maps.Keys(d.voices)) {
		if !slices.Contains(l.Told, name) {
			to = append(to, name)
		}
	}
	l.TriedAt = now
	return &l, to
}

// say tells several channels at once, and remembers which of them took it.
func (d *lostDatabase) say(ctx context.Context, l *loss, to []string) error {
	if len(to) == 0 {
		return nil
	}
	stage := alert.Reminded
	if l.Round == 1 {
		stage = alert.Opened
	}
	notice := notify.OfAlert(fmt.Sprintf("%s-%d", l.ID, l.Round), l.alert(), stage)
	within, cancel := context.WithTimeout(ctx, sayTimeout)
	defer cancel()
	failures := make([]error, len(to))
	var saying sync.WaitGroup
	for i, name := range to {
		saying.Go(func() { failures[i] = d.voices[name](within, notice) })
	}
	saying.Wait()
	var all error
	for i, name := range to {
		if failures[i] == nil {
			l.Told = append(l.Told, name)
		} else {
			all = errors.Join(all, fmt.Errorf("tell %s: %w", name, failures[i]))
		}
	}
	d.store(ctx, l)
	return all
}

// over records that a loss is over, and queues telling it, once the database has answered for long enough: what comes and
// goes is one loss. What was told stays known until that is committed.
func (d *lostDatabase) over(ctx context.Context, alerts *alert.Store) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	known := d.memory
	if d.redis != nil {
		known = d.recall(d.redis.Get(ctx, lostKey))
	}
	now := d.clock()
	if known == nil || now.Sub(known.SeenAt) < d.clear {
		return nil
	}
	ended := known.alert()
	ended.ClosedAt = &now
	if err := alerts.Record(ctx, ended); err != nil {
		return err
	}
	d.memory, d.ended = nil, known.ID
	if d.redis != nil {
		_ = d.redis.Del(ctx, lostKey).Err() // who finds it again records the same
	}
	return nil
}

// clock is as exact as the table of alerts is.
func (d *lostDatabase) clock() time.Time { return d.now().UTC().Truncate(time.Microsecond) }

// recall returns what Redis knows, or what only this environment knows because Redis was lost too.
func (d *lostDatabase) recall(answer *redis.StringCmd) *loss {
	text, err := answer.Bytes()
	if errors.Is(err, redis.Nil) && d.memory != nil && d.memory.shared {
		return nil // another environment has recorded that it is over
	}
	l := &loss{}
	if err != nil || json.Unmarshal(text, l) != nil {
		l = d.memory
	}
	if l != nil && l.ID == d.ended {
		return nil
	}
	return l
}

func (d *lostDatabase) store(ctx context.Context, l *loss) {
	if d.redis != nil {
		text, err := json.Marshal(l)
		l.shared = err == nil && d.redis.Set(ctx, lostKey, text, lostLifetime).Err() == nil
	}
	d.memory = l
}
