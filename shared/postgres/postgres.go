// Package postgres connects through RDS Proxy with a pgx pool and runs transactions in exactly two network round trips.
//
// It uses no session state (SET, session locks, named statements), because that pins a connection of the proxy.
// TLS is always verified against the host name. Statement timeouts are set on the database role, because RDS Proxy
// does not forward cancel requests: only the server can stop a statement whose caller is gone.
//
// Failure policy: a transaction that can be repeated is repeated once within the time limit, on a new connection if the
// old one broke; then ErrUnavailable wraps the cause. ErrBusy means that another transaction has the lock. After
// ErrUnavailable it is not known whether the transaction was committed, so transactions must be idempotent. Errors
// contain the server's code and message, but no values: see Refused.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"newsletter/shared/config"
)

// Config configures the connection to the database.
type Config struct {
	// The database behind RDS Proxy, such as "postgres://app:password@proxy.example:5432/newsletter". The connection
	// is always verified as with sslmode=verify-full; a URL with a weaker mode is refused.
	URL config.Sealed `env:"DATABASE_URL,required"`
	// A PEM file of certificate authorities to trust, for the database and for Redis, beside the system's roots, which
	// include those of RDS Proxy, ElastiCache and Upstash, and the built-in ones of RDS. Empty: no further ones.
	CAFile string `env:"TLS_CA_FILE" from:"local" example:"/etc/ssl/authorities.pem"`
	// Sign in with an IAM token if the URL has no password.
	IAMAuth bool `env:"DATABASE_IAM_AUTH" envDefault:"false" from:"template"`

	// ReadURL is URL at the host of ReplicaConfig; zero for no replica.
	ReadURL config.Sealed
	// MaxConns limits the pool. 0 means defaultMaxConns.
	MaxConns int
	// Renew reads the configuration again, for a rotated password. Nil means that passwords are never renewed.
	Renew func(ctx context.Context) (Config, error)
}

// ReplicaConfig configures the read replica.
type ReplicaConfig struct {
	// Send reads that may lag behind to the read replica at this host, with the user, password and database of
	// DATABASE_URL. Name a port if it differs, such as "replica.example:5433". Empty: they use DATABASE_URL.
	Host string `env:"DATABASE_READ_HOST" example:"replica.example"`
}

// Validate implements the check of config.Env.Read.
func (c ReplicaConfig) Validate() error {
	if c.Host == "" {
		return nil
	}
	if u, err := url.Parse("postgres://" + c.Host); err != nil || u.Host != c.Host || u.Hostname() == "" || strings.Contains(c.Host, ",") {
		return errors.New("DATABASE_READ_HOST: must be one host, optionally with a port")
	}
	return nil
}

// at returns a URL, which Validate checks, at another host. The port stays unless host has one.
func at(address config.Sealed, host string) config.Sealed {
	u, err := url.Parse(address.Reveal())
	if err != nil || host == "" {
		return config.Sealed{}
	}
	port := u.Port()
	if u.Host = host; u.Port() == "" && port != "" {
		u.Host += ":" + port
	}
	return config.Seal(u.String())
}

// KeeperConfig holds the password of the role keeper, which seals the ledger.
type KeeperConfig struct {
	// The password of the role keeper, as which maintain and the operator's tool use DATABASE_URL; migrate sets it. It is
	// in printable ASCII. Empty: they sign in as the URL says, or as keeper with IAM.
	Password config.Sealed `env:"KEEPER_DATABASE_PASSWORD"`
}

// keeperRole is the role of maintain and of the operator's tool; package migrations creates it.
const keeperRole = "keeper"

// ReadKeeperConfig reads Config and KeeperConfig, and signs in as the role keeper.
func ReadKeeperConfig(env *config.Env) Config {
	c := config.Read[Config](env)
	c.URL = asKeeper(c.URL, config.Read[KeeperConfig](env).Password, c.IAMAuth)
	c.Renew = renew(env, ReadKeeperConfig)
	return c
}

