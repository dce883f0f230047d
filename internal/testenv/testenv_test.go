package testenv

import (
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
)

func TestDatabasesAreMigratedAndSeparate(t *testing.T) {
	t.Parallel()
	one, two := PgBouncer(t), PgBouncer(t)
	if _, err := one.AppConn(t).Exec(t.Context(), "insert into suppressions (email_hmac, key_id, reason, created_at) values ('\\x01', 'k', 'bounce', now())"); err != nil {
		t.Fatal(err)
	}
	for _, db := range []struct {
		url  string
		want int
	}{{one.AppURL, 1}, {one.DirectURL, 1}, {two.AppURL, 0}} {
		cc, err := pgx.ParseConfig(db.url)
		if err != nil {
			t.Fatal(err)
		}
		cc.DefaultQueryExecMode = pgx.QueryExecModeExec // PgBouncer does not support named statements
		conn, err := pgx.ConnectConfig(t.Context(), cc)
		if err != nil {
			t.Fatal(err)
		}
		var count int
		if err := conn.QueryRow(t.Context(), "select count(*) from suppressions").Scan(&count); err != nil || count != db.want {
			t.Errorf("%d rows, want %d: %v", count, db.want, err)
		}
		_ = conn.Close(t.Context())
	}
}

func TestPrivateRedisStopsAndStarts(t *testing.T) {
	t.Parallel()
	server := RedisServer(t)
	options, err := redis.ParseURL(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(server.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	host, _ := url.Parse(server.URL)
	options.TLSConfig = &tls.Config{RootCAs: roots, ServerName: host.Hostname(), MinVersion: tls.VersionTLS12}
	client := redis.NewClient(options)
	defer client.Close()
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	if client.Ping(t.Context()).Err() == nil {
		t.Error("a killed server answers")
	}
	server.Start()
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Error(err)
	}
}
