package alert

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"newsletter/shared/outbox"
)

// Rule is what an alert is about. The names stand in the database and in metrics: they are kept.
type Rule string

// The rules.
const (
	Database           Rule = "database"            // PostgreSQL does not answer
	Check              Rule = "check"               // a check of health fails; the subject is its name
	Errors             Rule = "errors"              // visitors get errors faster than the objective allows; the subject is the speed
	Limiter            Rule = "limiter"             // the rate limiter does without Redis
	Bombing            Rule = "bombing"             // many sign-ups, and next to nobody confirms
	Wave               Rule = "signup_burst"        // sign-ups that look alike were held
	Held               Rule = "held"                // emails were held for another reason, which is the subject
	Bounces            Rule = "bounces"             // too many emails bounce
	FeedbackMissing    Rule = "feedback_missing"    // SES tells nothing of the emails that it sends
	FeedbackUnreadable Rule = "feedback_unreadable" // what SES tells is not understood
	MailPaused         Rule = "mail_paused"         // no email leaves before the owner says so
	OutboxAge          Rule = "outbox_age"          // what is due is not delivered, nor tried
	Deliveries         Rule = "deliveries"          // a way out takes nothing; the subject is its name
	DeadLetters        Rule = "dead_letters"        // deliveries were given up
	Slower             Rule = "slower"              // a route is slower than usual at this hour of the week; the subject is the route
	Trend              Rule = "trend"               // a route is too slow for days, or will be soon; the subject is the route
	PrivacyDue         Rule = "privacy_due"         // somebody's request is to be answered soon
)

// Level is how urgent an alert is.
type Level string

// The levels.
const (
	Warning Level = "warning"  // look at it this week
	Alarm   Level = "critical" // look at it now
)

// about is what the owner reads of a rule: what it means in a line, and what to do.
type about struct{ title, advice string }

// texts are the rules in the owner's words. docs/alerts.md lists them; a test holds it to this table.
var texts = map[Rule]about{
	Database:           {"The database does not answer", "Sign-ups are refused with 503; one-click unsubscriptions are kept and applied later. Look at RDS and the proxy."},
	Check:              {"A part of the newsletter fails", "`newsletter health`, or a direct invocation of the function, says what is wrong."},
	Errors:             {"Visitors get errors", "`newsletter perf` shows which route; Sentry, or the functions' logs, say why."},
	Limiter:            {"The rate limiter does without Redis", "Visitors are served, each environment limits for itself, the caps on mail hold. Look at the Redis server."},
	Bombing:            {"Many sign-ups, and next to nobody confirms", "Somebody may be using the form to flood strangers' inboxes. The caps hold. Consider a CAPTCHA (captcha.provider), stricter limits (limits.subscribe) or `newsletter destination pause email`."},
	Wave:               {"Sign-ups that look alike wait for you", "`newsletter hold list` shows them; release or reject them, or let them expire."},
	Held:               {"Emails wait for you", "`newsletter hold list` shows them, docs/risk.md says why; release or reject them, or let them expire."},
	Bounces:            {"Many emails bounce", "Amazon reviews accounts above 5 %. `newsletter perf` and the source of the sign-ups say where they come from."},
	FeedbackMissing:    {"Nothing is heard of bounces and complaints", "SES sends, and no event comes back, so that nobody is suppressed. The stack makes the configuration set and its event destination: deploy it again, look whether the destination is enabled in the console of SES, and into the log of the engagement function."},
	FeedbackUnreadable: {"Reports of SES are not understood", "The log of the engagement function says of which kind they are. A bounce or complaint among them has suppressed nobody: SES's suppression list has the address, `newsletter suppression add` brings it here."},
	MailPaused:         {"All email is paused", "`newsletter destination list` says why; `newsletter destination resume email` lets emails leave again."},
	OutboxAge:          {"Emails and messages are not delivered", "`newsletter outbox list` shows what waits, the log of the deliver function why."},
	Deliveries:         {"Deliveries fail", "Look at the service that does not take them; `newsletter outbox list` and the log of the deliver function say why. They are tried again by themselves, for hours."},
	DeadLetters:        {"Deliveries were given up", "`newsletter outbox list --state dead` shows them; retry or drop them."},
	Slower:             {"A route is slower than usual", "`newsletter perf` shows it beside the last weeks."},
	Trend:              {"A route is too slow, or will be soon", "`newsletter perf` shows its days; alerts.latency_max says how long it may take."},
	PrivacyDue:         {"A privacy request is to be answered soon", "`newsletter privacy list` shows it; the law gives one month."},
}

