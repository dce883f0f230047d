package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"newsletter/internal/devstack"
	"newsletter/shared/subscription"
)

// caps are what one mailbox may get within a day, by the page that the mail leads to (DESIGN §5).
var caps = map[string]int{"confirm": 3, "unsubscribe": 2, "privacy": 2}

// least is the part of the people, in percent, who must have the newsletter.
const least = 90

// report is what an attack did.
type report struct {
	problems []string
	text     string
}

// String is one line with all figures.
func (r *report) String() string { return r.text }

func (r *report) add(format string, args ...any) {
	r.problems = append(r.problems, fmt.Sprintf(format, args...))
}

// count holds what reached whom against what may.
func (a *attack) count(stack *devstack.Stack) *report {
	r := &report{}
	most, total, victims := tally(stack.Doubles.SES.Mails())
	for _, kind := range slices.Sorted(maps.Keys(most)) {
		if most[kind] > caps[kind] {
			r.add("a victim got %d mails to %s, %d are allowed", most[kind], kind, caps[kind])
		}
	}
	for status, n := range a.statuses {
		if status >= 500 || status == 0 {
			r.add("%d answers with status %d", n, status)
		}
	}
	share := 100.0
	if a.people > 0 {
		share = 100 * float64(a.confirmed.Load()) / float64(a.people)
	}
	if share < least {
		r.add("%.0f %% of the people who wanted the newsletter have it, at least %d %% should", share, least)
	}
	told := "not looked at"
	switch took := time.Duration(a.told.Load()); {
	case took > 0:
		told = "after " + took.Round(time.Second).String()
	case a.alert > 0:
		told = "never"
		r.add("the owner was not told within %s", a.alert)
	}
	for _, problem := range slices.Concat(stack.Doubles.SES.Problems(), stack.Doubles.Sentry.Problems(), stack.Doubles.Slack.Problems()) {
		r.add("a service would refuse: %s", problem)
	}
	r.text = fmt.Sprintf("attack: seed %d; answers %v; %d mails to %d of %d victims, at most %v each; %d of %d people confirmed (%.0f %%); owner told %s; %d problems",
		a.seed, a.statuses, total, len(victims), a.victims, most, a.confirmed.Load(), a.people, share, told, len(r.problems))
	return r
}

// tally counts the mails to victims: the most that one mailbox got of each kind, all of them, and by mailbox.
func tally(mails []devstack.Mail) (most map[string]int, total int, victims map[string]map[string]int) {
	most, victims = map[string]int{}, map[string]map[string]int{}
	for _, m := range mails {
		address, err := subscription.ParseAddress(m.To)
		if err != nil || !strings.HasPrefix(address.Fold, "victim") {
			continue
		}
		total++
		if victims[address.Fold] == nil {
			victims[address.Fold] = map[string]int{}
		}
		victims[address.Fold][kind(m)]++
		most[kind(m)] = max(most[kind(m)], victims[address.Fold][kind(m)])
	}
	return most, total, victims
}

// kind is the page that a mail leads to.
func kind(m devstack.Mail) string {
	for _, link := range m.Links {
		for _, page := range []string{"confirm", "privacy"} {
			if strings.Contains(link, "/api/newsletter/"+page+"?") {
				return page
			}
		}
	}
	return "unsubscribe"
}
