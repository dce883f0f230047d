package migrations

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"

	"newsletter/shared/config"
	"newsletter/shared/postgres"
)

// Config names the database to migrate and the role that will use it.
type Config struct {
	// The database itself, not its proxy, as a role that may create tables and preferably roles.
	URL config.Sealed `env:"MIGRATE_DATABASE_URL,required"`
	// The database role of the functions. The migration creates it if it may.
	AppUser string `env:"APP_DATABASE_USER" envDefault:"app" from:"template"`
	// The password of that role, in printable ASCII. Empty: the role signs in with IAM.
	AppPassword config.Sealed `env:"APP_DATABASE_PASSWORD"`

	KeeperPassword config.Sealed `env:"KEEPER_DATABASE_PASSWORD"`

	CAFile  string `env:"TLS_CA_FILE" from:"local"`
	IAMAuth bool   `env:"DATABASE_IAM_AUTH" envDefault:"false" from:"template"`
}

// Validate implements the check of config.Env.Read.
func (c Config) Validate() error {
	var problems []error
	if err := postgres.CheckURL(c.URL); err != nil {
		problems = append(problems, fmt.Errorf("MIGRATE_DATABASE_URL: %w", err))
	}
	if _, err := config.AddRoots(nil, "TLS_CA_FILE", c.CAFile); err != nil {
		problems = append(problems, err)
	}
	if !roleName.MatchString(c.AppUser) {
		problems = append(problems, errors.New("APP_DATABASE_USER: must have up to 63 lower-case letters, digits and underscores, and begin with no digit"))
	}
	for name, password := range map[string]config.Sealed{"APP_DATABASE_PASSWORD": c.AppPassword, "KEEPER_DATABASE_PASSWORD": c.KeeperPassword} {
		if strings.ContainsFunc(password.Reveal(), func(r rune) bool { return r < ' ' || r > '~' }) { // others need SASLprep; RDS refuses them
			problems = append(problems, fmt.Errorf("%s: must have printable ASCII characters only", name))
		}
	}
	return errors.Join(problems...)
}

// roleName matches names that need no quoting.
var roleName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

const (
	// lockLease is how long a killed migrator blocks the next one.
	lockLease = 15 * time.Second
	// lockInterval and lockTries limit the wait for another migrator to 14 min, just below the maximum timeout of a
	// Lambda function. The caller's deadline may end it earlier.
	lockInterval = 500 * time.Millisecond
	lockTries    = 14 * 60 * 2
	// unlockTries limits the attempts to release the lock; a lost lease cannot be released.
	unlockTries = 4
	// upTries limits the attempts of Up if a table stays in use for longer than lock_timeout.
	upTries = 5
	upPause = 2 * time.Second
)

// sessionSQL starts every connection of a migrator. It waits only briefly for a table in use, because all other
// sessions queue behind it. Its statements may run for long, but end when the migrator is dead.
const sessionSQL = `
set search_path = public;
set statement_timeout = 0;
set idle_in_transaction_session_timeout = 0;
set lock_timeout = '3s';
set client_connection_check_interval = '1s'`

// Runner migrates one database. It is safe for concurrent use; the lease lets one command run at a time.
type Runner struct {
	cfg    Config
	server postgres.Server
	conn   *pgx.ConnConfig
	fsys   fs.FS
	files  []file
	texts  texts
	lease  time.Duration
}

// New returns a Runner. It does no network I/O; each command opens and closes its own connections.
func New(cfg Config) (*Runner, error) {
	return newRunner(cfg, embedded, texts{schema: expectedSchema, grants: grantsSQL})
}

// texts are the texts that accompany the files.
type texts struct{ schema, grants string }

func newRunner(cfg Config, fsys fs.FS, t texts) (*Runner, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	server := postgres.Server{URL: cfg.URL, CAFile: cfg.CAFile, IAMAuth: cfg.IAMAuth}
	conn, err := server.ConnConfig()
	if err != nil {
		return nil, fmt.Errorf("MIGRATE_DATABASE_URL: %w", err)
	}
	files, err := list(fsys)
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	return &Runner{cfg: cfg, server: server, conn: conn, fsys: fsys, files: files, texts: t, lease: lockLease}, nil
}

// session is a command's connections and what it knows of the database's roles.
type session struct {
	*Runner
	db       *sql.DB
	roles    roles
	warnings []string
}

// open connects as the role that owns the schema. With bootstrap it first creates the roles, if allowed.
func (r *Runner) open(ctx context.Context, bootstrap bool) (*session, error) {
	s := &session{Runner: r}
	cc := r.conn.Copy()
	if err := r.server.SignIn(ctx, cc); err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, cc)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if bootstrap {
		if _, err := conn.Exec(ctx, sessionSQL); err != nil {
			return nil, fmt.Errorf("set up the session: %w", err)
		}
		if s.warnings, err = r.bootstrap(ctx, conn); err != nil {
			return nil, err
		}
	}
	if s.roles, err = readRoles(ctx, conn, r.cfg.AppUser); err != nil {
		return nil, err
	}
	s.db = stdlib.OpenDB(*r.conn, stdlib.OptionBeforeConnect(r.server.SignIn), stdlib.OptionAfterConnect(s.begin))
	return s, nil
}

func (s *session) begin(ctx context.Context, conn *pgx.Conn) error {
	if s.roles.owner() != s.roles.Current {
		if _, err := conn.Exec(ctx, "set role "+quote(s.roles.owner())); err != nil {
			return fmt.Errorf("set role to the owner of the schema: %w", err)
		}
	}
	_, err := conn.Exec(ctx, sessionSQL)
	return wrap("set up the session", err)
}

// locked runs work while it holds the migration lock.
func (s *session) locked(ctx context.Context, work func() error) (err error) {
	locker, err := lock.NewPostgresTableLocker(
		lock.WithTableLeaseDuration(s.lease), lock.WithTableHeartbeatInterval(s.lease/5),
		lock.WithTableLockTimeout(lockInterval, lockTries), lock.WithTableUnlockTimeout(lockInterval, unlockTries),
		lock.WithTableRetryPolicy(waitable), lock.WithTableLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return fmt.Errorf("create the lock: %w", err)
	}
	if err := locker.Lock(ctx, s.db); err != nil {
		return fmt.Errorf("wait for another migrator to end: %w", err)
	}
	defer func() {
		err = errors.Join(err, wrap("give the lock back", locker.Unlock(ctx, s.db)))
	}()
	return work()
}

// waitable reports whether retrying to lock may help: another migrator holds the lock, or the error is transient.
func waitable(err error) bool {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return true
	}
	switch refused.Code[:2] {
	case "08", "40", "53", "55", "57":
		return true
	}
	return false
}

// provider returns a goose provider for one command, and the recorder of its last statement.
func (s *session) provider() (_ *goose.Provider, last *lastStatement, err error) {
	versions, err := newStore(s.files)
	if err != nil {
		return nil, nil, err
	}
	last = &lastStatement{}
	provider, err := goose.NewProvider(database.DialectCustom, s.db, s.fsys, goose.WithStore(versions),
		goose.WithDisableGlobalRegistry(true), goose.WithVerbose(true), goose.WithSlog(slog.New(last)))
	return provider, last, wrap("read the migrations", err)
}

// Close implements io.Closer. It is a no-op: each command closes its connections.
func (*Runner) Close() error { return nil }