// Finding is what a rule has found.
type Finding struct {
	Rule    Rule
	Subject string // what it is about, where there are several
	Level   Level
	Summary string // one sentence with figures; it names nobody
}

// burns are the windows in which the error budget may not be used up faster than a number of times its rate (Google, "The
// Site Reliability Workbook", chapter 5, table 5-8).
var burns = []struct {
	speed       string
	times       func(Config) float64
	long, short time.Duration // short keeps an alert from outliving its cause; 0: none
	level       Level
}{
	{"fast", func(c Config) float64 { return c.BurnFast }, time.Hour, 5 * time.Minute, Alarm},
	{"slow", func(c Config) float64 { return c.BurnSlow }, 6 * time.Hour, 30 * time.Minute, Alarm},
	{"creeping", func(c Config) float64 { return c.BurnCreeping }, 72 * time.Hour, 0, Warning},
}

// Windows returns the windows over which requests and errors are counted.
func Windows() []time.Duration {
	var all []time.Duration
	for _, b := range burns {
		all = append(all, b.long)
		if b.short > 0 {
			all = append(all, b.short)
		}
	}
	return all
}

// Evaluate returns what the rules find. It is a pure function.
func Evaluate(c Config, f Figures) []Finding {
	var all findings
	for _, name := range f.Failing {
		all.add(Check, name, Alarm, "The check %q fails.", name)
	}
	if len(f.Unknown) > 0 {
		all.add(Check, "alerts", Warning, "What these rules look at cannot be read: %s.", strings.Trim(fmt.Sprint(f.Unknown), "[]"))
	}
	c.errors(f, &all)
	if f.LimiterDown >= c.LimiterDownMax && f.LimiterDown > 0 {
		all.add(Limiter, "", Warning, "The rate limiter has been doing without Redis for %s.", lasting(f.LimiterDown))
	}
	c.signUps(f, &all)
	c.mail(f, &all)
	for _, e := range f.Endpoints {
		if e.Slower {
			all.add(Slower, e.Name, Warning, "%s takes %s for the slowest 5 %%, usually %s at this hour of the week.", e.Name, ms(e.P95), ms(e.UsualP95))
		}
		switch {
		case e.Days >= c.LatencyMax:
			all.add(Trend, e.Name, Warning, "%s takes %s for the slowest 5 %% by the last days; it should take less than %s.", e.Name, ms(e.Days), ms(c.LatencyMax))
		case e.Rising && e.CrossesIn <= float64(c.TrendDays):
			all.add(Trend, e.Name, Warning, "%s will cross %s in about %.0f days if it goes on like this.", e.Name, ms(c.LatencyMax), e.CrossesIn)
		}
	}
	if f.PrivacyDue > 0 {
		all.add(PrivacyDue, "", Alarm, "%s to be answered by %s.", requests(f.PrivacyDue), f.PrivacyDueAt.Format(time.DateOnly))
	}
	return all
}

type findings []Finding

func (f *findings) add(rule Rule, subject string, level Level, format string, args ...any) {
	*f = append(*f, Finding{rule, subject, level, fmt.Sprintf(format, args...)})
}

func (c Config) errors(f Figures, all *findings) {
	budget := 1 - c.ObjectivePercent/100
	for _, b := range burns {
		long, most := f.Requests[b.long], b.times(c)*budget
		if long.Errors < int64(c.ErrorsMin) || long.share() < most {
			continue
		}
		if b.short > 0 && f.Requests[b.short].share() < most {
			continue
		}
		all.add(Errors, b.speed, b.level, "%d of %d requests of the last %s failed: %.1f times what an objective of %g %% allows.",
			long.Errors, long.Requests, lasting(b.long), long.share()/budget, c.ObjectivePercent)
	}
}

