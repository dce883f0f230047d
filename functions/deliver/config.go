package main

import (
	"errors"
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
	// DomainPace is how many mails leave in a minute to one domain, other than those of large providers. What is above it
	// waits. 0 for no bound. Defaults to 60.
	DomainPace int `env:"MAIL_PACE_DOMAIN" envDefault:"60"`
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
	return errors.Join(problems...)
}

// connections is how many database connections that takes: most of a sending's time is spent at the mail service.
func (c Config) connections() int { return max(2, min(c.Concurrency, 4)) }
