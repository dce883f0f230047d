package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Time for the system to settle after the last fault.
const (
	restTime    = 3 * time.Minute
	repeatTries = 3 // of a call with an unknown outcome: environments may still be affected
)

// settle ends all faults, repeats calls with an unknown outcome, and delivers what is pending.
func (r *run) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, restTime)
	defer cancel()
	r.system.Fakes.SES.Heal()
	r.system.Fakes.Loops.Heal()
	r.kill("deliver") // a lingering run would share rows with ours, whose leases are shortened below
	v := newVisitor(r.system.BaseURL, 50*200-1)
	for range repeatTries {
		open := r.recorder.unfinished()
		if len(open) > 0 {
			fmt.Fprintf(r.out, "%d calls have an unknown outcome and are repeated\n", len(open))
		}
		for _, a := range open {
			r.do(ctx, v, a)
		}
	}
	if err := r.emptyQueues(ctx); err != nil {
		return err
	}
	if err := r.drain(ctx); err != nil {
		return err
	}
	return r.emptyQueues(ctx) // of the events of what was delivered
}

// emptyQueues waits until all queued unsubscribes and events of emails are applied.
func (r *run) emptyQueues(ctx context.Context) error {
	for len(r.system.Fakes.SQS.Waiting())+len(r.system.Fakes.EmailEvents.Waiting()) > 0 {
		if !sleep(ctx, 200*time.Millisecond) {
			return fmt.Errorf("queued unsubscribes or events of emails are not applied: %w", ctx.Err())
		}
	}
	return nil
}

// drain delivers until nothing is pending or the time is up; the checks then report what is left. It shortens delays
// and leases, because nothing else delivers, and releases what is held. Days pass for what exceeds a budget.
func (r *run) drain(ctx context.Context) error {
	for before := 0; ctx.Err() == nil; {
		waiting := 0
		err := r.system.admin(ctx, func(conn *pgx.Conn) error {
			tag, err := conn.Exec(ctx, `update outbox set due_at = now(), state = 'ready', hold_reason = null where state in ('ready', 'held')`)
			waiting = int(tag.RowsAffected())
			return err
		})
		if err != nil || waiting == 0 {
			return err
		}
		fmt.Fprintf(r.out, "%d deliveries are pending\n", waiting)
		if waiting == before {
			r.passDay(ctx)
		}
		before = waiting
		r.deliver(ctx)
	}
	return nil
}
