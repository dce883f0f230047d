package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"newsletter/shared/alert"
	"newsletter/shared/notify"
)

const (
	// notifyTimeout bounds the notifications, which are sent to all destinations concurrently.
	notifyTimeout = 4 * time.Second
	// attemptInterval is between two attempts to send a notification: less than between two runs, and more than
	// notifyTimeout, so that environments do not send it twice.
	attemptInterval = 30 * time.Second
)

// lostDatabase notifies the owner of the loss of the database without the database. The notification that it is
// resolved is an outbox message as for every alert.
type lostDatabase struct {
	store        *alert.RedisStore
	destinations map[string]notify.Notifier
}

// databaseState is the state of a database after a failed write.
type databaseState string

const (
	available  databaseState = "available"  // the second write succeeded
	notified   databaseState = "notified"   // it is lost, and one destination at least accepted the notification
	unnotified databaseState = "unnotified" // it is lost, and no destination accepts the notification
)

// notify writes to the database once more after a pause, and notifies the owner if that fails too.
func (d *lostDatabase) notify(ctx context.Context, pause time.Duration, write func(context.Context) error) (databaseState, error) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return unnotified, ctx.Err()
	case <-timer.C:
	}
	if write(ctx) == nil {
		return available, nil
	}
	transitions, err := d.store.Evaluate(ctx, alert.Finding{
		Rule: alert.Database, Severity: alert.Critical, Summary: "PostgreSQL did not answer the health function, or took no writes.",
	})
	if err != nil {
		return unnotified, err
	}
	logFired(ctx, transitions)
	notifications, err := d.store.Claim(ctx, attemptInterval)
	state := notified
	for _, n := range notifications {
		delivered, failed := d.send(ctx, n)
		err = errors.Join(err, failed)
		if len(n.DeliveredTo)+len(delivered) == 0 {
			state = unnotified
		}
		if len(delivered) > 0 {
			err = errors.Join(err, d.store.Delivered(ctx, n.ID, delivered))
		}
	}
	return state, err
}

// send sends a notification concurrently to the destinations that did not accept it yet, and returns those that do.
func (d *lostDatabase) send(ctx context.Context, n alert.Notification) (delivered []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, notifyTimeout)
	defer cancel()
	var mu sync.Mutex
	var sending sync.WaitGroup
	for _, name := range slices.Sorted(maps.Keys(d.destinations)) {
		if slices.Contains(n.DeliveredTo, name) {
			continue
		}
		sending.Go(func() {
			failed := d.destinations[name](ctx, notify.OfAlert(n.ID.String(), n.Alert, n.Stage))
			mu.Lock()
			defer mu.Unlock()
			if failed != nil {
				err = errors.Join(err, fmt.Errorf("notify %s: %w", name, failed))
				return
			}
			delivered = append(delivered, name)
		})
	}
	sending.Wait()
	return delivered, err
}

// resolve resolves the alert once the database has answered for long enough.
func (d *lostDatabase) resolve(ctx context.Context) error {
	_, err := d.store.Evaluate(ctx)
	return err
}
