package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"newsletter/shared/alert"
	"newsletter/shared/messenger"
	"newsletter/shared/telemetry"
)

const (
	// lostKey is where Redis remembers that the loss was told, for so long at most.
	lostKey      = "alert:{database}"
	lostLifetime = 7 * 24 * time.Hour
	// sayTimeout bounds the direct messages, which go to all channels at once.
	sayTimeout = 4 * time.Second
)

// lostDatabase tells the owner that the database is lost, without the database: directly, once for each loss as far as
// Redis remembers it, or this environment where Redis is lost too; again while it lasts, and when it is over.
type lostDatabase struct {
	redis  redis.UniversalClient // nil: only this environment remembers
	voices map[string]messenger.Voice
	remind time.Duration
	now    func() time.Time

	mu     sync.Mutex
	memory *loss
}

// loss is a loss that was told.
type loss struct {
	ID       uuid.UUID `json:"id"`
	OpenedAt time.Time `json:"opened_at"`
	ToldAt   time.Time `json:"told_at"`
	Times    int       `json:"times"` // how often
	shared   bool      // Redis knows it
}

func (l loss) alert() alert.Alert {
	a := alert.Alert{
		ID: l.ID, Rule: alert.Database, Level: alert.Alarm, OpenedAt: l.OpenedAt, SeenAt: l.ToldAt,
		Summary: "PostgreSQL did not answer the health function.",
	}
	if l.Times > 1 {
		a.RemindedAt = &l.ToldAt
	}
	return a
}

// tell tells of the loss, unless it was told lately.
func (d *lostDatabase) tell(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.claim(ctx)
	if l == nil {
		return nil
	}
	stage := alert.Reminded
	if l.Times == 1 {
		stage = alert.Opened
		telemetry.Add(ctx, telemetry.AlertsOpened, 1, string(alert.Database))
	}
	return d.say(ctx, l.alert(), stage, l.Times)
}

// claim gives the loss that is to be told now, and remembers that it is: of several environments that ask at once, one
// gets it. nil if it was told lately.
func (d *lostDatabase) claim(ctx context.Context) *loss {
	var next *loss
	err := errNoRedis
	if d.redis != nil {
		err = d.redis.Watch(ctx, func(tx *redis.Tx) error {
			if next = d.next(d.recall(tx.Get(ctx, lostKey))); next == nil {
				return nil
			}
			text, err := json.Marshal(next)
			if err != nil {
				return err
			}
			_, err = tx.TxPipelined(ctx, func(p redis.Pipeliner) error { return p.Set(ctx, lostKey, text, lostLifetime).Err() })
			return err
		}, lostKey)
	}
	switch {
	case errors.Is(err, redis.TxFailedErr): // another environment tells it
		return nil
	case err != nil && next == nil:
		next = d.next(d.memory)
	}
	if next != nil {
		next.shared = err == nil
		d.memory = next
	}
	return next
}

// next is what is to be told after what is known; nil if that was told lately.
func (d *lostDatabase) next(known *loss) *loss {
	now := d.clock()
	switch {
	case known == nil:
		return &loss{ID: uuid.Must(uuid.NewV7()), OpenedAt: now, ToldAt: now, Times: 1}
	case now.Sub(known.ToldAt) < d.remind:
		return nil
	}
	return &loss{ID: known.ID, OpenedAt: known.OpenedAt, ToldAt: now, Times: known.Times + 1}
}

// over tells that a loss is over, if one was told, and records it.
func (d *lostDatabase) over(ctx context.Context, alerts *alert.Store) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	known := d.forget(ctx)
	if known == nil {
		return nil
	}
	ended := known.alert()
	now := d.clock()
	ended.SeenAt, ended.ClosedAt = now, &now
	return errors.Join(d.say(ctx, ended, alert.Closed, known.Times+1), alerts.Record(ctx, ended))
}

// clock is as exact as the table is.
func (d *lostDatabase) clock() time.Time { return d.now().UTC().Truncate(time.Microsecond) }

// say tells all channels at once.
func (d *lostDatabase) say(ctx context.Context, a alert.Alert, stage alert.Stage, times int) error {
	ctx, cancel := context.WithTimeout(ctx, sayTimeout)
	defer cancel()
	notice := messenger.Notice{ID: fmt.Sprintf("%s-%d", a.ID, times), Alert: a, Stage: stage}
	failures := make(chan error, len(d.voices))
	for name, voice := range d.voices {
		go func() {
			if err := voice(ctx, notice); err != nil {
				failures <- fmt.Errorf("tell %s: %w", name, err)
				return
			}
			failures <- nil
		}()
	}
	var all error
	for range d.voices {
		all = errors.Join(all, <-failures)
	}
	return all
}

// forget gives the loss that was told, to one of all who ask.
func (d *lostDatabase) forget(ctx context.Context) *loss {
	if d.redis == nil {
		defer func() { d.memory = nil }()
		return d.memory
	}
	known := d.recall(d.redis.GetDel(ctx, lostKey))
	d.memory = nil
	return known
}

// recall gives what Redis knows, or what only this environment knows because Redis was lost too.
func (d *lostDatabase) recall(answer *redis.StringCmd) *loss {
	text, err := answer.Bytes()
	if errors.Is(err, redis.Nil) && d.memory != nil && d.memory.shared {
		return nil // another environment has told that it is over
	}
	var l loss
	if err != nil || json.Unmarshal(text, &l) != nil {
		return d.memory
	}
	return &l
}
