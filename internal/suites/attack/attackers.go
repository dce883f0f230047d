package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"newsletter/internal/suites/fullstack"
	"newsletter/shared/httpapi"
)

const (
	// mostADay and mostAMonth are the most emails that a mailbox without a confirmation gets: README promises that.
	mostADay, mostAMonth = 3, 7
	// The neighbor's guesses are right as often as a coin's: within this many standard deviations of half of them, which
	// is 80 to 120 times of 200.
	deviations = 2.83

	// For busyHours, the attackers and everybody else act once an hour, later once in quietStep.
	busyHours = 72
	quietStep = 12 * time.Hour
)

// campaign is a month with the bomber, the alias owner and the saboteur, and with people who want the newsletter.
type campaign struct {
	*stage
	random *rand.Rand

	bombed  map[string]string // spelling to mailbox, of all targets
	asked   map[string]time.Duration
	delays  []time.Duration // of the emails to proven mailboxes
	natural map[string]time.Duration
	joined  int
	proven  []string
	wanted  time.Duration // when the victim signed up; 0: not yet
	arrived time.Duration // when the victim's own confirmation email arrived; 0: not yet
}

const (
	victim = "victoria.rossi@company.org"
	target = "johndoe" // at Proton, in many spellings
)

// runAttackers runs the neighbor's rounds, then the month of the other attackers, and judges.
func runAttackers(ctx context.Context, rounds, days int, seed uint64, log io.Writer) (*fullstack.Report, error) {
	s, err := newStage(ctx)
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	c := &campaign{
		stage: s, random: rand.New(rand.NewPCG(seed, 2)), bombed: map[string]string{victim: "the victim"},
		asked: map[string]time.Duration{}, natural: map[string]time.Duration{},
	}
	hits, tells, err := s.neighborRounds(ctx, rounds, c.random, log)
	if err != nil {
		return nil, err
	}
	if err := c.month(ctx, days, log); err != nil {
		return nil, err
	}
	r := c.judgeMonth(hits, rounds)
	r.Problems = append(r.Problems, tells...)
	return r, nil
}

