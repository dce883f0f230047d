// Package pgserver runs a real PostgreSQL for the local stack and the tests, as root and as a normal user, with TLS and
// passwords on.
//
// The server's programs are the newest of the system, or those of the version that POSTGRES_VERSION names; what is missing
// is downloaded once. PostgreSQL refuses to run as root; then it runs as the user "postgres", or "nobody" where there is
// none. The server ends with this process, however that ends; data survives, as after a crash.
package pgserver

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/internal/child"
	"newsletter/internal/pki"
)

// Options describe a server.
type Options struct {
	Dir  string // where its data, password and log are kept
	Port int    // 0 takes a free one
	TLS  pki.Files
	// Throwaway trades safety for speed: nothing is flushed to disk.
	Throwaway bool
	// Settings are further lines for postgresql.conf: name to value.
	Settings map[string]string
}

// superuser is the name of the server's first role.
const superuser = "postgres"

// startTimeout bounds the wait for a server, which may have to recover from a crash first.
const startTimeout = 60 * time.Second

// Server is a running PostgreSQL. It is safe for concurrent use.
type Server struct {
	options  Options
	account  account
	bin      string
	data     string
	password string
	port     int
	child    *child.Child
}

// Start makes the data folder where there is none, and starts the server.
func Start(ctx context.Context, o Options) (*Server, error) {
	s := &Server{options: o, account: unprivileged(), port: o.Port}
	var err error
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return nil, err
	}
	home, err := s.account.reachable(o.Dir)
	if err != nil {
		return nil, err
	}
	s.data = filepath.Join(home, "data")
	if s.bin, err = s.account.programs(ctx, s.data); err != nil {
		return nil, err
	}
	if s.password, err = keptPassword(filepath.Join(home, "password")); err != nil {
		return nil, err
	}
	if s.port == 0 {
		if s.port, err = freePort(); err != nil {
			return nil, err
		}
	}
	if err := s.prepare(home); err != nil {
		return nil, err
	}
	return s, s.Restart(ctx)
}

// Restart starts the server again after Stop, or after it was killed. A killed
// server's children keep its shared memory until they notice that it is gone:
// so long a new server refuses to start, and is started again.
func (s *Server) Restart(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		err := s.launch(ctx)
		if !errors.Is(err, errEnded) || !strings.Contains(err.Error(), oldChildrenAlive) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// errEnded is what launch says when the program ended before it answered;
// oldChildrenAlive is what PostgreSQL then gives as its hint while the children
// of a killed server are still there (CreateLockFile and PGSharedMemoryCreate).
var errEnded = errors.New("PostgreSQL ended at once")

const oldChildrenAlive = "Terminate any old server processes"

// launch starts the program once and waits until it answers.
func (s *Server) launch(ctx context.Context) error {
	log, err := os.OpenFile(s.LogFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	s.child, err = child.Start(child.Options{
		Path: filepath.Join(s.bin, "postgres"), Args: []string{"-D", s.data, "-p", strconv.Itoa(s.port)}, Dir: filepath.Dir(s.data),
		Log: log, UID: s.account.uid, GID: s.account.gid, StopSignal: "INT", // a fast shutdown
	})
	if err != nil {
		return err
	}
	return s.await(ctx)
}

// await waits until the server answers.
func (s *Server) await(ctx context.Context) error {
	for {
		conn, err := pgx.Connect(ctx, s.URL("postgres", superuser, s.password))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-s.child.Done():
			return fmt.Errorf("%w; see %s: %s", errEnded, s.LogFile(), lastLine(s.LogFile()))
		case <-ctx.Done():
			s.child.Stop(time.Second)
			return fmt.Errorf("wait for PostgreSQL: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// prepare makes the data folder and writes the settings of this run.
func (s *Server) prepare(home string) error {
	if _, err := os.Stat(filepath.Join(s.data, "PG_VERSION")); errors.Is(err, os.ErrNotExist) {
		if err := s.initialize(home); err != nil {
			return err
		}
	}
	certificate, key := filepath.Join(home, "server.crt"), filepath.Join(home, "server.key")
	for from, to := range map[string]string{s.options.TLS.Cert: certificate, s.options.TLS.Key: key} {
		content, err := os.ReadFile(from)
		if err != nil {
			return fmt.Errorf("read a certificate: %w", err)
		}
		if err := s.account.write(to, content); err != nil {
			return err
		}
	}
	settings := map[string]string{
		"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "max_connections": "200",
		"ssl": "on", "ssl_cert_file": certificate, "ssl_key_file": key, "password_encryption": "scram-sha-256",
		"log_parameter_max_length_on_error": "0", // a value in an error is somebody's address
	}
	if s.options.Throwaway {
		for _, name := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
			settings[name] = "off"
		}
	}
	for name, value := range s.options.Settings {
		settings[name] = value
	}
	var lines bytes.Buffer
	for name, value := range settings {
		fmt.Fprintf(&lines, "%s = '%s'\n", name, strings.ReplaceAll(value, "'", "''"))
	}
	if err := s.account.write(filepath.Join(s.data, "postgresql.auto.conf"), lines.Bytes()); err != nil {
		return err
	}
	const onlyTLS = "hostssl all all 127.0.0.1/32 scram-sha-256\n"
	return s.account.write(filepath.Join(s.data, "pg_hba.conf"), []byte(onlyTLS))
}

// initialize runs initdb. A data folder is made beside and moved, so that a broken-off run leaves none.
func (s *Server) initialize(home string) error {
	unfinished := s.data + ".unfinished"
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	passwordFile := filepath.Join(home, "initdb.password")
	if err := s.account.write(passwordFile, []byte(s.password)); err != nil {
		return err
	}
	defer os.Remove(passwordFile)
	initdb := exec.Command(filepath.Join(s.bin, "initdb"), "-D", unfinished, "-U", superuser, "--pwfile", passwordFile,
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-instructions", "--no-sync")
	initdb.Dir = home
	initdb.SysProcAttr = s.account.attributes()
	if output, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("make the data folder of PostgreSQL: %w: %s", err, output)
	}
	return os.Rename(unfinished, s.data)
}

// URL is how a role reaches a database, with the certificate checked.
func (s *Server) URL(database, user, password string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(user, password), Host: s.Addr(), Path: "/" + database,
		RawQuery: url.Values{"sslmode": {"verify-full"}, "sslrootcert": {s.options.TLS.CA}}.Encode(),
	}
	return u.String()
}

// AdminURL is how the superuser reaches a database.
func (s *Server) AdminURL(database string) string { return s.URL(database, superuser, s.password) }

// Addr is the server's "host:port".
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Port is the server's port.
func (s *Server) Port() int { return s.port }

// Bin is the folder of the server's programs, such as pgbench.
func (s *Server) Bin() string { return s.bin }

// LogFile is where the server logs.
func (s *Server) LogFile() string { return filepath.Join(filepath.Dir(s.data), "postgresql.log") }

// Child is the server's process, for fault tests.
func (s *Server) Child() *child.Child { return s.child }

// Stop ends the server; open connections are cut.
func (s *Server) Stop() { s.child.Stop(20 * time.Second) }

// keptPassword is that of an earlier run, or a new one.
func keptPassword(file string) (string, error) {
	if kept, err := os.ReadFile(file); err == nil {
		return string(kept), nil
	}
	random := make([]byte, 16)
	_, _ = rand.Read(random) // never fails
	password := hex.EncodeToString(random)
	return password, os.WriteFile(file, []byte(password), 0o600)
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

func lastLine(file string) string {
	content, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")
	return lines[len(lines)-1]
}
