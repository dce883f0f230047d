// Package testenv starts real servers for tests: PostgreSQL, PgBouncer in transaction mode over TLS, and Redis over
// TLS.
//
// All tests of a process share the servers, as do all packages if `go run ./internal/testenv/run -- go test …`
// started them. Each test has a database of its own, cloned from one that is migrated once. A missing server skips
// the test with the command that installs the server; with CI=true the test fails.
package testenv

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"newsletter/internal/child"
	"newsletter/internal/pgserver"
	"newsletter/internal/pki"
)

// dirVariable names the folder of servers that another process started.
const dirVariable = "TESTENV_DIR"

// Servers are the servers of the tests. Other processes read the exported fields from state.json.
type Servers struct {
	Dir         string
	CAFile      string
	TLS         pki.Files
	PostgresURL string // of the superuser, database "postgres"
	AppPassword string // of the role "app"
	PgBouncer   string // "host:port"; empty if it is missing
	RedisAddr   string // "host:port"; empty if it is missing
	RedisSecret string

	postgres *pgserver.Server
	children []*child.Child
}

// AppUser is the role of the functions in tests.
const AppUser = "app"

var shared = sync.OnceValues(func() (*Servers, error) {
	if dir := os.Getenv(dirVariable); dir != "" {
		return find(dir)
	}
	dir, err := os.MkdirTemp("", "newsletter-test-")
	if err != nil {
		return nil, err
	}
	if err := sweepAfterUs(dir); err != nil {
		return nil, err
	}
	return StartServers(context.Background(), dir)
})

// sweepAfterUs removes the folder after this process has ended, because `go test` has no hook for that.
func sweepAfterUs(dir string) error {
	const sweep = `trap 'sleep 3; rm -rf "$0"; exit' TERM; while :; do sleep 3600 & wait $!; done`
	_, err := child.Start(child.Options{Path: "/bin/sh", Args: []string{"-c", sweep, dir}})
	return err
}

// find reads state.json of the process that started the servers.
func find(dir string) (*Servers, error) {
	content, err := os.ReadFile(filepath.Join(dir, "state.json"))
	if err != nil {
		return nil, err
	}
	var s Servers
	return &s, json.Unmarshal(content, &s)
}

// StartServers starts the installed servers and writes state.json into dir. PostgreSQL is required; PgBouncer and
// Redis are optional.
func StartServers(ctx context.Context, dir string) (*Servers, error) {
	return StartServersWith(ctx, dir, nil)
}

// StartServersWith starts the servers with additional PostgreSQL settings.
func StartServersWith(ctx context.Context, dir string, settings map[string]string) (*Servers, error) {
	if err := os.Chmod(dir, 0o755); err != nil { // the servers may run as another user
		return nil, err
	}
	files, err := pki.Ensure(filepath.Join(dir, "pki"))
	if err != nil {
		return nil, err
	}
	s := &Servers{Dir: dir, CAFile: files.CA, TLS: files, AppPassword: random(), RedisSecret: random()}
	all := map[string]string{"max_connections": "400", "max_prepared_transactions": "0"}
	maps.Copy(all, settings)
	s.postgres, err = pgserver.Start(ctx, pgserver.Options{Dir: filepath.Join(dir, "postgres"), TLS: files, Throwaway: true, Settings: all})
	if err != nil {
		return nil, err
	}
	s.PostgresURL = s.postgres.AdminURL("postgres")
	if err := s.makeTemplate(ctx); err != nil {
		s.Stop()
		return nil, err
	}
	if err := s.startPgBouncer(); err != nil {
		s.Stop()
		return nil, err
	}
	if s.RedisAddr, err = s.startRedis(); err != nil {
		s.Stop()
		return nil, err
	}
	content, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	return s, os.WriteFile(filepath.Join(dir, "state.json"), content, 0o600)
}

// Stop ends the servers and removes their data.
func (s *Servers) Stop() {
	for _, c := range s.children {
		c.Stop(5 * time.Second)
	}
	if s.postgres != nil {
		s.postgres.Stop()
	}
	_ = pgserver.Remove(filepath.Join(s.Dir, "postgres")) // in the temporary folder; leftovers are small
	_ = os.RemoveAll(s.Dir)
}

// CrashPostgres kills and restarts PostgreSQL. It requires servers that this process started.
func (s *Servers) CrashPostgres(ctx context.Context) error {
	if err := s.postgres.Child().Signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-s.postgres.Child().Done()
	for {
		err := s.postgres.Restart(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		select { // the killed server's backends must exit first
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// required returns the shared servers. They end with the process, see package child.
func required(t testing.TB) *Servers {
	t.Helper()
	if testing.Short() {
		t.Skip("real servers are left out with -short")
	}
	s, err := shared()
	if err != nil {
		t.Fatalf("start the test servers: %v", err)
	}
	return s
}

// TrustedBySystem runs the calling test again in a process whose system roots are only the servers' authority, and
// reports whether this is that process. A process reads the system roots once, so a test cannot change them.
func TrustedBySystem(t *testing.T) bool {
	t.Helper()
	s := required(t)
	if os.Getenv("SSL_CERT_FILE") == s.CAFile {
		return true
	}
	again := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^"+t.Name()+"$")
	again.Env = append(os.Environ(), dirVariable+"="+s.Dir, "SSL_CERT_FILE="+s.CAFile, "SSL_CERT_DIR="+t.TempDir())
	output, err := again.CombinedOutput()
	if err != nil || !bytes.Contains(output, []byte("PASS")) || bytes.Contains(output, []byte("no tests to run")) {
		t.Errorf("with the servers' authority as system root: %v\n%s", err, output)
	}
	return false
}

// missing skips a test whose server is not installed, or fails it in CI.
func missing(t testing.TB, what string) {
	t.Helper()
	message := fmt.Sprintf("%s is not installed; `make setup` installs it", what)
	if os.Getenv("CI") == "true" {
		t.Fatal(message)
	}
	t.Skip(message)
}

func random() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// awaitPort waits until the port accepts connections or the server has ended.
func awaitPort(c *child.Child, addr string) error {
	deadline := time.After(30 * time.Second)
	for {
		if conn, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			return conn.Close()
		}
		select {
		case <-c.Done():
			return fmt.Errorf("the server ended at once: %w", c.Err())
		case <-deadline:
			c.Stop(time.Second)
			return fmt.Errorf("nothing listens on %s", addr)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Missing names the servers that are not installed, what is not tested without them, and the command that installs
// them.
func (s *Servers) Missing() []string {
	var lines []string
	if s.PgBouncer == "" {
		lines = append(lines, "tests through PgBouncer; `make setup` installs it")
	}
	if s.RedisAddr == "" {
		lines = append(lines, "tests on a real Redis; `make setup` installs redis-server")
	}
	return lines
}
