// Package postgres opens a pgx pool through RDS Proxy and runs transactions in exactly two network round trips.
//
// It keeps no session state: no SET, no session lock, no named statement, because each of them pins a proxy's session.
// TLS is always verified against the host's name. Statement timeouts stand on the database role, because RDS Proxy
// passes no cancel request on: what the server does not stop itself runs on after its caller has gone.
//
// Failure policy: what can be repeated is repeated once within the time allowed, on a new connection if the old one broke;
// then ErrUnavailable wraps the cause. ErrBusy says that somebody else holds the lock. After ErrUnavailable it is not
// known whether the transaction was committed, so transactions must be idempotent; repeating them is safe. Errors tell
// the server's code and message, but no value: see Refused.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"newsletter/shared/config"
)

// Config says where the database is.
type Config struct {
	// The database behind RDS Proxy, such as "postgres://app:password@proxy.example:5432/newsletter". The connection
	// is always verified as with sslmode=verify-full; a URL with a weaker mode is refused.
	URL config.Sealed `env:"DATABASE_URL,required"`
	// A PEM file of certificate authorities to trust beside the system's roots, which include those of RDS Proxy, and
	// the built-in ones of RDS. Empty: no further ones.
	CAFile string `env:"DATABASE_CA_FILE" from:"local" example:"/etc/ssl/database.pem"`
	// Sign in with an IAM token if the URL has no password.
	IAMAuth bool `env:"DATABASE_IAM_AUTH" envDefault:"false" from:"template"`

	// ReadURL is the read replica of ReplicaConfig.
	ReadURL config.Sealed
	// MaxConns bounds the pool. Defaults (0) to what one environment needs: see defaultMaxConns.
	MaxConns int
	// Renew reads the configuration again, for a password that was rotated. Defaults to nil: passwords stay.
	Renew func(ctx context.Context) (Config, error)
}

// ReplicaConfig says where a read replica is.
type ReplicaConfig struct {
	// Send reads that may lag behind to this read replica. Empty: they use DATABASE_URL.
	URL config.Sealed `env:"DATABASE_READ_URL"`
}

// Validate implements the check of config.Env.Read.
func (c ReplicaConfig) Validate() error {
	if c.URL.IsZero() {
		return nil
	}
	if err := CheckURL(c.URL); err != nil {
		return fmt.Errorf("DATABASE_READ_URL: %w", err)
	}
	return nil
}

// ReadConfig reads Config from env, which collects what is wrong with it.
func ReadConfig(env *config.Env) Config {
	c := config.Read[Config](env)
	c.Renew = renew(env, ReadConfig)
	return c
}

// ReadConfigWithReplica reads Config and ReplicaConfig.
func ReadConfigWithReplica(env *config.Env) Config {
	c := config.Read[Config](env)
	c.ReadURL = config.Read[ReplicaConfig](env).URL
	c.Renew = renew(env, ReadConfigWithReplica)
	return c
}

// renew reads a configuration again from secrets that may have changed.
func renew(env *config.Env, read func(*config.Env) Config) func(context.Context) (Config, error) {
	return func(ctx context.Context) (Config, error) {
		fresh, err := env.Reload(ctx)
		if err != nil {
			return Config{}, err
		}
		renewed := read(fresh)
		return renewed, fresh.Err()
	}
}

// Validate implements the check of config.Env.Read.
func (c Config) Validate() error {
	var problems []error
	if err := CheckURL(c.URL); err != nil {
		problems = append(problems, fmt.Errorf("DATABASE_URL: %w", err))
	}
	_, err := config.AddRoots(nil, "DATABASE_CA_FILE", c.CAFile)
	return errors.Join(append(problems, err)...)
}

func (c Config) writer() Server { return Server{c.URL, c.CAFile, c.IAMAuth} }
func (c Config) reader() Server { return Server{c.ReadURL, c.CAFile, c.IAMAuth} }

