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

// A Rule is what an alert is about. The database and the metrics have these names.
type Rule string

// The rules.
const (
	Database           Rule = "database"            // PostgreSQL does not answer, or takes no writes
	Check              Rule = "check"               // a health check failed; the subject is its name
	Errors             Rule = "errors"              // requests fail faster than the objective allows; the subject is the burn rate
	Limiter            Rule = "limiter"             // the rate limiter works without Redis
	Bombing            Rule = "bombing"             // many sign-ups, few of them confirmed
	SignUpBurst        Rule = "signup_burst"        // similar sign-ups are held
	Held               Rule = "held"                // emails are held for another reason, which is the subject
	Flagged            Rule = "flagged"             // requests with a filled honeypot are held
	Page               Rule = "page"                // a page sends values that nothing can use; the subject is the page or the form
	Bounces            Rule = "bounces"             // too many emails bounce
	FeedbackMissing    Rule = "feedback_missing"    // SES reports no events of the emails that it sends
	FeedbackUnreadable Rule = "feedback_unreadable" // events of SES cannot be read
	EmailPaused        Rule = "email_paused"        // all email is paused until the owner resumes it
	CircuitBreaker     Rule = "circuit_breaker"     // email to unproven mailboxes is stopped, until it resumes by itself
	EmailOverdue       Rule = "email_overdue"       // emails have waited so long that they will soon end unsent
	Slots              Rule = "slots"               // emails of sign-ups wait long for a slot at their domain
	OutboxAge          Rule = "outbox_age"          // due deliveries wait, and are not attempted
	Deliveries         Rule = "deliveries"          // the attempts of a destination fail; the subject is its name
	DeadLetters        Rule = "dead_letters"        // deliveries are dead-lettered
	Slower             Rule = "slower"              // a route is slower than usual at this hour of the week; the subject is the route
	Trend              Rule = "trend"               // a route is too slow over days, or will be soon; the subject is the route
	PrivacyDue         Rule = "privacy_due"         // a privacy request is due soon
	Ledger             Rule = "ledger"              // the ledger is not sealed, anchored or verified, or differs from its seals; the subject is which
	Role               Rule = "role"                // a database role differs from what the migration set; the subject is the role
)

// Severity is how urgent an alert is.
type Severity string

// The severities.
const (
	Warning  Severity = "warning"  // look at it this week
	Critical Severity = "critical" // look at it now
)

// text is the text about a rule for the owner: its title, and what to do.
type text struct{ title, advice string }

