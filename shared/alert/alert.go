// Package alert finds trouble in the system's own figures and tells the owner: once when it begins, again while it lasts,
// and when it is over.
//
// One evaluator looks at everything, at each ping of health. What it finds is kept in the table alerts: one open alert for
// a rule and what it is about, so that an alert is opened once however often, and by however many at once, it is found. It
// is closed when its rule has not found it for a while. Each change queues an outbox row in the same transaction, from
// which deliver tells the owner's channels.
//
// Invariants: an alert holds counts and names of this code, nothing about a person.
//
// Failure policy: errors of the database are returned; the next ping does what this one could not. That PostgreSQL itself
// is lost is told directly, by the health function.
package alert

import (
	"errors"
	"fmt"
	"time"

	"newsletter/shared/config"
)

// Config holds the thresholds.
type Config struct {
	// Objective is how many percent of the requests are to succeed. Defaults to 99.9.
	Objective float64 `env:"ALERT_OBJECTIVE_PERCENT" envDefault:"99.9"`
	// ErrorsLeast is how many requests must have failed in a window before it counts, because a few failures of a small
	// site are a large part. Defaults to 5.
	ErrorsLeast int `env:"ALERT_ERRORS_LEAST" envDefault:"5"`
	// BurnFast is how many times as fast as Objective allows requests may fail over an hour and the last five minutes.
	// Defaults to 14.4, which uses up 2 % of a month's errors in that hour.
	BurnFast float64 `env:"ALERT_BURN_FAST" envDefault:"14.4"`
	// BurnSlow is the same over six hours and the last half an hour. Defaults to 6: 5 % of a month's errors.
	BurnSlow float64 `env:"ALERT_BURN_SLOW" envDefault:"6"`
	// BurnCreeping is the same over three days, for a warning. Defaults to 1: 10 % of a month's errors.
	BurnCreeping float64 `env:"ALERT_BURN_CREEPING" envDefault:"1"`
	// LimiterDown is for how long the limiter may do without Redis. Defaults to 2m.
	LimiterDown time.Duration `env:"ALERT_LIMITER_DOWN" envDefault:"2m"`
	// UnconfirmedLeast is how many sign-ups of a quarter of an hour, each counted as often as it was asked for, must be
	// unconfirmed before they may be an attack: two a minute. Defaults to 30.
	UnconfirmedLeast int `env:"ALERT_UNCONFIRMED_LEAST" envDefault:"30"`
	// ConfirmedPercent is the least part of the sign-ups of that time that people confirm. Half of them do on the average
	// (openprescribing.net: 62 %). Defaults to 10.
	ConfirmedPercent float64 `env:"ALERT_CONFIRMED_PERCENT" envDefault:"10"`
	// BouncesLeast is how many of a day's mails must have bounced for good before it counts. Defaults to 5.
	BouncesLeast int `env:"ALERT_BOUNCES_LEAST" envDefault:"5"`
	// BouncePercent is the part of them that may not bounce. Mail is paused at MAIL_BOUNCE_PERCENT. Defaults to 2.
	BouncePercent float64 `env:"ALERT_BOUNCE_PERCENT" envDefault:"2"`
	// OutboxWarning is how long a delivery may wait although it is due, before that is a warning. Defaults to 5m.
	OutboxWarning time.Duration `env:"ALERT_OUTBOX_WARNING" envDefault:"5m"`
	// OutboxAlarm is the same, before it is an alarm. Defaults to 30m.
	OutboxAlarm time.Duration `env:"ALERT_OUTBOX_ALARM" envDefault:"30m"`
	// DeadLetters is how many deliveries may not have been given up. Defaults to 1.
	DeadLetters int `env:"ALERT_DEAD_LETTERS" envDefault:"1"`
	// SlowerPercent is by how much at least the slowest 5 % of a route's requests must take longer than usual before it is
	// told. It must also be 10 ms and more than the weeks differ by. Defaults to 20.
	SlowerPercent float64 `env:"ALERT_SLOWER_PERCENT" envDefault:"20"`
	// Target is how long the slowest 5 % of a route's requests may take, for the trend. Defaults to 200ms.
	Target time.Duration `env:"ALERT_TARGET" envDefault:"200ms"`
	// TrendDays is how many days before a route crosses Target its trend is told. Defaults to 7.
	TrendDays int `env:"ALERT_TREND_DAYS" envDefault:"7"`
	// MemoryPercent is how much of its memory the health function may use. Defaults to 90: above that Lambda may end it.
	MemoryPercent float64 `env:"ALERT_MEMORY_PERCENT" envDefault:"90"`
	// ConnectionsPercent is how many of the database server's connections all clients together may use. Defaults to 80: the
	// rest is for the operator.
	ConnectionsPercent float64 `env:"ALERT_CONNECTIONS_PERCENT" envDefault:"80"`
	// PrivacyDays is how many days before its due date an open privacy request is told. Defaults to 8: day 20 of the 28
	// that a letter is given.
	PrivacyDays int `env:"ALERT_PRIVACY_DAYS" envDefault:"8"`
	// Remind is after how long an open alert is told again. Defaults to 4h.
	Remind time.Duration `env:"ALERT_REMIND" envDefault:"4h"`
	// Clear is for how long a rule must not have found anything before its alert is over, so that what comes and goes is
	// one alert. Defaults to 5m.
	Clear time.Duration `env:"ALERT_CLEAR" envDefault:"5m"`
}

// ReadConfig reads Config.
func ReadConfig(e *config.Env) Config {
	var c Config
	e.Read(&c)
	return c
}

// Validate implements the check of config.Env.Read.
func (c Config) Validate() error {
	var problems []error
	if c.Objective < 50 || c.Objective >= 100 {
		problems = append(problems, errors.New("ALERT_OBJECTIVE_PERCENT: must be from 50 to below 100"))
	}
	for _, v := range []struct {
		name  string
		value float64
	}{
		{"ALERT_ERRORS_LEAST", float64(c.ErrorsLeast)}, {"ALERT_LIMITER_DOWN", float64(c.LimiterDown)},
		{"ALERT_BURN_FAST", c.BurnFast}, {"ALERT_BURN_SLOW", c.BurnSlow}, {"ALERT_BURN_CREEPING", c.BurnCreeping},
		{"ALERT_SLOWER_PERCENT", c.SlowerPercent}, {"ALERT_MEMORY_PERCENT", c.MemoryPercent}, {"ALERT_CONNECTIONS_PERCENT", c.ConnectionsPercent},
		{"ALERT_UNCONFIRMED_LEAST", float64(c.UnconfirmedLeast)}, {"ALERT_CONFIRMED_PERCENT", c.ConfirmedPercent},
		{"ALERT_BOUNCES_LEAST", float64(c.BouncesLeast)}, {"ALERT_BOUNCE_PERCENT", c.BouncePercent},
		{"ALERT_OUTBOX_WARNING", float64(c.OutboxWarning)}, {"ALERT_OUTBOX_ALARM", float64(c.OutboxAlarm)},
		{"ALERT_DEAD_LETTERS", float64(c.DeadLetters)}, {"ALERT_TARGET", float64(c.Target)}, {"ALERT_TREND_DAYS", float64(c.TrendDays)},
		{"ALERT_PRIVACY_DAYS", float64(c.PrivacyDays)}, {"ALERT_REMIND", float64(c.Remind)}, {"ALERT_CLEAR", float64(c.Clear)},
	} {
		if v.value <= 0 {
			problems = append(problems, fmt.Errorf("%s: must be more than 0", v.name))
		}
	}
	return errors.Join(problems...)
}
