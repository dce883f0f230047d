// Package alert evaluates rules over measurements of the system and notifies the owner when an alert fires, repeatedly
// while it is firing, and when it resolves.
//
// Each run of the health function evaluates all rules. Config.Advance is the life of an alert: a pure function from the
// firing alerts and the findings to the next state of each alert and the notification that is due. Two stores keep that
// state: Store in PostgreSQL, which queues the notifications in the outbox, and RedisStore for the alert about the loss
// of PostgreSQL, whose notifications the health function sends itself.
//
// Invariants: at most one alert of a rule and its subject is firing, also with concurrent evaluations. An alert holds
// counts and names from this code, and no personal data.
//
// Failure policy: database errors are returned, and the next run evaluates again. Without Redis, each environment keeps
// the alert about PostgreSQL in memory.
package alert

import (
	"errors"
	"fmt"
	"time"
)

// Config holds the thresholds.
type Config struct {
	// Alert when requests fail so fast that fewer than this percentage would succeed over a month.
	ObjectivePercent float64 `env:"ALERTS_OBJECTIVE_PERCENT" envDefault:"99.9"`
	// Alert when the rate limiter has worked without Redis for this long.
	LimiterDownMax time.Duration `env:"ALERTS_LIMITER_DOWN_MAX" envDefault:"2m"`
	// Alert when a due delivery has waited longer than this. Above 30m the alert is critical.
	OutboxAgeMax time.Duration `env:"ALERTS_OUTBOX_AGE_MAX" envDefault:"5m"`
	// Alert when the 95th percentile of a route's latency exceeds this, or will within a week at its present trend.
	LatencyMax time.Duration `env:"ALERTS_LATENCY_MAX" envDefault:"200ms"`
	// Repeat the notification at this interval while an alert is firing.
	RepeatInterval time.Duration `env:"ALERTS_REPEAT_INTERVAL" envDefault:"4h"`
	// Resolve an alert when its rule has found nothing for this long. Problems that come and go are then one alert.
	ResolveAfter time.Duration `env:"ALERTS_RESOLVE_AFTER" envDefault:"5m"`

	// UnconfirmedMin is the least number of unconfirmed sign-ups in 15 minutes at which the alert fires, two per minute, if
	// fewer than ConfirmedPercent are confirmed. Repeated sign-ups of one address count each time.
	UnconfirmedMin int `envDefault:"30"`
	// SlowdownPercent is how much slower than usual a route's 95th percentile is when the alert fires. It must also be
	// 10 ms slower, and slower than the variation between weeks.
	SlowdownPercent float64 `envDefault:"20"`
	// ErrorsMin is the least number of failed requests in a window, because a few failures are a large part of the
	// requests of a small site.
	ErrorsMin int `envDefault:"5"`
	// BurnFast is the burn rate, as a multiple of what the objective allows, over an hour and its last five minutes:
	// 2 % of a month's errors in an hour (Google, The Site Reliability Workbook, chapter 5).
	BurnFast float64 `envDefault:"14.4"`
	// BurnSlow is the burn rate over six hours and the last half hour: 5 % of a month's errors (the same table).
	BurnSlow float64 `envDefault:"6"`
	// BurnCreeping is the burn rate over three days, for a warning: 10 % of a month's errors (the same table).
	BurnCreeping float64 `envDefault:"1"`
	// ConfirmedPercent is the confirmed percentage of sign-ups below which they count as an attack. About half are
	// confirmed on average (openprescribing.net: 62 %).
	ConfirmedPercent float64 `envDefault:"10"`
	// PageMin is the least number of a page's requests in a day that are at fault, if they are most of them.
	PageMin int64 `envDefault:"5"`
	// BouncesMin is the least number of permanent bounces in a day before BouncePercent applies.
	BouncesMin int `envDefault:"5"`
	// BouncePercent is the percentage of a day's emails that bounced at which the alert fires. It is well below the 5
	// at which Amazon puts an account under review.
	BouncePercent float64 `envDefault:"2"`
	// OutboxCritical is how long a due delivery may wait before the alert is critical.
	OutboxCritical time.Duration `envDefault:"30m"`
	// DeadLettersMin is the least number of dead-lettered deliveries. Each one needs the owner.
	DeadLettersMin int `envDefault:"1"`
	// TrendDays is how many days ahead the alert fires for a route that will exceed LatencyMax.
	TrendDays int `envDefault:"7"`
	// MemoryPercent is how much of its memory the health function may use. Near 100, Lambda ends it.
	MemoryPercent float64 `envDefault:"90"`
	// ConnectionsPercent is the percentage of the database server's connections that may be used. The rest is for the
	// operator.
	ConnectionsPercent float64 `envDefault:"80"`
	// PrivacyDays is how many days before the due date of an open privacy request the alert fires: day 20 of the 28
	// that a letter has.
	PrivacyDays int `envDefault:"8"`
	// SealMax is the age at which an event must be sealed, and a seal's end anchored: ledger.Overdue.
	SealMax time.Duration `envDefault:"3h"`
	// VerifyMax is the time between two verifications of the ledger: a day, an hour because it is done on the first run
	// of a day, and two more runs if one fails.
	VerifyMax time.Duration `envDefault:"27h"`
}

// Validate implements the check of config.Env.Read.
func (c Config) Validate() error {
	var problems []error
	if c.ObjectivePercent < 50 || c.ObjectivePercent >= 100 {
		problems = append(problems, errors.New("ALERTS_OBJECTIVE_PERCENT: must be from 50 to below 100"))
	}
	if c.OutboxAgeMax > c.OutboxCritical {
		problems = append(problems, fmt.Errorf("ALERTS_OUTBOX_AGE_MAX: must be at most %s, when the alert is critical", c.OutboxCritical))
	}
	for _, v := range []struct {
		name  string
		value float64
	}{
		{"ALERTS_LIMITER_DOWN_MAX", float64(c.LimiterDownMax)},
		{"ALERTS_OUTBOX_AGE_MAX", float64(c.OutboxAgeMax)},
		{"ALERTS_LATENCY_MAX", float64(c.LatencyMax)}, {"ALERTS_REPEAT_INTERVAL", float64(c.RepeatInterval)},
		{"ALERTS_RESOLVE_AFTER", float64(c.ResolveAfter)},
	} {
		if v.value <= 0 {
			problems = append(problems, fmt.Errorf("%s: must be more than 0", v.name))
		}
	}
	return errors.Join(problems...)
}
