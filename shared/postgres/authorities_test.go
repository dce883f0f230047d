package postgres_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/internal/fixtures/testenv"
	"newsletter/internal/local/pgserver"
	"newsletter/internal/local/pki"
	"newsletter/shared/config"
	"newsletter/shared/postgres"
)

// rdsHost is a database in RDS's naming. The tests resolve it to this machine.
const rdsHost = "newsletter.c0ffee.eu-central-1.rds.amazonaws.com"

// reach connects to a server as migrate does, and runs a query.
func reach(t *testing.T, server postgres.Server) error {
	t.Helper()
	cc, err := server.ConnConfig()
	if err != nil {
		t.Fatal(err)
	}
	cc.ConnectTimeout = time.Minute // a busy machine
	cc.LookupFunc = func(context.Context, string) ([]string, error) { return []string{"127.0.0.1"}, nil }
	conn, err := pgx.ConnectConfig(t.Context(), cc)
	if err != nil {
		return err
	}
	defer conn.Close(t.Context())
	return conn.Ping(t.Context())
}

// without returns dsn without the parameters that name certificate files.
func without(t *testing.T, dsn string) *url.URL {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.RawQuery = ""
	return u
}

// PgBouncer, with a certificate of the system's roots, replaces RDS Proxy. A PostgreSQL with a certificate of another
// authority replaces the database behind it.
func TestProxyAndDatabaseVerifyWithOneConfiguration(t *testing.T) {
	if !testenv.TrustedBySystem(t) {
		return
	}
	proxy := without(t, testenv.PgBouncer(t).AppURL)
	dir := t.TempDir()
	files, err := pki.Ensure(filepath.Join(dir, "pki"), rdsHost)
	if err != nil {
		t.Fatal(err)
	}
	s, err := pgserver.Start(t.Context(), pgserver.Options{Dir: dir, TLS: files, Throwaway: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	database := without(t, s.AdminURL("postgres"))
	database.Host = rdsHost + ":" + database.Port()
	elsewhere := without(t, s.AdminURL("postgres"))
	refused := func(name string, server postgres.Server) {
		t.Helper()
		if err := reach(t, server); err == nil || !strings.Contains(err.Error(), "certificate signed by unknown authority") {
			t.Errorf("%s: %v", name, err)
		}
	}

	refused("the database, signed by neither", postgres.Server{URL: config.Seal(database.String())})

	authority, err := os.ReadFile(files.CA)
	if err != nil {
		t.Fatal(err)
	}
	postgres.SetRDSAuthorities(t, authority)
	for name, u := range map[string]*url.URL{"the proxy": proxy, "the database": database} {
		if err := reach(t, postgres.Server{URL: config.Seal(u.String())}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	refused("another host, signed by RDS's authority", postgres.Server{URL: config.Seal(elsewhere.String())})

	// A named file adds roots, however it is named, and "system" is not a file.
	postgres.SetRDSAuthorities(t, nil)
	refused("the database, its authority not built in", postgres.Server{URL: config.Seal(database.String())})
	for name, u := range map[string]*url.URL{"the proxy": proxy, "the database": database, "another host": elsewhere} {
		if err := reach(t, postgres.Server{URL: config.Seal(u.String()), CAFile: files.CA}); err != nil {
			t.Errorf("%s, TLS_CA_FILE: %v", name, err)
		}
		u.RawQuery = url.Values{"sslrootcert": {files.CA}}.Encode()
		if err := reach(t, postgres.Server{URL: config.Seal(u.String())}); err != nil {
			t.Errorf("%s, sslrootcert: %v", name, err)
		}
	}
	proxy.RawQuery = "sslrootcert=system"
	if err := reach(t, postgres.Server{URL: config.Seal(proxy.String())}); err != nil {
		t.Error(err)
	}
}

// Files that are not configured must not be used: pgx would read them and let them replace the system's roots.
func TestNoOtherFileIsRead(t *testing.T) {
	env := testenv.Postgres(t)
	stranger, err := pki.Ensure(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PGSSLROOTCERT", stranger.CA)
	if err := reach(t, postgres.Server{URL: config.Seal(without(t, env.DirectURL).String()), CAFile: env.CAFile}); err != nil {
		t.Error(err)
	}
	t.Setenv("PGSSLROOTCERT", stranger.CA+".missing")
	if err := reach(t, postgres.Server{URL: config.Seal(without(t, env.DirectURL).String()), CAFile: env.CAFile}); err != nil {
		t.Error(err)
	}
}

// lastsUntil is before the first expiry of an RDS root. The test compares it with the file instead of today's date,
// so a
// renewed file with a root that expires earlier fails.
var lastsUntil = time.Date(2060, 1, 1, 0, 0, 0, 0, time.UTC)

func TestRDSAuthoritiesAreRootsOfRDS(t *testing.T) {
	t.Parallel()
	keys := map[string]int{}
	rest := postgres.RDSAuthorities()
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		name := c.Subject.CommonName
		region, key, found := strings.Cut(strings.TrimPrefix(name, "Amazon RDS "), " Root CA ")
		if !found || !strings.HasPrefix(name, "Amazon RDS ") || c.Subject.Organization[0] != "Amazon Web Services, Inc." {
			t.Errorf("%s is no root of RDS", c.Subject)
		}
		if err := c.CheckSignatureFrom(c); err != nil || !c.IsCA || c.KeyUsage&x509.KeyUsageCertSign == 0 {
			t.Errorf("%s is no root: %v", name, err)
		}
		if c.NotAfter.Before(lastsUntil) {
			t.Errorf("%s ends on %s: take it out, or say why it is needed", name, c.NotAfter.Format(time.DateOnly))
		}
		keys[region+" "+key]++
	}
	if text := strings.TrimSpace(string(rest)); text != "" {
		t.Errorf("%.60q is no certificate", text)
	}
	for _, region := range []string{"us-east-1", "eu-central-1", "ap-southeast-7", "mx-central-1"} { // old and new ones
		for _, key := range []string{"RSA2048 G1", "RSA4096 G1", "ECC384 G1"} {
			if keys[region+" "+key] != 1 {
				t.Errorf("%d roots %s of %s, want 1", keys[region+" "+key], key, region)
			}
		}
	}
}