// texts has a text for each rule. docs/alerts.md lists them, which a test checks.
var texts = map[Rule]text{
	Database:           {"Database unavailable", "Sign-ups are answered with 503; one-click unsubscribes, bounces and complaints are queued and applied later. Check RDS and its proxy."},
	Check:              {"Health check failed", "Run `newsletter health`, or invoke the function directly, to see the cause."},
	Errors:             {"High error rate", "`newsletter perf` shows the routes; Sentry or the functions' logs show the cause."},
	Limiter:            {"Rate limiter degraded (Redis unavailable)", "Requests are served, each environment limits on its own, and the mailbox budget still applies. Check the Redis server."},
	Bombing:            {"Sign-up spike with few confirmations", "The form may be used to flood other people's mailboxes. The mailbox budget still applies. Consider a CAPTCHA (captcha.provider), stricter limits (limits.subscribe) or `newsletter destination pause email`."},
	SignUpBurst:        {"Similar sign-ups are held for review", "`newsletter hold list` shows them; release or reject them, or let them expire."},
	Held:               {"Emails are held for review", "`newsletter hold list` shows them, and docs/risk.md explains the reasons; release or reject them, or let them expire."},
	Flagged:            {"Requests with a filled honeypot are held", "Most of them are from bots. A browser or password manager can fill in the field, too: `newsletter hold list` shows them; release those that look like a person's, and leave the others, which end after 72 hours."},
	Page:               {"A page sends useless values", "The visitors are served, but what the page fills in is lost: correct its form. `newsletter source list` shows pages as sent; one that is declared (signup.sources) has an alert of its own."},
	Bounces:            {"High bounce rate", "Amazon reviews accounts above 5 %. `newsletter perf` and the source of the sign-ups show where they come from."},
	FeedbackMissing:    {"No events from SES", "SES sends, but reports no deliveries, bounces or complaints, so nobody is suppressed. Deploy the stack again, which creates the configuration set and its event destination; check in the SES console that the destination is enabled, and read the log of the engagement function."},
	FeedbackUnreadable: {"Unreadable events from SES", "The log of the engagement function has their types. A bounce or complaint among them suppressed nobody: SES's suppression list has the address; add it here with `newsletter suppression add`."},
	EmailPaused:        {"All email is paused", "`newsletter destination list` shows the reason; `newsletter destination resume email` resumes sending."},
	CircuitBreaker:     {"Email to unproven mailboxes is stopped", "Sending resumes by itself. Email to subscribers, and links that people asked for, leave as always. `newsletter destination list` shows what is stopped; `newsletter destination resume email` resumes it at once. If bots use the form, consider a CAPTCHA (captcha.provider) or stricter limits (limits.subscribe)."},
	EmailOverdue:       {"Emails will end unsent", "An email that has waited for 72 hours is not sent any more. `newsletter destination list` shows a pause or a circuit breaker, `newsletter hold list` what is held, and `newsletter outbox slots` what waits for a slot; `newsletter outbox list --state ready` shows all."},
	Slots:              {"Sign-ups at a domain wait", "At a domain that is no known provider, 20 emails of sign-ups an hour and 100 a day leave, because the form may be used to flood a company. `newsletter outbox slots` shows the domains. If the sign-ups are real, exempt the domain (limits.exempt_domains): what waits then leaves within a minute."},
	OutboxAge:          {"Deliveries are overdue", "`newsletter outbox list` shows what is waiting, and the log of the deliver function shows the cause."},
	Deliveries:         {"Deliveries are failing", "Check the service of the destination; `newsletter outbox list` and the log of the deliver function show the cause. Deliveries are retried automatically, for hours."},
	DeadLetters:        {"Deliveries were dead-lettered", "`newsletter outbox list --state dead` shows them; retry or drop them."},
	Slower:             {"Route slower than usual", "`newsletter perf` compares it with the last weeks."},
	Trend:              {"Route latency is too high or rising", "`newsletter perf` shows its latency by day; alerts.latency_max is the limit."},
	PrivacyDue:         {"Privacy request due soon", "`newsletter privacy list` shows it; the legal deadline is one month."},
	Ledger:             {"Ledger not proven", "`newsletter ledger verify` lists what was changed, removed or added, and what is not sealed or anchored; the log of the maintain function shows why a run failed."},
	Role:               {"Database role changed", "A role may change its own settings and store large objects, so a function may have been taken over. Read the functions' logs; rotate the role's password; invoke migrate with `up`, which restores the settings."},
}

// A Finding is a problem that a rule found.
type Finding struct {
	Rule     Rule
	Subject  string // what it is about, where a rule can find several problems
	Severity Severity
	Summary  string // one sentence with counts and no personal data
}

// burns are the windows over which the error rate must not exceed a multiple of what the objective allows (Google, "The
// Site Reliability Workbook", chapter 5, table 5-8).
var burns = []struct {
	speed       string
	rate        func(Config) float64
	long, short time.Duration // short resolves the alert soon after the errors end; 0: none
	severity    Severity
}{
	{"fast", func(c Config) float64 { return c.BurnFast }, time.Hour, 5 * time.Minute, Critical},
	{"slow", func(c Config) float64 { return c.BurnSlow }, 6 * time.Hour, 30 * time.Minute, Critical},
	{"creeping", func(c Config) float64 { return c.BurnCreeping }, 72 * time.Hour, 0, Warning},
}

// windows returns the windows over which requests and errors are counted.
func windows() []time.Duration {
	var all []time.Duration
	for _, b := range burns {
		all = append(all, b.long)
		if b.short > 0 {
			all = append(all, b.short)
		}
	}
	return all
}

