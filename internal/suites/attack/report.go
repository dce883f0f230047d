package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/internal/local/devstack"
	"newsletter/internal/suites/fullstack"
	"newsletter/shared/subscription"
)

// limit is a mailbox budget for one kind of email: the number per day and the minimum interval.
type limit struct {
	aDay  int
	apart time.Duration
}

// caps are the budgets by purpose. A link to a copy and one to an erasure have the same purpose.
var caps = map[string]limit{"confirm": {3, 15 * time.Minute}, "already_subscribed": {aDay: 1}, "unsubscribe_link": {aDay: 2}, "privacy": {aDay: 2}}

// purpose returns the purpose of an email by its kind in the outbox.
func purpose(kind string) string {
	name := strings.TrimPrefix(kind, "email.")
	if strings.HasPrefix(name, "privacy_") {
		return "privacy"
	}
	return name
}

// least is the percentage of people who must have the newsletter.
const least = 90

// count compares what each mailbox received with its budgets.
func (a *attack) count(ctx context.Context) (*fullstack.Report, error) {
	kinds, err := a.kinds(ctx)
	if err != nil {
		return nil, err
	}
	held, err := a.held(ctx)
	if err != nil {
		return nil, err
	}
	r := a.judge(a.stack.Fakes, kinds, held)
	if err := a.stack.Validate(ctx); err != nil {
		r.Add("%v", err)
	}
	return r, nil
}

// judge compares as count does, without the database. kinds are those of the outbox's rows, by id.
func (a *attack) judge(fakes *devstack.Fakes, kinds map[string]string, held string) *fullstack.Report {
	r := &fullstack.Report{}
	t := tally(fakes.SES.Emails(), a.mailboxes(), kinds, r)
	for status, n := range a.statuses {
		if status >= 500 || status == 0 {
			r.Add("%d answers with status %d", n, status)
		}
	}
	if a.statuses[429] == 0 {
		r.Add("the limiter refused no requests, not even of the loud networks")
	}
	share := 100.0
	if a.people > 0 {
		share = 100 * float64(a.confirmed.Load()) / float64(a.people)
	}
	if share < least {
		r.Add("%.0f %% of the people who wanted the newsletter have it, at least %d %% should", share, least)
	}
	notified := "not checked"
	switch took := time.Duration(a.notified.Load()); {
	case took > 0:
		notified = "after " + took.Round(time.Second).String()
	case a.alert > 0:
		notified = "never"
		r.Add("the owner was not notified within %s", a.alert)
	}
	for _, problem := range slices.Concat(fakes.SES.Problems(), fakes.Sentry.Problems(), fakes.Slack.Problems(), fakes.Errors.Problems()) {
		r.Add("a service would refuse: %s", problem)
	}
	r.Text = fmt.Sprintf("attack: seed %d; answers %v; %d emails to %d of %d victims, at most %v each; held: %s; %d of %d people confirmed (%.0f %%); owner notified %s; %d problems",
		a.seed, a.statuses, t.emails, t.victims, a.victims, t.most, held, a.confirmed.Load(), a.people, share, notified, len(r.Problems))
	return r
}

// totals are what victims received.
type totals struct {
	emails, victims int
	most            map[string]int // maximum per mailbox, by purpose
}

// tally counts the emails to victims by mailbox and purpose, and reports those that exceed a budget or come too early.
func tally(emails []devstack.Email, mailboxes map[string]bool, kinds map[string]string, r *fullstack.Report) totals {
	t := totals{most: map[string]int{}}
	type key struct{ mailbox, purpose string }
	got, victims := map[key][]time.Time{}, map[string]bool{}
	for _, m := range emails {
		address, err := subscription.ParseAddress(m.To)
		if err != nil || !mailboxes[address.MailboxKey] {
			continue
		}
		t.emails++
		victims[address.MailboxKey] = true
		k := key{address.MailboxKey, purpose(kinds[m.Tags["delivery"]])}
		got[k] = append(got[k], m.At)
	}
	t.victims = len(victims)
	for _, k := range slices.SortedFunc(maps.Keys(got), func(a, b key) int { return strings.Compare(a.mailbox+a.purpose, b.mailbox+b.purpose) }) {
		times, may := got[k], caps[k.purpose]
		slices.SortFunc(times, time.Time.Compare)
		t.most[k.purpose] = max(t.most[k.purpose], len(times))
		if len(times) > may.aDay {
			r.Add("a mailbox received %d emails of %q, %d are allowed", len(times), k.purpose, may.aDay)
		}
		for i := 1; i < len(times); i++ {
			if gap := times[i].Sub(times[i-1]); gap < may.apart {
				r.Add("a mailbox received emails of %q %s apart, %s is allowed", k.purpose, gap.Round(time.Second), may.apart)
			}
		}
	}
	return t
}

// kinds returns the kinds of all emails in the outbox, by id.
func (a *attack) kinds(ctx context.Context) (map[string]string, error) {
	rows, err := a.db.Query(ctx, `select id::text, kind from outbox where kind like 'email.%'`)
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	var id, kind string
	_, err = pgx.ForEachRow(rows, []any{&id, &kind}, func() error {
		all[id] = kind
		return nil
	})
	return all, err
}

// held counts the emails that wait for the owner, by reason.
func (a *attack) held(ctx context.Context) (string, error) {
	rows, err := a.db.Query(ctx, `select hold_reason || ' ' || count(*) from outbox where state = 'held' group by hold_reason order by 1`)
	if err != nil {
		return "", err
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if len(all) == 0 {
		return "none", err
	}
	return strings.Join(all, ", "), err
}
