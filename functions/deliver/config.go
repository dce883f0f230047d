package main

import (
	"newsletter/shared/email"
	"newsletter/shared/outbox"
)

// Config tunes the deliveries.
type Config struct {
	outbox.WorkerConfig
	email.RateConfig
	email.BreakerConfig
}

// connections is how many database connections that takes: most of a sending's time is spent at the mail service.
func (c Config) connections() int { return max(2, min(c.Concurrency, 4)) }
