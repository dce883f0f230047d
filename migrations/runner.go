package migrations

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"

	"newsletter/shared/config"
)

// Config says where to migrate, and who will use it.
type Config struct {
	// URL is the database itself, not its proxy, for a role that may create tables and, better, roles.
	URL config.Sealed `env:"MIGRATE_DATABASE_URL,required"`
	// CAFile is a file of PEM certificates that the server's certificate is checked against. Defaults to the system's
	// roots; RDS needs its own bundle.
	CAFile string `env:"DATABASE_CA_FILE"`
	// AppUser is the role of the functions. Defaults to "app".
	AppUser string `env:"APP_DATABASE_USER" envDefault:"app"`
	// AppPassword is that role's password. Defaults to none: the role signs in with IAM.
	AppPassword config.Sealed `env:"APP_DATABASE_PASSWORD"`
}

// ReadConfig reads Config.
func ReadConfig(e *config.Env) Config {
	var c Config
	e.Read(&c)
	return c
}

const (
	// lockLease is how long a killed migrator holds up the next one (DESIGN §4).
	lockLease     = 15 * time.Second
	lockHeartbeat = 3 * time.Second
	// lockWait bounds the wait for another migrator, in tries of lockInterval.
	lockInterval = 500 * time.Millisecond
	lockTries    = 600
)

// Runner applies the migrations to one database. It is not safe for concurrent use; several Runners are.
type Runner struct {
	cfg  Config
	conn *pgx.ConnConfig
	db   *sql.DB
}

// New makes a Runner. It does no I/O.
func New(cfg Config) (*Runner, error) {
	cc, err := pgx.ParseConfig(cfg.URL.Reveal())
	if err != nil {
		return nil, errors.New("MIGRATE_DATABASE_URL: not a valid PostgreSQL URL")
	}
	roots, err := rootCAs(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	if roots == nil && cc.TLSConfig != nil {
		roots = cc.TLSConfig.RootCAs
	}
	cc.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: cc.Host, RootCAs: roots}
	cc.Fallbacks = nil
	return &Runner{cfg: cfg, conn: cc, db: stdlib.OpenDB(*cc)}, nil
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

// Close ends the connections.
func (r *Runner) Close() error { return r.db.Close() }

// Migration is one file and where it stands.
type Migration struct {
	Version    int64      `json:"version"`
	File       string     `json:"file"`
	AppliedAt  *time.Time `json:"applied_at,omitempty"`
	DurationMS int64      `json:"duration_ms,omitempty"` // of this run
	Error      string     `json:"error,omitempty"`
}

// Result is what a command did.
type Result struct {
	Command    string      `json:"command"`
	Version    int64       `json:"version"` // of the database, after it
	Migrations []Migration `json:"migrations"`
	Warnings   []string    `json:"warnings,omitempty"`
	Problems   []string    `json:"problems,omitempty"` // what Validate found
}

func (r *Runner) provider(db *sql.DB, locked bool) (*goose.Provider, error) {
	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	if locked {
		locker, err := lock.NewPostgresTableLocker(
			lock.WithTableLeaseDuration(lockLease), lock.WithTableHeartbeatInterval(lockHeartbeat),
			lock.WithTableLockTimeout(lockInterval, lockTries))
		if err != nil {
			return nil, fmt.Errorf("make the lock: %w", err)
		}
		options = append(options, goose.WithLocker(locker))
	}
	provider, err := goose.NewProvider(database.DialectPostgres, db, files, options...)
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	return provider, nil
}

// Up applies what is not applied yet, then brings roles, grants and checksums up to date. A file that was changed after
// it was applied is an error before anything is done.
func (r *Runner) Up(ctx context.Context) (Result, error) {
	provider, err := r.provider(r.db, true)
	if err != nil {
		return Result{Command: "up"}, err
	}
	if changed, err := r.changed(ctx); err != nil || len(changed) > 0 {
		return Result{Command: "up", Problems: changed}, errors.Join(err, failIf(changed, "applied migrations were changed"))
	}
	applied, err := provider.Up(ctx)
	result := r.result(ctx, "up", provider, applied, err)
	if err := errors.Join(named(err), r.recordChecksums(ctx)); err != nil {
		return result, err
	}
	result.Warnings, err = r.bootstrap(ctx)
	return result, err
}

// Down takes the newest applied migration back.
func (r *Runner) Down(ctx context.Context) (Result, error) {
	provider, err := r.provider(r.db, true)
	if err != nil {
		return Result{Command: "down"}, err
	}
	taken, err := provider.Down(ctx)
	var all []*goose.MigrationResult
	if taken != nil {
		all = append(all, taken)
	}
	if errors.Is(err, goose.ErrNoNextVersion) {
		err = errors.New("no migration is applied")
	}
	result := r.result(ctx, "down", provider, all, err)
	return result, errors.Join(named(err), r.recordChecksums(ctx))
}

// Status lists all migrations.
func (r *Runner) Status(ctx context.Context) (Result, error) {
	provider, err := r.provider(r.db, false)
	if err != nil {
		return Result{Command: "status"}, err
	}
	statuses, err := provider.Status(ctx)
	if err != nil {
		return Result{Command: "status"}, fmt.Errorf("read the state of the migrations: %w", err)
	}
	result := Result{Command: "status", Migrations: []Migration{}}
	for _, s := range statuses {
		m := Migration{Version: s.Source.Version, File: s.Source.Path}
		if s.State == goose.StateApplied {
			at := s.AppliedAt.UTC()
			m.AppliedAt = &at
			result.Version = max(result.Version, m.Version)
		}
		result.Migrations = append(result.Migrations, m)
	}
	return result, nil
}

// Latest is the version that the files lead to.
func Latest() (int64, error) {
	sources, err := sources()
	if err != nil || len(sources) == 0 {
		return 0, err
	}
	return sources[len(sources)-1].version, nil
}

func (r *Runner) result(ctx context.Context, command string, p *goose.Provider, done []*goose.MigrationResult, failure error) Result {
	if partial, ok := errors.AsType[*goose.PartialError](failure); ok {
		done = append(partial.Applied, partial.Failed)
	}
	result := Result{Command: command, Migrations: []Migration{}}
	for _, d := range done {
		m := Migration{Version: d.Source.Version, File: d.Source.Path, DurationMS: d.Duration.Milliseconds()}
		if d.Error != nil {
			m.Error = d.Error.Error()
		}
		result.Migrations = append(result.Migrations, m)
	}
	result.Version, _ = p.GetDBVersion(ctx) // 0 where even that fails; the failure is reported beside it
	return result
}

// named says which file failed.
func named(err error) error {
	if partial, ok := errors.AsType[*goose.PartialError](err); ok && partial.Failed != nil {
		return fmt.Errorf("migration %s: %w", partial.Failed.Source.Path, partial.Err)
	}
	return err
}

func failIf(problems []string, what string) error {
	if len(problems) > 0 {
		return fmt.Errorf("%s: %v", what, problems)
	}
	return nil
}
