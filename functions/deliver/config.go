package main

import (
	"errors"
	"fmt"
	"time"

	"newsletter/shared/config"
)

// Config tunes the deliveries.
type Config struct {
	// Linger is how long an invocation goes on looking for new work once the outbox is empty. With a schedule of one
	// minute, 50s makes mails leave within seconds; 0s is the cheapest. Defaults to 50s.
	Linger time.Duration `env:"DELIVER_LINGER" envDefault:"50s"`
	// Batch is how many deliveries are claimed at a time. Defaults to 25.
	Batch int `env:"DELIVER_BATCH" envDefault:"25"`
	// Concurrency is how many are sent side by side. Defaults to 5.
	Concurrency int `env:"DELIVER_CONCURRENCY" envDefault:"5"`
	// Pace is how many mails leave in a minute at most, to whomever: what an attack could cost the name of the owner's
	// domain. What is above it waits. 0 for no bound. Defaults to 300.
	Pace int `env:"MAIL_PACE" envDefault:"300"`
	// DomainPace is how many mails leave in a minute to one registrable domain, other than those of large providers. What
	// is above it waits. 0 for no bound. Defaults to 60.
	DomainPace int `env:"MAIL_PACE_DOMAIN" envDefault:"60"`
	// BounceLeast is how many mails must have bounced for good within a day before all mail is paused for it. Defaults to
	// 10.
	BounceLeast int `env:"MAIL_BOUNCE_LEAST" envDefault:"10"`
	// BouncePercent is the part of the day's mails that they must be, in percent. Amazon puts accounts under review at 5
	// (SES developer guide, "Bounce rate"), which is the default.
	BouncePercent float64 `env:"MAIL_BOUNCE_PERCENT" envDefault:"5"`
	// ComplaintLeast is how many people must have complained within a day before all mail is paused for it. Defaults to 5.
	ComplaintLeast int `env:"MAIL_COMPLAINT_LEAST" envDefault:"5"`
	// ComplaintPercent is the part of the day's mails that they must be, in percent. Amazon reviews accounts at 0.1, which is
	// the default.
	ComplaintPercent float64 `env:"MAIL_COMPLAINT_PERCENT" envDefault:"0.1"`
}

func readConfig(e *config.Env) Config {
	var c Config
	e.Read(&c)
	return c
}

// Validate implements the check of config.Env.Read.
func (c Config) Validate() error {
	var problems []error
	if c.Linger < 0 || c.Linger > 10*time.Minute {
		problems = append(problems, errors.New("DELIVER_LINGER: must be between 0s and 10m"))
	}
	if c.Batch < 1 || c.Batch > 1000 {
		problems = append(problems, errors.New("DELIVER_BATCH: must be between 1 and 1000"))
	}
	if c.Concurrency < 1 || c.Concurrency > 100 {
		problems = append(problems, errors.New("DELIVER_CONCURRENCY: must be between 1 and 100"))
	}
	if c.Pace < 0 {
		problems = append(problems, errors.New("MAIL_PACE: must be 0 or more"))
	}
	if c.DomainPace < 0 {
		problems = append(problems, errors.New("MAIL_PACE_DOMAIN: must be 0 or more"))
	}
	for name, value := range map[string]float64{
		"MAIL_BOUNCE_LEAST": float64(c.BounceLeast), "MAIL_BOUNCE_PERCENT": c.BouncePercent,
		"MAIL_COMPLAINT_LEAST": float64(c.ComplaintLeast), "MAIL_COMPLAINT_PERCENT": c.ComplaintPercent,
	} {
		if value <= 0 {
			problems = append(problems, fmt.Errorf("%s: must be more than 0", name))
		}
	}
	return errors.Join(problems...)
}

// connections is how many database connections that takes: most of a sending's time is spent at the mail service.
func (c Config) connections() int { return max(2, min(c.Concurrency, 4)) }
