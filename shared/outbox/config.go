package outbox

import (
	"errors"
	"time"
)

// WorkerConfig configures the worker that empties the outbox.
type WorkerConfig struct {
	// Keep looking for new work for this long once the outbox is empty. With a schedule of one minute, 50s sends
	// emails within seconds; 0s costs least, and an email then waits for up to a minute.
	Linger time.Duration `env:"DELIVERY_LINGER" envDefault:"50s"`
	// Batch is the number of deliveries claimed at a time. A worker completes them well within their lease.
	Batch int `envDefault:"25"`
	// Concurrency is the number of concurrent deliveries, enough for the default rate at 300 ms a call.
	Concurrency int `envDefault:"5"`
}

// maxLinger leaves time for the last batch within the schedule of one minute.
const maxLinger = 59 * time.Second

// Validate implements the check of config.Env.Read.
func (c WorkerConfig) Validate() error {
	if c.Linger < 0 || c.Linger > maxLinger {
		return errors.New("DELIVERY_LINGER: must be between 0s and 59s")
	}
	return nil
}