const (
	pingTimeout       = 500 * time.Millisecond
	pingAfterIdle     = 60 * time.Second // after shorter idle times, a dead connection is covered by repeating the transaction
	maxConnLifetime   = 10 * time.Minute
	maxConnIdleTime   = 5 * time.Minute // below RDS Proxy's IdleClientTimeout (30 min)
	healthCheckPeriod = time.Hour       // its goroutine is noise in a frozen environment
	maxPool           = 8
	closeTimeout      = 250 * time.Millisecond // below the 300 ms that an environment has at its end
)

// defaultMaxConns is one connection for each event that Lambda gives the environment at a time, and a second for what
// looks at the database beside it. More would take them from other environments.
func defaultMaxConns() int { return min(max(2, lambdacontext.MaxConcurrency()), maxPool) }

// DB is a pool of connections to one server. It is safe for concurrent use.
type DB struct {
	pool          *pgxpool.Pool
	login         *login
	pingAfterIdle time.Duration
	alongside     func(ctx context.Context) // nil: nothing
}

// Beside sets what begins with every transaction, such as writing statistics elsewhere. start must return at once: nobody
// waits for what it began. It is set before the DB is used.
func (db *DB) Alongside(start func(ctx context.Context)) { db.alongside = start }

// New makes the pool of the writer. It does no network I/O; Warm does.
func New(ctx context.Context, cfg Config) (*DB, error) {
	db, err := open(ctx, cfg, Config.writer)
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL: %w", err)
	}
	return db, nil
}

func open(ctx context.Context, cfg Config, which func(Config) Server) (*DB, error) {
	login, err := newLogin(cfg, which)
	if err != nil {
		return nil, err
	}
	pc, err := pgxpool.ParseConfig("")
	if err != nil {
		return nil, err
	}
	pc.ConnConfig, pc.BeforeConnect = login.current().config, login.signIn
	pc.ConnConfig.Tracer = dials{}
	if pc.MaxConns = int32(cfg.MaxConns); pc.MaxConns == 0 { //nolint:gosec // small by configuration
		pc.MaxConns = int32(defaultMaxConns()) //nolint:gosec // at most maxPool
	}
	pc.MinConns, pc.MinIdleConns = 0, 0
	pc.MaxConnLifetime, pc.MaxConnLifetimeJitter = maxConnLifetime, maxConnLifetime/10
	pc.MaxConnIdleTime = maxConnIdleTime
	pc.HealthCheckPeriod = healthCheckPeriod
	pc.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return false } // acquire does
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("make the pool: %w", err)
	}
	return &DB{pool: pool, login: login, pingAfterIdle: pingAfterIdle}, nil
}

// Warm opens the first connection, so that no visitor waits for it. The caller goes on without: the next transaction
// tries again.
func (db *DB) Warm(ctx context.Context) error {
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, refused(err))
	}
	conn.Release()
	return nil
}

// Ping asks the server for an answer, in one round trip. Its error is ErrUnavailable.
func (db *DB) Ping(ctx context.Context) error {
	return db.Batch(ctx, func(b *pgx.Batch) { b.Queue("select 1") })
}

// Close ends the connections. It waits for transactions that are running, but not longer than 250 ms.
func (db *DB) Close() {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		db.pool.Close()
	}()
	select {
	case <-closed:
	case <-time.After(closeTimeout):
	}
}

// Stats describes the pool.
type Stats struct {
	Max, Open, InUse int
	Dialed           int64         // connections opened so far
	Acquired         int64         // how often a connection was taken
	Waited           time.Duration // for how long in all
}

// Stats gives the pool's figures.
func (db *DB) Stats() Stats {
	s := db.pool.Stat()
	return Stats{
		Max: int(s.MaxConns()), Open: int(s.TotalConns()), InUse: int(s.AcquiredConns()),
		Dialed: s.NewConnsCount(), Acquired: s.AcquireCount(), Waited: s.AcquireDuration(),
	}
}
