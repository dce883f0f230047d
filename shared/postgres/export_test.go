package postgres

import (
	"testing"
	"time"

	"newsletter/shared/breaker"
)

// PingAfter makes the pool ping connections that were idle for longer than d.
func (db *DB) PingAfter(d time.Duration) { db.pingAfterIdle = d }

// SetLoginNow replaces the clock of password renewal.
func (db *DB) SetLoginNow(now func() time.Time) { db.login.now = now }

// SetNow replaces the reader's clock.
func (r *Reader) SetNow(now func() time.Time) { r.breaker = breaker.New(1, replicaPause, now) }

// LockTries is the maximum number of attempts to lock.
const LockTries = lockTries

// RDSAuthorities is the built-in certificate file.
func RDSAuthorities() []byte { return rdsAuthorities }

// SetRDSAuthorities replaces RDS's authorities for the rest of a test, which must not be parallel.
func SetRDSAuthorities(t *testing.T, pem []byte) {
	t.Helper()
	kept := rdsAuthorities
	t.Cleanup(func() { rdsAuthorities = kept })
	rdsAuthorities = pem
}