// month passes, first hour by hour.
func (c *campaign) month(ctx context.Context, days int, log io.Writer) error {
	for i := range 6 {
		domain := "company.org"
		if i%2 == 1 {
			domain = fmt.Sprintf("friends-%d.org", i)
		}
		c.proven = append(c.proven, fmt.Sprintf("paula%d.kim@%s", i, domain))
	}
	for _, p := range c.proven {
		c.send(ctx, subscribe(p))
	}
	if err := c.settle(ctx); err != nil {
		return err
	}
	for _, p := range c.proven {
		if !c.confirm(ctx, p) {
			return fmt.Errorf("%s could not subscribe", p)
		}
	}
	if err := c.pass(ctx, 49*time.Hour); err != nil {
		return err
	}
	began := c.passed
	for hour := 0; c.passed-began < time.Duration(days)*24*time.Hour; hour++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		busy := hour < busyHours
		c.bomber(ctx)
		c.aliasOwner(ctx, hour)
		c.saboteur(ctx, hour)
		if busy {
			c.everybodyElse(ctx, hour)
		}
		if err := c.read(ctx); err != nil {
			return err
		}
		step := quietStep
		if busy {
			step = time.Hour
		}
		if hour%24 == 0 {
			fmt.Fprintf(log, "hour %d: %d emails, %d waiting for the circuit breaker\n", int((c.passed - began).Hours()), len(c.inbox), c.waiting(ctx))
		}
		if err := c.pass(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

func (c *campaign) waiting(ctx context.Context) (n int) {
	_ = c.Admin.QueryRow(ctx, `select count(*) from outbox where state = 'ready' and waits_for = 'breaker'`).Scan(&n)
	return n
}

// bomber sends to the mailbox of the victim over every route, from new networks.
func (c *campaign) bomber(ctx context.Context) {
	spellings := []string{victim, strings.ToUpper(victim), "victoria.rossi+" + fmt.Sprint(c.random.IntN(1000)) + "@company.org"}
	for _, s := range spellings {
		c.bombed[s] = "the victim"
		c.send(ctx, subscribe(s), linkTo(httpapi.UnsubscribePath, s, ""), linkTo(httpapi.PrivacyPath, s, "export"), linkTo(httpapi.PrivacyPath, s, "erase"))
	}
}

// aliasOwner sends sign-ups to one mailbox through its provider's many spellings.
func (c *campaign) aliasOwner(ctx context.Context, hour int) {
	for i := range 6 {
		n := 6*hour + i
		local := ""
		for at, letter := range target {
			if at > 0 && n>>(at-1)&1 == 1 {
				local += []string{".", "-", "_"}[n%3]
			}
			local += string(letter)
		}
		address := fmt.Sprintf("%s@%s", local, []string{"proton.me", "protonmail.com", "pm.me"}[n%3])
		c.bombed[address] = "the alias owner's"
		c.send(ctx, subscribe(address))
	}
}

// saboteur makes email bounce and complains: from one network; with invented addresses of the victim's company; and,
// once a day, from many networks.
func (c *campaign) saboteur(ctx context.Context, hour int) {
	var all []request
	for i := range 12 {
		r := subscribe(fmt.Sprintf("bounce@nosuch-%d-%d.org", hour, i))
		r.network = 700
		all = append(all, r)
	}
	for i := range 6 {
		r := subscribe(fmt.Sprintf("complaint%d@mine-%d-%d.org", i, hour, i))
		r.network = 701
		all = append(all, r, subscribe(fmt.Sprintf("bounce-%d-%d@company.org", hour, i)))
	}
	if hour%24 == 6 {
		for i := range 40 {
			all = append(all, subscribe(fmt.Sprintf("bounce@nowhere-%d-%d.org", hour, i)))
		}
	}
	c.send(ctx, all...)
}

// everybodyElse signs up the victim and others, and requests links and repeated sign-ups for subscribers.
func (c *campaign) everybodyElse(ctx context.Context, hour int) {
	if hour == 12 {
		c.wanted = c.passed
		c.send(ctx, subscribe(victim))
	}
	address := fmt.Sprintf("%s.%s%d@home-%d.org", given[hour%len(given)], family[hour%len(family)], hour, hour)
	c.natural[address] = c.passed
	c.send(ctx, subscribe(address))
	if hour%4 == 0 {
		p := c.proven[hour/4%len(c.proven)]
		r := []request{linkTo(httpapi.PrivacyPath, p, "export"), linkTo(httpapi.UnsubscribePath, p, ""), subscribe(p)}[hour/24%3]
		if hour/24%3 == 2 && strings.HasSuffix(p, "@company.org") { // the attackers use up its slots, for which sign-ups wait
			r = linkTo(httpapi.PrivacyPath, p, "export")
		}
		c.asked[p] = c.passed
		c.send(ctx, r)
	}
}

// read delivers, and lets everybody read their email.
func (c *campaign) read(ctx context.Context) error {
	if err := c.deliver(ctx); err != nil {
		return err
	}
	for p, at := range c.asked {
		if letters := c.received(p, at); len(letters) > 0 {
			c.delays = append(c.delays, letters[0].at-at)
			delete(c.asked, p)
		}
	}
	for address := range c.natural {
		if len(c.received(address, 0)) > 0 && c.confirm(ctx, address) {
			c.joined++
			delete(c.natural, address)
		}
	}
	for _, l := range c.received(victim, c.wanted) {
		if c.wanted > 0 && c.arrived == 0 && l.kind == "email.confirm" {
			c.arrived = l.at
		}
	}
	return nil
}

// most returns the most emails that one of the attacked mailboxes received within a window.
func (c *campaign) most(window time.Duration) (most int, of string) {
	times := map[string][]time.Duration{}
	for _, l := range c.inbox {
		if mailbox := c.bombed[l.to]; mailbox != "" {
			times[mailbox] = append(times[mailbox], l.at)
		}
	}
	for _, mailbox := range slices.Sorted(maps.Keys(times)) {
		first := 0
		for i, at := range times[mailbox] {
			for times[mailbox][first] <= at-window {
				first++
			}
			if n := i - first + 1; n > most {
				most, of = n, mailbox
			}
		}
	}
	return most, of
}

// judgeMonth compares what happened with what is promised.
func (c *campaign) judgeMonth(hits, rounds int) *fullstack.Report {
	r := &fullstack.Report{}
	day, dayOf := c.most(24 * time.Hour)
	month, monthOf := c.most(30 * 24 * time.Hour)
	if day > mostADay || month > mostAMonth {
		r.Add("a mailbox received %d emails in a day (%s) and %d in 30 days (%s); at most %d and %d are allowed", day, dayOf, month, monthOf, mostADay, mostAMonth)
	}
	if math.Abs(float64(2*hits-rounds)) > deviations*math.Sqrt(float64(rounds)) {
		r.Add("the neighbor was right %d of %d times", hits, rounds)
	}
	var stopped time.Duration
	for _, d := range c.delays {
		stopped = max(stopped, d)
	}
	if stopped > 0 || len(c.asked) > 0 {
		r.Add("email to proven mailboxes waited for up to %v, and %d of %d never came", stopped, len(c.asked), len(c.asked)+len(c.delays))
	}
	people := c.joined + len(c.natural)
	if 100*c.joined < least*people {
		r.Add("%d of %d people who signed up are confirmed", c.joined, people)
	}
	own := "never"
	if c.arrived > 0 {
		own = fmt.Sprintf("after %.0f hours", (c.arrived - c.wanted).Hours())
	}
	for status, n := range c.statuses {
		if status >= 500 || status == 0 {
			r.Add("%d answers with status %d", n, status)
		}
	}
	r.Text = fmt.Sprintf(`emails to one mailbox: at most %d a day, %d a month
neighbor: right %d of %d times
email to proven mailboxes: stopped for %.0f minutes (%d emails)
the victim's own confirmation email: %s
natural sign-ups: %d of %d confirmed`, day, month, hits, rounds, stopped.Minutes(), len(c.delays), own, c.joined, people)
	return r
}
