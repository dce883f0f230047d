package main

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/google/uuid"

	"newsletter/shared/postgres"
	"newsletter/shared/retention"
)

// tidy expires, reminds and deletes, and reserves timeToRecord. last is when the daily work was last done.
func (h *handler) tidy(ctx context.Context, last time.Time) (map[string]int64, error) {
	if deadline, found := ctx.Deadline(); found {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-timeToRecord))
		defer cancel()
	}
	counts := map[string]int64{}
	for {
		n, err := h.store.Expire(ctx, batchSize)
		if counts["expired"] += int64(n); err != nil {
			return counts, err
		}
		if n < batchSize {
			break
		}
	}
	if err := h.remind(ctx, counts); err != nil {
		return counts, err
	}
	if err := h.eraseLongUnsubscribed(ctx, counts); err != nil {
		return counts, err
	}
	if err := h.expireFields(ctx, counts); err != nil {
		return counts, err
	}
	deleted, err := retention.Run(ctx, h.db, h.keep, h.now())
	maps.Copy(counts, deleted)
	if err != nil {
		return counts, err
	}
	tombstones, err := h.sealer.WriteTombstones(ctx, last) // of identities that are deleted
	if tombstones > 0 {
		counts["tombstones"] = tombstones
	}
	return counts, err
}

// remind sends a reminder for unconfirmed sign-ups, if configured. A subscriber whose row is locked waits for the next
// run.
func (h *handler) remind(ctx context.Context, counts map[string]int64) error {
	if h.remindAfter == 0 {
		return nil
	}
	for last := uuid.Nil; ; {
		list, err := h.store.ListUnconfirmed(ctx, h.remindAfter, last, batchSize)
		if err != nil {
			return err
		}
		for _, f := range list {
			queued, err := h.store.Remind(ctx, f)
			if err != nil && !errors.Is(err, postgres.ErrBusy) {
				return err
			}
			if queued {
				counts["reminded"]++
			}
			last = f.SubscriberID
		}
		if len(list) < batchSize {
			return nil
		}
	}
}

// eraseLongUnsubscribed erases subscribers whose unsubscribe is older than the retention period.
func (h *handler) eraseLongUnsubscribed(ctx context.Context, counts map[string]int64) error {
	if h.keep.Unsubscribed == 0 {
		return nil
	}
	for {
		addresses, err := h.store.ListLongUnsubscribed(ctx, h.now().AddDate(0, 0, -h.keep.Unsubscribed), batchSize)
		if err != nil {
			return err
		}
		for _, address := range addresses {
			if _, err := h.eraser.EraseAddress(ctx, address); err != nil {
				return err
			}
			counts["long_gone"]++
		}
		if len(addresses) < batchSize {
			return nil
		}
	}
}

// expireFields deletes values of declared fields whose retention period is over.
func (h *handler) expireFields(ctx context.Context, counts map[string]int64) error {
	for more := true; more; {
		ended, again, err := h.store.ExpireFields(ctx, h.fields, batchSize)
		if ended > 0 {
			counts["fields"] += ended
		}
		if more = again; err != nil {
			return err
		}
	}
	return nil
}