// Findings returns the problems that the rules find in measurements. It is a pure function.
func (c Config) Findings(m Measurements) []Finding {
	var all findings
	for _, name := range m.FailedChecks {
		all.add(Check, name, Critical, "The check %q failed.", name)
	}
	if len(m.Unknown) > 0 {
		all.add(Check, "alerts", Warning, "The measurements of these rules cannot be read: %s.", strings.Trim(fmt.Sprint(m.Unknown), "[]"))
	}
	c.errors(m, &all)
	if m.LimiterDown >= c.LimiterDownMax && m.LimiterDown > 0 {
		all.add(Limiter, "", Warning, "The rate limiter has worked without Redis for %s.", formatDuration(m.LimiterDown))
	}
	c.signUps(m, &all)
	c.email(m, &all)
	c.outbox(m.Outbox, &all)
	for _, r := range m.Routes {
		c.latency(r, &all)
	}
	if m.PrivacyDue > 0 {
		all.add(PrivacyDue, "", Critical, "%s due, the first by %s.", plural(m.PrivacyDue, "privacy request is", "privacy requests are"), m.PrivacyDueAt.Format(time.DateOnly))
	}
	c.ledger(m.Ledger, &all)
	for _, r := range m.Roles {
		all.add(Role, r.Name, Critical, "The database role %q has other settings than the migration gave it, or %d large objects.", r.Name, r.LargeObjects)
	}
	return all
}

func (c Config) ledger(m Evidence, all *findings) {
	if m.Unsealed >= c.SealMax {
		all.add(Ledger, "seals", Warning, "An event has not been sealed for %s.", formatDuration(m.Unsealed))
	}
	if m.Unanchored >= c.SealMax {
		all.add(Ledger, "anchors", Warning, "A seal has not been anchored for %s.", formatDuration(m.Unanchored))
	}
	switch {
	case m.Differences > 0:
		all.add(Ledger, "verification", Critical, "The verification found %s in the ledger.", plural(m.Differences, "difference", "differences"))
	case m.Unverified >= c.VerifyMax:
		all.add(Ledger, "verification", Warning, "The ledger has not been verified for %s.", formatDuration(m.Unverified))
	}
}

type findings []Finding

func (f *findings) add(rule Rule, subject string, severity Severity, format string, args ...any) {
	*f = append(*f, Finding{rule, subject, severity, fmt.Sprintf(format, args...)})
}

func (c Config) errors(m Measurements, all *findings) {
	budget := 1 - c.ObjectivePercent/100
	for _, b := range burns {
		long, limit := m.Requests[b.long], b.rate(c)*budget
		if long.Errors < int64(c.ErrorsMin) || long.errorRate() < limit {
			continue
		}
		if b.short > 0 && m.Requests[b.short].errorRate() < limit {
			continue
		}
		all.add(Errors, b.speed, b.severity, "%d of %d requests of the last %s failed: %.1f times what an objective of %g %% allows.",
			long.Errors, long.Requests, formatDuration(b.long), long.errorRate()/budget, c.ObjectivePercent)
	}
}

func (c Config) signUps(m Measurements, all *findings) {
	if m.Requested-m.Confirmed >= int64(c.UnconfirmedMin) && float64(m.Confirmed)*100 < c.ConfirmedPercent*float64(m.Requested) {
		all.add(Bombing, "", Critical, "%.0f sign-ups a minute in the last %s, of which %.0f %% were confirmed.",
			float64(m.Requested)/signUpWindow.Minutes(), formatDuration(signUpWindow), 100*float64(m.Confirmed)/float64(m.Requested))
	}
	c.pages(m.Pages, all)
	flagged := int64(0)
	for _, reason := range slices.Sorted(maps.Keys(m.Outbox.HeldByReason)) {
		switch n := m.Outbox.HeldByReason[reason]; {
		case reason == outbox.HoldBurst:
			all.add(SignUpBurst, "", Warning, "%s held: the sign-ups look alike.", plural(n, "email is", "emails are"))
		case slices.Contains(strings.Split(reason, ","), outbox.HoldHoneypot):
			flagged += n
		default:
			all.add(Held, reason, Warning, "%s held (%s).", plural(n, "email is", "emails are"), reason)
		}
	}
	if flagged > 0 {
		all.add(Flagged, "", Warning, "%s held, because the honeypot was filled in.", plural(flagged, "email is", "emails are"))
	}
}

