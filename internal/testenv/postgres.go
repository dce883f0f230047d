package testenv

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"newsletter/internal/child"
	"newsletter/migrations"
	"newsletter/shared/config"
)

const template = "newsletter_template"

// Database is a migrated database of one test.
type Database struct {
	Name string
	// AppURL is the functions' connection: as the role "app", through PgBouncer if installed, with TLS.
	AppURL string
	// DirectURL connects as "app" without PgBouncer, AdminURL as the superuser.
	DirectURL, AdminURL string
	// ServerURL connects the superuser to the server's own database, for statements about this one.
	ServerURL string
	// MasterURL connects as RDS's master user, who owns the database; empty except for RDS.
	MasterURL   string
	CAFile      string
	AppPassword string
}

// makeTemplate migrates the database that test databases are cloned from.
func (s *Servers) makeTemplate(ctx context.Context) error {
	if err := s.exec(ctx, "create database "+template); err != nil {
		return err
	}
	runner, err := migrations.New(migrations.Config{
		URL: config.Seal(s.adminURL(template)), CAFile: s.CAFile, AppUser: AppUser, AppPassword: config.Seal(s.AppPassword),
	})
	if err != nil {
		return err
	}
	if _, err := runner.Up(ctx); err != nil {
		return fmt.Errorf("migrate the template: %w", err)
	}
	return runner.Close()
}

// Postgres creates a database for a test. It is dropped if the test passes. If the test fails, it is kept, and the
// command that opens it is logged.
func Postgres(t testing.TB) *Database {
	t.Helper()
	return database(t, template)
}

// EmptyPostgres creates a database without tables, for tests of the migrations.
func EmptyPostgres(t testing.TB) *Database {
	t.Helper()
	return database(t, "template1")
}

func database(t testing.TB, from string) *Database {
	t.Helper()
	s := required(t)
	name := nameFor(t)
	db, err := s.create(t.Context(), name, from)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the database is kept while the servers run: psql '%s'", db.AdminURL)
			return
		}
		if err := db.Record(context.Background(), false); err != nil {
			t.Errorf("record the test's database: %v", err)
		}
		if err := s.exec(context.Background(), fmt.Sprintf("drop database if exists %s with (force)", name)); err != nil {
			t.Errorf("drop the test's database: %v", err)
		}
	})
	return db
}

// NewDatabase creates a migrated database outside a test. It is not dropped.
func (s *Servers) NewDatabase(ctx context.Context, name string) (*Database, error) {
	return s.create(ctx, name, template)
}

func (s *Servers) create(ctx context.Context, name, from string) (*Database, error) {
	if err := s.exec(ctx, fmt.Sprintf("create database %s template %s", name, from)); err != nil {
		return nil, err
	}
	db := &Database{
		Name: name, CAFile: s.CAFile, AppPassword: s.AppPassword, AdminURL: s.adminURL(name), ServerURL: s.PostgresURL,
		DirectURL: s.url(name, AppUser, s.AppPassword, ""),
	}
	db.AppURL = db.DirectURL
	if s.PgBouncer != "" {
		db.AppURL = s.url(name, AppUser, s.AppPassword, s.PgBouncer)
	}
	return db, nil
}

// Version returns the server's major version, such as 17.
func (d *Database) Version(t testing.TB) int {
	t.Helper()
	var number int
	if err := d.ServerConn(t).QueryRow(t.Context(), "select current_setting('server_version_num')::integer").Scan(&number); err != nil {
		t.Fatal(err)
	}
	return number / 10000
}

// URL returns another role's URL of the database, without PgBouncer.
func (d *Database) URL(user, password string) string {
	u, err := url.Parse(d.AdminURL)
	if err != nil {
		panic(err) // the URL is ours
	}
	u.User = url.UserPassword(user, password)
	return u.String()
}

// PgBouncer requires that AppURL goes through PgBouncer, for tests of the pooler.
func PgBouncer(t testing.TB) *Database {
	t.Helper()
	if required(t).PgBouncer == "" {
		missing(t, "pgbouncer")
	}
	return Postgres(t)
}

// Conn opens a connection of the superuser to the database.
func (d *Database) Conn(t testing.TB) *pgx.Conn {
	t.Helper()
	return connect(t, d.AdminURL)
}

// ServerConn opens a connection of the superuser to the server's own database.
func (d *Database) ServerConn(t testing.TB) *pgx.Conn {
	t.Helper()
	return connect(t, d.ServerURL)
}

// AppConn opens a connection of the functions' role.
func (d *Database) AppConn(t testing.TB) *pgx.Conn {
	t.Helper()
	return connect(t, d.DirectURL)
}

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// exec runs one statement as the superuser.
func (s *Servers) exec(ctx context.Context, statement string) error {
	conn, err := pgx.Connect(ctx, s.PostgresURL)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}

func (s *Servers) adminURL(database string) string {
	u, err := url.Parse(s.PostgresURL)
	if err != nil {
		panic(err) // the URL is ours
	}
	u.Path = "/" + database
	return u.String()
}

// url returns another role's URL of a database; addr replaces the server's address.
func (s *Servers) url(database, user, password, addr string) string {
	u, err := url.Parse(s.adminURL(database))
	if err != nil {
		panic(err)
	}
	u.User = url.UserPassword(user, password)
	if addr != "" {
		u.Host = addr
	}
	return u.String()
}

// nameFor returns a unique database name that contains the test's name.
func nameFor(t testing.TB) string {
	readable := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(t.Name()))
	unique := sha256.Sum256([]byte(t.Name() + random()))
	return fmt.Sprintf("t_%.40s_%s", readable, hex.EncodeToString(unique[:4]))
}

// startPgBouncer starts the substitute for RDS Proxy: transaction mode, TLS on both sides, no session state.
func (s *Servers) startPgBouncer() error {
	path := program("pgbouncer", "/usr/sbin", "/opt/homebrew/bin", "/usr/local/bin")
	if path == "" {
		return nil
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	home, uid, gid, err := s.folder("pgbouncer")
	if err != nil {
		return err
	}
	server, err := url.Parse(s.PostgresURL)
	if err != nil {
		return err
	}
	settings := fmt.Sprintf(`[databases]
* = host=127.0.0.1 port=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
pool_mode = transaction
auth_type = scram-sha-256
auth_file = %s/users
max_client_conn = 2000
default_pool_size = 20
max_db_connections = 20
server_idle_timeout = 2
server_login_retry = 1
autodb_idle_timeout = 5
server_tls_sslmode = verify-full
server_tls_ca_file = %s/ca.crt
client_tls_sslmode = require
client_tls_cert_file = %s/server.crt
client_tls_key_file = %s/server.key
logfile = %s/pgbouncer.log
pidfile =
`, server.Port(), port, home, home, home, home, home)
	users := fmt.Sprintf("%q %q\n", AppUser, s.AppPassword)
	for name, content := range map[string]string{"pgbouncer.ini": settings, "users": users} {
		if err := writeFor(filepath.Join(home, name), content, uid, gid); err != nil {
			return err
		}
	}
	c, err := child.Start(child.Options{Path: path, Args: []string{filepath.Join(home, "pgbouncer.ini")}, UID: uid, GID: gid, StopSignal: "INT"})
	if err != nil {
		return err
	}
	s.children = append(s.children, c)
	s.PgBouncer = local(port)
	return awaitPort(c, s.PgBouncer)
}