func (c Config) signUps(f Figures, all *findings) {
	if f.Asked-f.Confirmed >= int64(c.UnconfirmedMin) && float64(f.Confirmed)*100 < c.ConfirmedPercent*float64(f.Asked) {
		all.add(Bombing, "", Alarm, "%.0f sign-ups a minute in the last %s, of which %.0f %% were confirmed.",
			float64(f.Asked)/SignUpWindow.Minutes(), lasting(SignUpWindow), 100*float64(f.Confirmed)/float64(f.Asked))
	}
	for _, reason := range slices.Sorted(maps.Keys(f.Outbox.HeldByReason)) {
		if n := f.Outbox.HeldByReason[reason]; reason == outbox.HoldBurst {
			all.add(Wave, "", Warning, "%d sign-ups wait for you because they look alike.", n)
		} else {
			all.add(Held, reason, Warning, "%d emails wait for you (%s).", n, reason)
		}
	}
}

func (c Config) mail(f Figures, all *findings) {
	if f.Sent > 0 && f.Bounced >= c.BouncesMin && 100*float64(f.Bounced) >= c.BouncePercent*float64(f.Sent) {
		all.add(Bounces, "", Warning, "%d of %d mails of the last day bounced for good (%.1f %%).", f.Bounced, f.Sent, 100*float64(f.Bounced)/float64(f.Sent))
	}
	if f.Unheard > 0 {
		all.add(FeedbackMissing, "", Warning, "SES has told nothing of the last %s; the newest left %s ago.", emails(f.Unheard), lasting(f.UnheardFor))
	}
	if f.Unreadable > 0 {
		all.add(FeedbackUnreadable, "", Warning, "%d events of SES in the last day could not be read, or are about nobody known.", f.Unreadable)
	}
	if f.MailPaused != "" {
		all.add(MailPaused, "", Alarm, "All mail is paused (%s).", f.MailPaused)
	}
	if level, late := c.late(f.Outbox.OldestDue); late {
		all.add(OutboxAge, "", level, "The oldest delivery that is due has been waiting for %s; %d wait.", lasting(f.Outbox.OldestDue), f.Outbox.Ready)
	}
	for _, out := range f.Outbox.Failing {
		level, late := c.late(out.Age)
		if !late {
			continue
		}
		if out.Destination != outbox.Email { // only without emails nobody can sign up
			level = Warning
		}
		all.add(Deliveries, out.Destination, level, "%s: %d deliveries were tried in vain, the oldest has been waiting for %s (%s).",
			out.Destination, out.Count, lasting(out.Age), cmp.Or(out.Cause, "no answer"))
	}
	if f.Outbox.Dead >= int64(c.DeadLettersMin) {
		all.add(DeadLetters, "", Warning, "%d deliveries were given up.", f.Outbox.Dead)
	}
}

// late reports whether a delivery has been waiting for too long, and how bad that is.
func (c Config) late(waiting time.Duration) (Level, bool) {
	if waiting >= c.OutboxCritical {
		return Alarm, true
	}
	return Warning, waiting >= c.OutboxAgeMax
}

func requests(n int64) string {
	if n == 1 {
		return "1 privacy request is"
	}
	return fmt.Sprintf("%d privacy requests are", n)
}

func emails(n int) string {
	if n == 1 {
		return "email"
	}
	return fmt.Sprintf("%d emails", n)
}

func ms(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }

// lasting returns a duration in the largest unit that fits, for sentences.
func lasting(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%.0f days", d.Hours()/24)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%.0f hours", d.Hours())
	case d >= 2*time.Minute:
		return fmt.Sprintf("%.0f minutes", d.Minutes())
	}
	return fmt.Sprintf("%.0f seconds", d.Seconds())
}