// pages finds the pages at fault by what most of their requests have in common.
func (c Config) pages(pages []PageRequests, all *findings) {
	for _, p := range pages {
		var what []string
		for _, fault := range []struct {
			requests int64
			text     string
		}{
			{p.Cleaned, "have fields that were cleaned: " + strings.Join(p.Fields, ", ")},
			{p.TooFast, "were sent within a second of the time that the page reports as its start"},
		} {
			if fault.requests >= c.PageMin && 2*fault.requests > p.Requests {
				what = append(what, fmt.Sprintf("%d of its %d requests of the last day %s.", fault.requests, p.Requests, fault.text))
			}
		}
		if len(what) > 0 {
			all.add(Page, p.Name, Warning, "%s", strings.Join(what, " "))
		}
	}
}

func (c Config) email(m Measurements, all *findings) {
	if m.Sent > 0 && m.Bounced >= c.BouncesMin && 100*float64(m.Bounced) >= c.BouncePercent*float64(m.Sent) {
		all.add(Bounces, "", Warning, "%d of %d emails of the last day bounced permanently (%.1f %%).", m.Bounced, m.Sent, 100*float64(m.Bounced)/float64(m.Sent))
	}
	if m.WithoutEvents > 0 {
		all.add(FeedbackMissing, "", Warning, "SES reported no events of the last %s, sent up to %s ago.", plural(int64(m.WithoutEvents), "email", "emails"), formatDuration(m.SinceLastSent))
	}
	if m.Unreadable > 0 {
		all.add(FeedbackUnreadable, "", Warning, "%s of SES in the last day could not be read, or matched no delivery.", plural(int64(m.Unreadable), "event", "events"))
	}
	if m.EmailPaused != "" {
		all.add(EmailPaused, "", Critical, "All email is paused (%s).", m.EmailPaused)
	}
	if m.Stopped != "" {
		severity := Warning // a domain or a network
		if m.AllStopped {
			severity = Critical
		}
		all.add(CircuitBreaker, "", severity, "%s", m.Stopped)
	}
}

func (c Config) outbox(depth outbox.Depth, all *findings) {
	if severity, overdue := c.overdue(depth.OldestDue); overdue {
		all.add(OutboxAge, "", severity, "The oldest due delivery has waited for %s; %d are ready.", formatDuration(depth.OldestDue), depth.Ready)
	}
	for _, d := range depth.Failing {
		severity, overdue := c.overdue(d.Age)
		if !overdue {
			continue
		}
		if d.Destination != outbox.Email { // only email is needed to sign up
			severity = Warning
		}
		all.add(Deliveries, d.Destination, severity, "%s: %s failed, the oldest has waited for %s (%s).",
			d.Destination, plural(d.Count, "delivery", "deliveries"), formatDuration(d.Age), cmp.Or(d.Cause, "unknown cause"))
	}
	if depth.Overdue > 0 {
		all.add(EmailOverdue, "", Warning, "%s waited for %s or longer, and will end unsent after %s.",
			plural(depth.Overdue, "email has", "emails have"), formatDuration(outbox.WarnAfter), formatDuration(outbox.MaxWait))
	}
	if depth.WithoutSlot > 0 {
		all.add(Slots, "", Warning, "%s for longer than an hour for a slot at the domain.", plural(depth.WithoutSlot, "email of a sign-up waits", "emails of sign-ups wait"))
	}
	if depth.Dead >= int64(c.DeadLettersMin) {
		all.add(DeadLetters, "", Warning, "%s dead-lettered.", plural(depth.Dead, "delivery is", "deliveries are"))
	}
}

func (c Config) latency(r Route, all *findings) {
	if r.Slower {
		all.add(Slower, r.Name, Warning, "The 95th percentile of %s is %s, usually %s at this hour of the week.", r.Name, ms(r.P95), ms(r.UsualP95))
	}
	switch {
	case r.DailyP95 >= c.LatencyMax:
		all.add(Trend, r.Name, Warning, "The 95th percentile of %s was %s over the last days; the limit is %s.", r.Name, ms(r.DailyP95), ms(c.LatencyMax))
	case r.Rising && r.CrossesIn <= float64(c.TrendDays):
		all.add(Trend, r.Name, Warning, "The 95th percentile of %s will exceed %s in about %.0f days at its present trend.", r.Name, ms(c.LatencyMax), r.CrossesIn)
	}
}

// overdue reports whether a delivery that has waited for this long is overdue, and how severe that is.
func (c Config) overdue(waited time.Duration) (Severity, bool) {
	if waited >= c.OutboxCritical {
		return Critical, true
	}
	return Warning, waited >= c.OutboxAgeMax
}
