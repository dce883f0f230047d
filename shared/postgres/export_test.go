package postgres

import (
	"testing"
	"time"
)

// PingAfter makes the pool ping connections that were idle for longer than d.
func (db *DB) PingAfter(d time.Duration) { db.pingAfterIdle = d }

// SetLoginNow gives the look-up of passwords another clock.
func (db *DB) SetLoginNow(now func() time.Time) { db.login.now = now }

// SetNow gives the reader another clock.
func (r *Reader) SetNow(now func() time.Time) { r.now = now }

// LockTries is how often a lock is asked for.
const LockTries = lockTries

// RDSAuthorities is the built-in file of certificates.
func RDSAuthorities() []byte { return rdsAuthorities }

// SetRDSAuthorities puts others in the place of RDS's authorities for the rest of a test, which must not be parallel.
func SetRDSAuthorities(t *testing.T, pem []byte) {
	t.Helper()
	kept := rdsAuthorities
	t.Cleanup(func() { rdsAuthorities = kept })
	rdsAuthorities = pem
}