// asKeeper replaces the user and the password of a URL, which Validate checks.
func asKeeper(address, password config.Sealed, iam bool) config.Sealed {
	u, err := url.Parse(address.Reveal())
	switch {
	case err != nil:
		return address
	case iam:
		u.User = url.User(keeperRole)
	case !password.IsZero():
		u.User = url.UserPassword(keeperRole, password.Reveal())
	}
	return config.Seal(u.String())
}

// ReadConfig reads Config from env, which collects the errors.
func ReadConfig(env *config.Env) Config {
	c := config.Read[Config](env)
	c.Renew = renew(env, ReadConfig)
	return c
}

// ReadConfigWithReplica reads Config and ReplicaConfig.
func ReadConfigWithReplica(env *config.Env) Config {
	c := config.Read[Config](env)
	c.ReadURL = at(c.URL, config.Read[ReplicaConfig](env).Host)
	c.Renew = renew(env, ReadConfigWithReplica)
	return c
}

// renew returns a function that reads the configuration again from secrets that may have changed.
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
	_, err := config.AddRoots(nil, "TLS_CA_FILE", c.CAFile)
	return errors.Join(append(problems, err)...)
}

func (c Config) writer() Server { return Server{c.URL, c.CAFile, c.IAMAuth} }
func (c Config) reader() Server { return Server{c.ReadURL, c.CAFile, c.IAMAuth} }

const (
	pingTimeout       = 500 * time.Millisecond
	pingAfterIdle     = 60 * time.Second // after a shorter idle time, repeating the transaction covers a dead connection
	maxConnLifetime   = 10 * time.Minute
	maxConnIdleTime   = 5 * time.Minute // below RDS Proxy's IdleClientTimeout (30 min)
	healthCheckPeriod = time.Hour       // its goroutine is useless in a frozen environment
	maxPool           = 8
	closeTimeout      = 250 * time.Millisecond // below the 300 ms that Lambda allows at shutdown
)

// defaultMaxConns returns one connection per concurrent event of the environment, and at least a second one for work
// alongside it. More would take connections from other environments.
func defaultMaxConns() int { return min(max(2, lambdacontext.MaxConcurrency()), maxPool) }

// DB is a pool of connections to one server. It is safe for concurrent use.
type DB struct {
	pool          *pgxpool.Pool
	login         *login
	pingAfterIdle time.Duration
	alongside     func(ctx context.Context) // nil: none
}

// Alongside sets a function that starts work with every transaction, such as writing statistics to Redis. start must
// return at once; nothing waits for the work. Call Alongside before the DB is used.
func (db *DB) Alongside(start func(ctx context.Context)) { db.alongside = start }

// New returns the pool of the writer. It does no network I/O; Warm does.
func New(ctx context.Context, cfg Config) (*DB, error) {
	db, err := newDB(ctx, cfg, Config.writer)
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL: %w", err)
	}
	return db, nil
}

func newDB(ctx context.Context, cfg Config, which func(Config) Server) (*DB, error) {
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
		return nil, fmt.Errorf("create pool: %w", err)
	}
	return &DB{pool: pool, login: login, pingAfterIdle: pingAfterIdle}, nil
}

// Warm opens the first connection, so that no visitor waits for it. Callers can ignore the error: the next transaction
// tries again.
func (db *DB) Warm(ctx context.Context) error {
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, refused(err))
	}
	conn.Release()
	return nil
}

// Ping checks the server in one round trip. Its error is ErrUnavailable.
func (db *DB) Ping(ctx context.Context) error {
	return db.Batch(ctx, func(b *pgx.Batch) { b.Queue("select 1") })
}

// Close closes the connections. It waits up to 250 ms for running transactions.
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
	Acquired         int64         // connections acquired so far
	Waited           time.Duration // total wait for them
}

// Stats returns the pool's statistics.
func (db *DB) Stats() Stats {
	s := db.pool.Stat()
	return Stats{
		Max: int(s.MaxConns()), Open: int(s.TotalConns()), InUse: int(s.AcquiredConns()),
		Dialed: s.NewConnsCount(), Acquired: s.AcquireCount(), Waited: s.AcquireDuration(),
	}
}
