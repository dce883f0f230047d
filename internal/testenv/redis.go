package testenv

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"newsletter/internal/child"
)

// RedisConfig is the connection of a test to Redis.
type RedisConfig struct {
	URL    string // rediss://, with the password
	CAFile string
	Addr   string // "host:port"
	Secret string
}

func (s *Servers) redisConfig(addr string) RedisConfig {
	return RedisConfig{URL: fmt.Sprintf("rediss://:%s@%s", s.RedisSecret, addr), CAFile: s.CAFile, Addr: addr, Secret: s.RedisSecret}
}

// Redis returns the shared server. Tests isolate themselves by their keys: they use random networks or pseudonym
// keys, and never flush.
func Redis(t testing.TB) RedisConfig {
	t.Helper()
	s := required(t)
	if s.RedisAddr == "" {
		missing(t, "redis-server")
	}
	return s.redisConfig(s.RedisAddr)
}

// PrivateRedis is a server of one test, which may stop, kill, freeze and flush it.
type PrivateRedis struct {
	RedisConfig
	t       testing.TB
	servers *Servers
	port    int
	args    []string
	child   *child.Child
}

// RedisServer starts a server for one test, with extra arguments such as "--cluster-enabled", "yes".
func RedisServer(t testing.TB, args ...string) *PrivateRedis {
	t.Helper()
	s := required(t)
	if redisPath() == "" {
		missing(t, "redis-server")
	}
	r, err := s.NewRedis(args...)
	if err != nil {
		t.Fatal(err)
	}
	r.t = t
	t.Cleanup(r.Stop)
	return r
}

// NewRedis starts a server outside a test. The caller stops it.
func (s *Servers) NewRedis(args ...string) (*PrivateRedis, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	r := &PrivateRedis{RedisConfig: s.redisConfig(local(port)), servers: s, port: port, args: args}
	return r, r.Restart()
}

// Start starts the server again, empty, after Stop or Kill.
func (r *PrivateRedis) Start() {
	r.t.Helper()
	if err := r.Restart(); err != nil {
		r.t.Fatal(err)
	}
}

// Restart starts the server again outside a test.
func (r *PrivateRedis) Restart() (err error) {
	r.child, err = r.servers.redis(r.port, r.args...)
	return err
}

// Stop ends the server. Its contents go to the canary, unless it was killed or frozen.
func (r *PrivateRedis) Stop() {
	_ = r.Record(context.Background())
	r.child.Stop(5 * time.Second)
}

// Kill kills the server.
func (r *PrivateRedis) Kill() {
	_ = r.child.Signal(syscall.SIGKILL)
	<-r.child.Done()
}

// Freeze suspends the server: connections stay open and nothing is answered.
func (r *PrivateRedis) Freeze() { _ = r.child.Signal(syscall.SIGSTOP) }

// Thaw resumes the server.
func (r *PrivateRedis) Thaw() { _ = r.child.Signal(syscall.SIGCONT) }

func redisPath() string {
	return program("redis-server", "/usr/bin", "/opt/homebrew/bin", "/usr/local/bin")
}

func (s *Servers) startRedis() (string, error) {
	if redisPath() == "" {
		return "", nil
	}
	port, err := freePort()
	if err != nil {
		return "", err
	}
	c, err := s.redis(port)
	if err != nil {
		return "", err
	}
	s.children = append(s.children, c)
	return local(port), nil
}

// redis starts a server that speaks only TLS and persists nothing.
func (s *Servers) redis(port int, args ...string) (*child.Child, error) {
	c, err := child.Start(child.Options{Path: redisPath(), Dir: s.Dir, Args: append([]string{
		"--port", "0", "--tls-port", strconv.Itoa(port), "--bind", "127.0.0.1", "--requirepass", s.RedisSecret,
		"--tls-cert-file", s.TLS.Cert, "--tls-key-file", s.TLS.Key, "--tls-ca-cert-file", s.TLS.CA, "--tls-auth-clients", "no",
		"--save", "", "--appendonly", "no", "--loglevel", "warning",
	}, args...)})
	if err != nil {
		return nil, err
	}
	return c, awaitPort(c, local(port))
}

// program finds a server's program on PATH or in the usual folders; it returns "" if there is none.
func program(name string, folders ...string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, folder := range folders {
		path := filepath.Join(folder, name)
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
			return path
		}
	}
	return ""
}

// folder creates a folder with the certificates, for a server that refuses to run as root.
func (s *Servers) folder(name string) (home string, uid, gid uint32, err error) {
	home = filepath.Join(s.Dir, name)
	if err := os.MkdirAll(home, 0o755); err != nil {
		return "", 0, 0, err
	}
	if os.Geteuid() == 0 {
		nobody, err := user.Lookup("nobody")
		if err != nil {
			return "", 0, 0, err
		}
		u, _ := strconv.ParseUint(nobody.Uid, 10, 32) // numeric where root is 0
		g, _ := strconv.ParseUint(nobody.Gid, 10, 32)
		uid, gid = uint32(u), uint32(g)
		if err := os.Chown(home, int(uid), int(gid)); err != nil {
			return "", 0, 0, err
		}
	}
	for from, to := range map[string]string{s.TLS.CA: "ca.crt", s.TLS.Cert: "server.crt", s.TLS.Key: "server.key"} {
		content, err := os.ReadFile(from)
		if err != nil {
			return "", 0, 0, err
		}
		if err := writeFor(filepath.Join(home, to), string(content), uid, gid); err != nil {
			return "", 0, 0, err
		}
	}
	return home, uid, gid, nil
}

// writeFor writes a file that only one user can read; 0 is the current user.
func writeFor(path, content string, uid, gid uint32) error {
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil || uid == 0 {
		return err
	}
	return os.Chown(path, int(uid), int(gid))
}
