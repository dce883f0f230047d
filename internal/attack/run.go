package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"newsletter/internal/devstack"
	"newsletter/internal/testenv"
	"newsletter/shared/alert"
	"newsletter/shared/config"
	"newsletter/shared/redistls"
)

// side is how many requests are under way at once: as many as keep a small machine busy.
const side = 24

// run starts the system, attacks it, and counts.
func run(ctx context.Context, p plan, log io.Writer) (*report, error) {
	dir, err := os.MkdirTemp("", "newsletter-attack-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir+"/servers", 0o755); err != nil {
		return nil, err
	}
	servers, err := testenv.StartServersWith(ctx, dir+"/servers", nil)
	if err != nil {
		return nil, err
	}
	defer servers.Stop()
	db, err := servers.NewDatabase(ctx, "attack")
	if err != nil {
		return nil, err
	}
	root, err := devstack.Root(".")
	if err != nil {
		return nil, err
	}
	options := devstack.Options{Root: root, Dir: dir + "/stack", Log: io.Discard, Concurrency: 6}
	options.Database = &devstack.Database{AppURL: db.AppURL, AdminURL: db.AdminURL, CAFile: db.CAFile, AppPassword: db.AppPassword}
	var redis *testenv.PrivateRedis
	if servers.RedisAddr != "" {
		if redis, err = servers.NewRedis(); err != nil {
			return nil, err
		}
		defer redis.Stop()
		options.Redis = &devstack.Redis{URL: redis.URL, CAFile: redis.CAFile}
	}
	stack, err := devstack.Start(ctx, options)
	if err != nil {
		return nil, err
	}
	defer stack.Stop(context.WithoutCancel(ctx))
	a := &attack{plan: p, base: stack.BaseURL, redis: redis, log: log, random: rand.New(rand.NewPCG(p.seed, 1)), statuses: map[int]int{}}
	fmt.Fprintf(log, "seed %d: %d requests from %d networks at %d victims, %d people besides\n", p.seed, p.requests, p.networks, p.victims, p.people)
	began := time.Now()
	a.rush(ctx, stack)
	fmt.Fprintf(log, "it took %s\n", time.Since(began).Round(time.Second))
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("it took too long: %w", err)
	}
	return a.count(stack), nil
}

// attack is one attack on its way.
type attack struct {
	plan
	base   string
	redis  *testenv.PrivateRedis
	log    io.Writer
	random *rand.Rand

	mu        sync.Mutex
	statuses  map[int]int
	confirmed atomic.Int64
	told      atomic.Int64 // after so long; 0: not yet
}

func (a *attack) note(status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.statuses[status]++
}

// rush sends everything. After a third of the requests Redis is emptied, after two thirds it is lost.
func (a *attack) rush(ctx context.Context, stack *devstack.Stack) {
	visitors := make([]*visitor, a.networks)
	for i := range visitors {
		visitors[i] = newVisitor(a.base, fmt.Sprintf("127.%d.%d.%d", 10+i/200, i%200+1, 7))
	}
	var people, owner sync.WaitGroup
	owner.Go(func() { a.owner(ctx, stack) })
	for i := range a.people {
		wait := time.Duration(a.random.Int64N(int64(30 * time.Second)))
		people.Go(func() { a.person(ctx, stack, i, wait) })
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
		switch {
		case i == a.requests/3 && a.redis != nil:
			fmt.Fprintln(a.log, "Redis is emptied")
			a.empty(ctx)
		case i == 2*a.requests/3 && a.redis != nil:
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
	fmt.Fprintln(a.log, "the attack is over; people still read their mail")
	people.Wait()
	owner.Wait()
}

// owner looks into Slack until it says that somebody abuses the form.
func (a *attack) owner(ctx context.Context, stack *devstack.Stack) {
	began, title := time.Now(), alert.Alert{Rule: alert.Bombing}.Title(alert.Opened)
	ctx, cancel := context.WithTimeout(ctx, a.alert)
	defer cancel()
	for ctx.Err() == nil {
		for _, m := range stack.Doubles.Slack.Messages() {
			if m.Title == title {
				a.told.Store(int64(time.Since(began)))
				fmt.Fprintln(a.log, "the owner reads:", m.Title, "–", strings.ReplaceAll(m.Text, "\n", " "))
				return
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// empty takes everything out of Redis.
func (a *attack) empty(ctx context.Context) {
	client, err := redistls.Open(redistls.Config{URL: config.Seal(a.redis.URL), CAFile: a.redis.CAFile})
	if err == nil {
		err = client.FlushAll(ctx).Err()
	}
	if err != nil {
		fmt.Fprintln(a.log, "attack: empty Redis:", err)
	}
}

// patience is how long people look into their inbox.
const patience = 3 * time.Minute

// person signs up, waits for the mail and confirms, as people do.
func (a *attack) person(ctx context.Context, stack *devstack.Stack, i int, wait time.Duration) {
	select {
	case <-ctx.Done():
		return
	case <-time.After(wait):
	}
	v := newVisitor(a.base, fmt.Sprintf("127.%d.%d.%d", 200+i/200, i%200+1, 9))
	address := fmt.Sprintf("reader%d@home-%d.org", i, i)
	if i%2 == 0 {
		address = fmt.Sprintf("honest.reader%d@gmail.com", i)
	}
	a.note(v.post(ctx, subscribePath, fmt.Sprintf(`{"email":%q}`, address)))
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for ctx.Err() == nil {
		if link := confirmLink(stack, address); link != "" {
			status := v.post(ctx, link, "")
			a.note(status)
			if status == 200 {
				a.confirmed.Add(1)
			}
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}
