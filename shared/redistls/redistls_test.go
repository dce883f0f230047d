package redistls_test

import (
	"context"
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"newsletter/internal/fixtures/delayproxy"
	"newsletter/internal/fixtures/testenv"
	"newsletter/internal/local/pki"
	"newsletter/shared/config"
	"newsletter/shared/redistls"
)

func TestConfiguration(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"rediss://:secret@cache.example:6379":     "",
		"rediss://user:secret@cache.example":      "",
		"redis://127.0.0.1:6379":                  "",
		"redis://:secret@[::1]:6379":              "",
		"redis://localhost:6379":                  "",
		"redis://:secret@cache.example:6379":      "TLS",
		"redis://127.0.0.1.example:6379":          "TLS",
		"redis://10.0.0.1:6379":                   "TLS",
		"unix:///run/redis.sock":                  "must be the URL",
		"https://:secret@cache.example":           "must be the URL",
		"rediss://:secret@cache.example:port":     "must be the URL",
		"rediss://:secret@cache.example:6379/one": "must be the URL",
		"secret": "must be the URL",
	} {
		env := config.FromMap(map[string]string{"REDIS_URL": url})
		cfg := config.Read[redistls.Config](env)
		err := env.Err()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", url, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "example")) {
			t.Errorf("%s: the error repeats it: %v", url, err)
		}
		client, opened := redistls.New(cfg)
		if (opened == nil) != (want == "") {
			t.Errorf("%s: New returned %v", url, opened)
		}
		if client != nil {
			client.Close()
		}
	}
}

func TestNoRedis(t *testing.T) {
	t.Parallel()
	client, err := redistls.New(config.Read[redistls.Config](config.FromMap(nil)))
	if client != nil || err != nil {
		t.Fatalf("%v, %v, want no client", client, err)
	}
	if err := redistls.Warm(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

func TestInvalidCertificateFiles(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{"/nowhere/ca.pem": "no such file", empty: "no certificate found"} {
		_, err := redistls.New(redistls.Config{URL: config.Seal("rediss://cache.example:6379"), CAFile: file})
		if err == nil || !strings.HasPrefix(err.Error(), "TLS_CA_FILE: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// TestOptions tests options that another version of the library must not change: each default costs seconds, round
// trips,
// or a second count.
func TestOptions(t *testing.T) {
	t.Parallel()
	client, err := redistls.New(redistls.Config{URL: config.Seal("rediss://user:secret@cache.example:6390/0")})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	o := client.(*redis.Client).Options()
	if o.Addr != "cache.example:6390" || o.Username != "user" || o.Password != "secret" {
		t.Errorf("to %s as %s", o.Addr, o.Username)
	}
	if !o.ContextTimeoutEnabled || o.MaxRetries != 0 || o.DialerRetries != 1 || !o.DisableIdentity || o.PoolSize < 2 {
		t.Errorf("options %+v", o)
	}
	if o.DialTimeout != 250*time.Millisecond || o.ReadTimeout != 150*time.Millisecond || o.WriteTimeout != o.ReadTimeout || o.PoolTimeout != o.ReadTimeout {
		t.Errorf("waits %v, %v, %v, %v", o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout)
	}
	if o.TLSConfig.MinVersion != tls.VersionTLS12 || o.TLSConfig.InsecureSkipVerify {
		t.Error("TLS is not verified")
	}
	cluster, err := redistls.New(redistls.Config{URL: config.Seal("rediss://clustercfg.cache.example:6390")}) // AWS's name of a cluster
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	if c := cluster.(*redis.ClusterClient).Options(); c.MaxRedirects != 0 || c.MaxRetries > 0 {
		t.Errorf("the cluster's client tries again: %+v", c)
	}
}

// TestRoundTrips counts them: beside TCP's own, a first command costs TLS, HELLO and itself.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	proxy, err := delayproxy.Start(server.Addr, 5*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	client, err := redistls.New(redistls.Config{URL: config.Seal("rediss://:" + server.Secret + "@" + proxy.Addr()), CAFile: server.CAFile})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	warm(t, client)
	opened, trips := proxy.Connections(), proxy.RoundTrips()
	if opened != 1 || trips != 3 {
		t.Errorf("%d connections and %d round trips until the first answer, want 1 and 3", opened, trips)
	}
	if _, err := client.Pipelined(t.Context(), func(p redis.Pipeliner) error {
		p.Exists(t.Context(), "a")
		p.Exists(t.Context(), "b")
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if proxy.Connections() != opened || proxy.RoundTrips() != trips+1 {
		t.Errorf("a pipeline cost %d connections and %d round trips", proxy.Connections()-opened, proxy.RoundTrips()-trips)
	}
}

// warm waits for a busy machine.
func warm(t *testing.T, client redis.UniversalClient) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if err = redistls.Warm(t.Context(), client); err == nil {
			return
		}
	}
	t.Fatal(err)
}

// TestUntrustedServersAreRefused tests that client and server both authenticate.
func TestUntrustedServersAreRefused(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	stranger, err := pki.Ensure(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	url := config.Seal(server.URL)
	for name, c := range map[string]struct {
		want   string
		config redistls.Config
	}{
		"a stranger's authority": {"x509", redistls.Config{URL: url, CAFile: stranger.CA}},
		"the system's roots":     {"x509", redistls.Config{URL: url}},
		"a wrong password":       {"WRONGPASS", redistls.Config{URL: config.Seal("rediss://:wrong@" + server.Addr), CAFile: server.CAFile}},
		"no password":            {"NOAUTH", redistls.Config{URL: config.Seal("rediss://" + server.Addr), CAFile: server.CAFile}},
	} {
		client, err := redistls.New(c.config)
		if err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(20 * time.Second); ; {
			err = redistls.Warm(t.Context(), client)
			if err == nil || strings.Contains(err.Error(), c.want) || time.Now().After(deadline) {
				break
			}
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), server.Secret) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
		client.Close()
	}
}

// TestCAFileAddsRoots tests that the system's roots stay trusted.
func TestCAFileAddsRoots(t *testing.T) {
	if !testenv.TrustedBySystem(t) {
		return
	}
	server := testenv.Redis(t)
	other, err := pki.Ensure(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"", other.CA} {
		client, err := redistls.New(redistls.Config{URL: config.Seal(server.URL), CAFile: file})
		if err != nil {
			t.Fatal(err)
		}
		warm(t, client)
		client.Close()
	}
}

// TestFrozenServerTimesOut tests contexts with and without a deadline.
func TestFrozenServerTimesOut(t *testing.T) {
	t.Parallel()
	server := testenv.RedisServer(t)
	client, err := redistls.New(redistls.Config{URL: config.Seal(server.URL), CAFile: server.CAFile})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	warm(t, client)
	server.Freeze()
	defer server.Thaw()
	for range 3 { // the existing connection, and new ones
		if err := redistls.Warm(context.Background(), client); err == nil {
			t.Error("a frozen server answered")
		}
	}
}
