// Package postgres opens a pgx pool through RDS Proxy and runs transactions in exactly two network round trips.
//
// It keeps no session state: no SET, no session lock, no named statement, because each of them pins a proxy's session
// (DESIGN §7). TLS is always verified against the host's name. Statement timeouts stand on the database role; a
// client-side cancel request does not reach the server through RDS Proxy.
//
// Failure policy: what can be repeated is repeated once within the deadline; then ErrUnavailable wraps the cause, or
// ErrBusy says that somebody else holds the lock. After either, nothing is known to be committed and repeating the whole
// idempotent transaction is safe.
package postgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/feature/rds/auth"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"newsletter/shared/awssdk"
	"newsletter/shared/config"
)

// Config says where the database is.
type Config struct {
	// URL is the database behind RDS Proxy, such as "postgres://app@proxy.example:5432/newsletter". It must not ask for
	// less than sslmode=verify-full, which is what it gets without asking.
	URL config.Sealed `env:"DATABASE_URL,required"`
	// ReadURL is a read replica for analytics. Defaults to none: reads go to URL.
	ReadURL config.Sealed `env:"DATABASE_READ_URL"`
	// CAFile is a file of PEM certificates that the server's certificate is checked against. Defaults to the system's
	// roots, which know RDS Proxy's certificates (ACM).
	CAFile string `env:"DATABASE_CA_FILE"`
	// IAMAuth signs in with an IAM token of 15 min instead of a password. Defaults to false.
	IAMAuth bool `env:"DATABASE_IAM_AUTH" envDefault:"false"`
}

// ReadConfig reads Config.
func ReadConfig(e *config.Env) Config {
	var c Config
	e.Read(&c)
	return c
}

// Validate implements the check of config.Env.Read.
func (c Config) Validate() error {
	for name, url := range map[string]config.Sealed{"DATABASE_URL": c.URL, "DATABASE_READ_URL": c.ReadURL} {
		if url.IsZero() {
			continue
		}
		if _, err := pgx.ParseConfig(url.Reveal()); err != nil { // its message repeats parts of the URL
			return fmt.Errorf("%s: not a valid PostgreSQL URL", name)
		}
	}
	return nil
}

const (
	connectTimeout    = 3 * time.Second // DESIGN §7
	pingTimeout       = 500 * time.Millisecond
	pingAfterIdle     = 60 * time.Second // shorter idle times are covered by repeating the transaction
	maxConnLifetime   = 10 * time.Minute
	maxConnIdleTime   = 5 * time.Minute // below RDS Proxy's IdleClientTimeout
	healthCheckPeriod = time.Hour       // its goroutine is noise in a frozen environment
	maxPool           = 8
)

// DB is a pool of connections to one server. It is safe for concurrent use.
type DB struct {
	pool *pgxpool.Pool
}

// Open makes the pool of the writer. It does no I/O; Warm dials.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	return open(ctx, cfg, cfg.URL)
}

func open(ctx context.Context, cfg Config, url config.Sealed) (*DB, error) {
	pc, err := pgxpool.ParseConfig(url.Reveal())
	if err != nil {
		return nil, errors.New("DATABASE_URL: not a valid PostgreSQL URL")
	}
	if err := verifyTLS(pc.ConnConfig, cfg.CAFile); err != nil {
		return nil, err
	}
	pc.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	pc.ConnConfig.StatementCacheCapacity = 0
	pc.ConnConfig.DescriptionCacheCapacity = 0
	pc.ConnConfig.ConnectTimeout = connectTimeout
	clear(pc.ConnConfig.RuntimeParams) // RDS Proxy refuses what it does not know
	pc.ConnConfig.RuntimeParams["application_name"] = "newsletter"
	// One connection serves an environment; a second lets health look beside it. More only where Lambda sends several
	// events at a time.
	pc.MaxConns = int32(min(max(2, lambdacontext.MaxConcurrency()), maxPool))
	pc.MinConns, pc.MinIdleConns = 0, 0
	pc.MaxConnLifetime, pc.MaxConnLifetimeJitter = maxConnLifetime, maxConnLifetime/10
	pc.MaxConnIdleTime = maxConnIdleTime
	pc.HealthCheckPeriod = healthCheckPeriod
	pc.PingTimeout = pingTimeout
	pc.ShouldPing = func(_ context.Context, p pgxpool.ShouldPingParams) bool { return p.IdleDuration > pingAfterIdle }
	if cfg.IAMAuth {
		pc.BeforeConnect = signIn
	}
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("make the pool: %w", err)
	}
	return &DB{pool: pool}, nil
}

// verifyTLS makes every way to connect check the certificate and the host's name, whatever the URL says.
func verifyTLS(cc *pgx.ConnConfig, caFile string) error {
	roots, err := rootCAs(caFile)
	if err != nil {
		return err
	}
	cc.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: cc.Host, RootCAs: roots}
	for _, fallback := range cc.Fallbacks {
		fallback.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: fallback.Host, RootCAs: roots}
	}
	return nil
}

// rootCAs reads a PEM file; nil stands for the system's roots.
func rootCAs(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("DATABASE_CA_FILE: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("DATABASE_CA_FILE: no PEM certificate in it")
	}
	return roots, nil
}

// signIn puts a fresh IAM token into each new connection. It is signed here, without a call.
func signIn(ctx context.Context, cc *pgx.ConnConfig) error {
	endpoint := net.JoinHostPort(cc.Host, strconv.Itoa(int(cc.Port)))
	token, err := auth.BuildAuthToken(ctx, endpoint, awssdk.Region(), cc.User, awssdk.Credentials())
	if err != nil {
		return fmt.Errorf("sign in with IAM: %w", err)
	}
	cc.Password = token
	return nil
}

// Warm opens the first connection, so that no visitor waits for it.
func (db *DB) Warm(ctx context.Context) error {
	if err := db.pool.Ping(ctx); err != nil {
		return fmt.Errorf("connect to the database: %w", err)
	}
	return nil
}

// Ping asks the server for an answer.
func (db *DB) Ping(ctx context.Context) error {
	return db.Batch(ctx, func(b *pgx.Batch) { b.Queue("select 1") })
}

// Close ends all connections.
func (db *DB) Close() { db.pool.Close() }

// Stats describes the pool.
type Stats struct {
	Max, Open, InUse int32
	Acquired         int64         // how often a connection was taken
	Waited           time.Duration // for how long in all
}

// Stats gives the pool's figures.
func (db *DB) Stats() Stats {
	s := db.pool.Stat()
	return Stats{Max: s.MaxConns(), Open: s.TotalConns(), InUse: s.AcquiredConns(), Acquired: s.AcquireCount(), Waited: s.AcquireDuration()}
}
