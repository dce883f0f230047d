// Package pgserver runs a real PostgreSQL with TLS and passwords for the local stack and the tests, as root or as a
// normal user.
//
// It uses the newest installed version, or the version in POSTGRES_VERSION, and downloads missing programs once.
// PostgreSQL refuses to run as root, so root runs it as the user "postgres", or "nobody" if there is none. The server
// ends with this process, even if the process is killed; data survives as after a crash.
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

	"newsletter/internal/local/child"
	"newsletter/internal/local/pki"
)

// Options configure a server.
type Options struct {
	Dir  string // for data, password and log
	Port int    // 0 takes a free one
	TLS  pki.Files
	// Throwaway trades safety for speed: nothing is flushed to disk.
	Throwaway bool
	// Settings are additional lines of postgresql.conf, by name.
	Settings map[string]string
}

// superuser is the name of the server's first role.
const superuser = "postgres"

// startTimeout limits the wait for a server, which may first have to recover from a crash.
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

// Start creates the data folder if necessary, and starts the server.
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

// Restart starts the server after Stop or a kill. A killed server's children keep its shared memory until they
// notice; until then PostgreSQL refuses to start, and Restart retries.
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

// errEnded is the error of launch for a program that ended before it answered. oldChildrenAlive is PostgreSQL's hint
// while children of a killed server still run (CreateLockFile and PGSharedMemoryCreate).
var errEnded = errors.New("PostgreSQL ended immediately")

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

// prepare creates the data folder and writes the settings of this run.
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
		"log_parameter_max_length_on_error": "0", // values in errors may be addresses
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

// initialize runs initdb in a temporary folder and renames it, so that an interrupted run leaves no partial data
// folder.
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

// URL returns the URL of a database for a role, with certificate verification.
func (s *Server) URL(database, user, password string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(user, password), Host: s.Addr(), Path: "/" + database,
		RawQuery: url.Values{"sslmode": {"verify-full"}, "sslrootcert": {s.options.TLS.CA}}.Encode(),
	}
	return u.String()
}

// AdminURL returns the URL of a database for the superuser.
func (s *Server) AdminURL(database string) string { return s.URL(database, superuser, s.password) }

// Addr returns the server's "host:port".
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Port returns the server's port.
func (s *Server) Port() int { return s.port }

// Bin returns the folder of the server's programs, such as pgbench.
func (s *Server) Bin() string { return s.bin }

// LogFile returns the path of the server's log.
func (s *Server) LogFile() string { return filepath.Join(filepath.Dir(s.data), "postgresql.log") }

// Child returns the server's process, for fault injection.
func (s *Server) Child() *child.Child { return s.child }

// Stop ends the server and cuts open connections.
func (s *Server) Stop() { s.child.Stop(20 * time.Second) }

// keptPassword returns the password of an earlier run, or a new one.
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
