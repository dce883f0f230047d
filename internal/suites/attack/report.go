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

// What the mailbox budget counts together.
const signUps, rights = "sign-up", "rights"

// limits are the emails a day to an unconfirmed mailbox, and to a confirmed one (docs/adr/0035).
var limits = map[bool]map[string]int{false: {signUps: 2, rights: 1}, true: {signUps: 3, rights: 3}}

// purpose returns what the mailbox budget counts an email as, by its kind in the outbox.
func purpose(kind string) string {
	switch name := strings.TrimPrefix(kind, "email."); name {
	case "confirm", "reminder", "already_subscribed":
		return signUps
	case "unsubscribe_link", "privacy_export", "privacy_erase":
		return rights
	default:
		return name
	}
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

// tally counts the emails to victims by mailbox and purpose, and reports those that exceed a budget. mailboxes are those of
// the victims, true if they are subscribed.
func tally(emails []devstack.Email, mailboxes map[string]bool, kinds map[string]string, r *fullstack.Report) totals {
	t := totals{most: map[string]int{}}
	type key struct{ mailbox, purpose string }
	got, victims := map[key]int{}, map[string]bool{}
	for _, m := range emails {
		address, err := subscription.ParseAddress(m.To)
		if err != nil {
			continue
		}
		if _, attacked := mailboxes[address.MailboxKey]; !attacked {
			continue
		}
		t.emails++
		victims[address.MailboxKey] = true
		got[key{address.MailboxKey, purpose(kinds[m.Tags["delivery"]])}]++
	}
	t.victims = len(victims)
	for _, k := range slices.SortedFunc(maps.Keys(got), func(a, b key) int { return strings.Compare(a.mailbox+a.purpose, b.mailbox+b.purpose) }) {
		n, may := got[k], limits[mailboxes[k.mailbox]][k.purpose]
		t.most[k.purpose] = max(t.most[k.purpose], n)
		if n > may {
			r.Add("a mailbox received %d emails of %q, %d are allowed", n, k.purpose, may)
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
