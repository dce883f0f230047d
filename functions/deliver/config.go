package main

import (
	"newsletter/shared/email"
	"newsletter/shared/outbox"
)

// deliverConfig configures the deliveries.
type deliverConfig struct {
	outbox.WorkerConfig
	email.RateConfig
	email.BreakerConfig
}

// connections returns the size of the connection pool. It is small because a delivery spends most of its time in the
// email service.
func (c deliverConfig) connections() int { return max(2, min(c.Concurrency, 4)) }
