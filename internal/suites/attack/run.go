package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/internal/fixtures/testenv"
	"newsletter/internal/local/devstack"
	"newsletter/internal/suites/fullstack"
	"newsletter/shared/config"
	"newsletter/shared/redistls"
)

// side is the number of concurrent requests, enough to keep a small machine busy.
const side = 24

// run starts the system, attacks it, and counts.
func run(ctx context.Context, p plan, log io.Writer) (*fullstack.Report, error) {
	stack, err := fullstack.Start(ctx, "attack", 6)
	if err != nil {
		return nil, err
	}
	defer stack.Stop()

	a := &attack{
		plan: p, base: stack.BaseURL, stack: stack.Stack, db: stack.Admin, redis: stack.Redis, log: log, random: rand.New(rand.NewPCG(p.seed, 1)),
		statuses: map[int]int{},
	}
	fmt.Fprintf(log, "seed %d: %d requests from %d networks at %d victims, %d people besides\n", p.seed, p.requests, p.networks, p.victims, p.people)
	if err := a.rush(ctx); err != nil {
		return nil, err
	}
	return a.count(ctx)
}

// attack is an attack in progress.
type attack struct {
	plan
	base   string
	stack  *devstack.Stack
	db     *pgx.Conn
	redis  *testenv.PrivateRedis
	log    io.Writer
	random *rand.Rand
	focus  focus

	mu        sync.Mutex
	statuses  map[int]int
	confirmed atomic.Int64
	notified  atomic.Int64 // time until the notification in nanoseconds; 0: none yet
}

func (a *attack) note(status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.statuses[status]++
}

// rush sends everything. Redis is emptied after a third of the requests and lost after two thirds.
func (a *attack) rush(ctx context.Context) error {
	began := time.Now()
	if err := a.subscribeVictims(ctx); err != nil {
		return err
	}
	visitors := make([]*visitor, a.networks)
	for i := range visitors {
		visitors[i] = newVisitor(a.base, fmt.Sprintf("127.%d.%d.%d", 10+i/200, i%200+1, 7), robotAgent)
	}
	var people, owner sync.WaitGroup
	owner.Go(func() { a.owner(ctx) })
	for i := range a.people {
		wait := time.Duration(a.random.Int64N(int64(30 * time.Second)))
		people.Go(func() { a.person(ctx, i, wait) })
	}
	work := make(chan shot)
	var attackers sync.WaitGroup
	for range side {
		attackers.Go(func() {
			for s := range work {
				a.note(visitors[s.network].post(ctx, s.path, s.body))
			}
		})
	}
	for i := range a.requests {
		switch i {
		case a.requests / 3:
			fmt.Fprintln(a.log, "Redis is emptied")
			a.empty(ctx)
		case 2 * a.requests / 3:
			fmt.Fprintln(a.log, "Redis is lost")
			a.redis.Stop()
		}
		if ctx.Err() != nil {
			break
		}
		work <- a.shot()
	}
	close(work)
	attackers.Wait()
	fmt.Fprintln(a.log, "the attack is over; people still read their email")
	people.Wait()
	owner.Wait()
	a.explain(ctx)
	fmt.Fprintln(a.log, "sending the last emails")
	err := a.drain(ctx)
	fmt.Fprintf(a.log, "it took %s\n", time.Since(began).Round(time.Second))
	return err
}

// peopleSQL counts the emails to the people by what became of them.
const peopleSQL = `
select count(*) || ' ' || concat_ws(' ', o.kind, o.state, o.outcome, o.hold_reason, o.waits_for)
from outbox o join event_context c using (event_id)
where c.ip <<= '127.200.0.0/16' and o.kind in ('none', 'email.confirm') group by o.kind, o.state, o.outcome, o.hold_reason, o.waits_for`

// explain prints what became of the emails to the people.
func (a *attack) explain(ctx context.Context) {
	rows, err := a.db.Query(ctx, peopleSQL)
	if err == nil {
		var emails []string
		emails, err = pgx.CollectRows(rows, pgx.RowTo[string])
		fmt.Fprintf(a.log, "their emails: %s\n", strings.Join(emails, ", "))
	}
	if err != nil {
		fmt.Fprintln(a.log, "their emails:", err)
	}
}

// minuteSQL lets the minute pass in which emails left, so that the rate of email does not delay the next ones.
const minuteSQL = `
update outbox set finished_at = finished_at - interval '1 minute' where state = 'done' and finished_at > now() - interval '1 minute'`

// drain waits until all email is sent that is neither held nor waits for a slot or its mailbox's budget, for hours. The
// minutes pass in the database.
func (a *attack) drain(ctx context.Context) error {
	for {
		if _, err := a.db.Exec(ctx, minuteSQL); err != nil {
			return fmt.Errorf("timed out, or the database is unavailable: %w", err)
		}
		var left int
		err := a.db.QueryRow(ctx, `select count(*) from outbox where state = 'ready' and kind like 'email.%' and due_at < now() + interval '2 minutes'`).Scan(&left)
		if err != nil {
			return fmt.Errorf("timed out, or the database is unavailable: %w", err)
		}
		if left == 0 {
			return nil
		}
		pause(ctx, time.Second)
	}
}

// pause waits, or returns early if the attack is over.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// empty removes everything from Redis.
func (a *attack) empty(ctx context.Context) {
	client, err := redistls.New(redistls.Config{URL: config.Seal(a.redis.URL), CAFile: a.redis.CAFile})
	if err == nil {
		err = client.FlushAll(ctx).Err()
	}
	if err != nil {
		fmt.Fprintln(a.log, "attack: empty Redis:", err)
	}
}
