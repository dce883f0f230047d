package faults

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Time for the system to come to rest once nothing is broken any more.
const (
	restTime    = 3 * time.Minute
	repeatTries = 3 // of a call whose end was not known: environments may still hold what broke
)

// settle mends everything, repeats what nobody knows the end of, and delivers what waits.
func (r *run) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, restTime)
	defer cancel()
	r.system.Fakes.SES.Heal()
	r.system.Fakes.Loops.Heal()
	r.kill("deliver") // a run that lingers would share rows with ours, whose leases are cut short below
	v := newVisitor(r.system.BaseURL, 50*200-1)
	for range repeatTries {
		open := r.recorder.unfinished()
		if len(open) > 0 {
			fmt.Fprintf(r.out, "%d calls have no known end and are repeated\n", len(open))
		}
		for _, a := range open {
			r.do(ctx, v, a)
		}
	}
	for len(r.system.Fakes.SQS.Waiting()) > 0 {
		if !sleep(ctx, 200*time.Millisecond) {
			return fmt.Errorf("unsubscriptions are parked for ever: %w", ctx.Err())
		}
	}
	return r.drain(ctx)
}

// drain delivers until nothing waits, or the time is up: then the checks say what is left. Pauses and leases are cut
// short: nobody else delivers. What the caps make wait gets its day.
func (r *run) drain(ctx context.Context) error {
	for before := 0; ctx.Err() == nil; {
		waiting := 0
		err := r.system.admin(ctx, func(conn *pgx.Conn) error {
			tag, err := conn.Exec(ctx, `update outbox set due_at = now() where state = 'ready'`)
			waiting = int(tag.RowsAffected())
			return err
		})
		if err != nil || waiting == 0 {
			return err
		}
		fmt.Fprintf(r.out, "%d deliveries wait\n", waiting)
		if waiting == before {
			r.passDay(ctx)
		}
		before = waiting
		r.deliver(ctx)
	}
	return nil
}
