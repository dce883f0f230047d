package main

import (
	"errors"
	"time"

	"newsletter/shared/config"
	"newsletter/shared/subscription"
)

// Config is what maintain does besides keeping the periods.
type Config struct {
	// RemindAfter is how long a request waits for its confirmation before it is mailed about once more, such as 48h. It is
	// done once a day. Defaults to 0s: never.
	RemindAfter time.Duration `env:"REMIND_AFTER" envDefault:"0s"`
}

func readConfig(e *config.Env) Config {
	var c Config
	e.Read(&c)
	return c
}

// Validate implements the check of config.Env.Read.
func (c Config) Validate() error {
	if c.RemindAfter != 0 && (c.RemindAfter < time.Hour || c.RemindAfter >= subscription.PendingLifetime) {
		return errors.New("REMIND_AFTER: must be 0s, or between 1h and 167h, because a request expires after a week")
	}
	return nil
}
