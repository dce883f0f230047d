package postgres_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/jackc/pgx/v5"

	"newsletter/internal/fixtures/testenv"
	"newsletter/internal/local/pgserver"
	"newsletter/internal/local/pki"
	"newsletter/shared/config"
	"newsletter/shared/postgres"
)

func TestConfigRefusesURLsThatWeakenOrBreakTheConnection(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"postgres://app:s3cret@proxy.example:5432/newsletter":                                       "",
		"postgresql://app@proxy.example/newsletter?sslmode=verify-full&application_name=newsletter": "",
		"": "DATABASE_URL",
		"host=proxy.example user=app password=s3cret dbname=newsletter":                      "must be a PostgreSQL URL",
		"mysql://app:s3cret@proxy.example/newsletter":                                        "must be a PostgreSQL URL",
		"postgres://app:s3cret%zz@proxy.example/newsletter":                                  "must be a PostgreSQL URL",
		"postgres://app:s3cret@/newsletter":                                                  "one host",
		"postgres://app:s3cret@a.example,b.example/newsletter":                               "one host",
		"postgres://proxy.example/newsletter":                                                "a user",
		"postgres://app:s3cret@proxy.example":                                                "a database",
		"postgres://app:s3cret@proxy.example/newsletter?sslmode=require":                     "verify-full",
		"postgres://app:s3cret@proxy.example/newsletter?sslmode=disable":                     "verify-full",
		"postgres://app:s3cret@proxy.example/newsletter?sslmode=verify-full&sslmode=disable": "verify-full",
		"postgres://app:s3cret@proxy.example/newsletter?statement_timeout=5s":                "no parameters except",
		"postgres://app:s3cret@proxy.example/newsletter?options=-cjit%3Doff":                 "no parameters except",
		"postgres://app:s3cret@proxy.example/newsletter?target_session_attrs=any":            "no parameters except",
		"postgres://app:s3cret@proxy.example/newsletter?sslrootcert=a.pem&sslrootcert=b.pem": "at most one sslrootcert",
	} {
		env := config.FromMap(map[string]string{"DATABASE_URL": url})
		postgres.ReadConfig(env)
		switch err := env.Err(); {
		case want == "" && err != nil:
			t.Errorf("%s: %v", url, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: got %v, want %q", url, err, want)
		case err != nil && strings.Contains(err.Error(), "s3cret"):
			t.Errorf("%s: the error repeats the password: %v", url, err)
		}
	}
}

// TestReplicaHost checks that the replica gets the rest of DATABASE_URL, and that its host is one host.
func TestReplicaHost(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"":                      "",
		"replica.example":       "postgres://app:s3cret@replica.example:6432/x?sslmode=verify-full",
		"replica.example:5433":  "postgres://app:s3cret@replica.example:5433/x?sslmode=verify-full",
		"[2001:db8::1]":         "postgres://app:s3cret@[2001:db8::1]:6432/x?sslmode=verify-full",
		"a.example,b.example":   "refused",
		"app@replica.example":   "refused",
		"replica.example/other": "refused",
		"replica.example:http":  "refused",
		":5433":                 "refused",
		"r.example?sslmode=x":   "refused",
	} {
		env := config.FromMap(map[string]string{"DATABASE_URL": "postgres://app:s3cret@db.example:6432/x?sslmode=verify-full", "DATABASE_READ_HOST": host})
		got := postgres.ReadConfigWithReplica(env).ReadURL
		switch err := env.Err(); {
		case want == "refused":
			if err == nil || !strings.Contains(err.Error(), "DATABASE_READ_HOST") || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%s: %v", host, err)
			}
		case err != nil || got.IsZero() != (want == "") || want != "" && got.Reveal() != want:
			t.Errorf("%s: %v %v, want %s", host, got, err, want)
		}
	}
}

func TestCAFile(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{empty, empty + ".missing"} {
		_, err := postgres.New(t.Context(), postgres.Config{URL: config.Seal("postgres://app@db.example/x"), CAFile: file})
		if err == nil || !strings.Contains(err.Error(), "TLS_CA_FILE") {
			t.Errorf("%s: %v", file, err)
		}
		server := postgres.Server{URL: config.Seal("postgres://app@db.example/x?sslrootcert=" + file)}
		if _, err := server.ConnConfig(); err == nil || !strings.Contains(err.Error(), "sslrootcert") || strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestServerCertificateAndNameAreVerified(t *testing.T) {
	t.Parallel()
	env := testenv.Postgres(t)
	stranger, err := pki.Ensure(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	direct := without(t, env.DirectURL).String()
	_, port, _ := strings.Cut(host(t, direct), ":")
	for name, cfg := range map[string]postgres.Config{
		"another authority": {URL: config.Seal(direct), CAFile: stranger.CA},
		"another name":      {URL: config.Seal(at(t, direct, "127.0.0.2:"+port)), CAFile: env.CAFile},
	} {
		db, err := postgres.New(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		err = db.Ping(t.Context())
		db.Close()
		if !errors.Is(err, postgres.ErrUnavailable) || strings.Contains(err.Error(), env.AppPassword) {
			t.Errorf("%s: %v", name, err)
		}
		if name == "another authority" && !strings.Contains(err.Error(), "certificate") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The signature was computed by another program from the AWS Signature Version 4 documentation. The bubble's clock is
// midnight, 2000-01-01 UTC.
func TestIAMTokenVector(t *testing.T) {
	signedInAs(t)
	synctest.Test(t, func(t *testing.T) {
		server := postgres.Server{URL: config.Seal("postgres://app@proxy.example:5432/newsletter"), IAMAuth: true}
		cc, err := server.ConnConfig()
		if err != nil {
			t.Fatal(err)
		}
		if err := server.SignIn(t.Context(), cc); err != nil {
			t.Fatal(err)
		}
		const want = "proxy.example:5432?Action=connect&DBUser=app&X-Amz-Algorithm=AWS4-HMAC-SHA256" +
			"&X-Amz-Credential=AKIDEXAMPLE%2F20000101%2Feu-central-1%2Frds-db%2Faws4_request&X-Amz-Date=20000101T000000Z" +
			"&X-Amz-Expires=900&X-Amz-Security-Token=SESSION%2FTOKEN%2BEXAMPLE%3D%3D&X-Amz-SignedHeaders=host" +
			"&X-Amz-Signature=72c4709a8bbe487cc56f6492f42689e3e5f5e1e8d51211824f0afabc262c4c49"
		if cc.Password != want {
			t.Errorf("got  %s\nwant %s", cc.Password, want)
		}
	})
}

// signedInAs sets the credentials that Lambda would set.
func signedInAs(t *testing.T) {
	t.Setenv("AWS_REGION", "eu-central-1")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
	t.Setenv("AWS_SESSION_TOKEN", "SESSION/TOKEN+EXAMPLE==")
}

func TestSignInKeepsAPasswordAndNeedsCredentials(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	for dsn, wantErr := range map[string]bool{"postgres://app:s3cret@db.example/x": false, "postgres://app@db.example/x": true} {
		server := postgres.Server{URL: config.Seal(dsn), IAMAuth: true}
		cc, err := server.ConnConfig()
		if err != nil {
			t.Fatal(err)
		}
		if err := server.SignIn(t.Context(), cc); (err != nil) != wantErr {
			t.Errorf("%s: %v", dsn, err)
		}
	}
}

// The server accepts clear-text passwords over TLS, as RDS does for roles that use IAM, and has the token as the role's
// password.
func TestConnectWithAnIAMToken(t *testing.T) {
	signedInAs(t)
	if testing.Short() {
		t.Skip("real servers are left out with -short")
	}
	files, err := pki.Ensure(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s, err := pgserver.Start(t.Context(), pgserver.Options{Dir: t.TempDir(), TLS: files, Throwaway: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	admin, err := pgx.Connect(t.Context(), s.AdminURL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(t.Context())
	var hba string
	if err := admin.QueryRow(t.Context(), "select current_setting('hba_file')").Scan(&hba); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		"create role iam login",
		fmt.Sprintf("copy (values ('hostssl all iam all password'), ('hostssl all postgres all scram-sha-256')) to '%s'", hba),
		"select pg_reload_conf()",
	} {
		if _, err := admin.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	server := postgres.Server{URL: config.Seal(fmt.Sprintf("postgres://iam@%s/postgres", s.Addr())), CAFile: files.CA, IAMAuth: true}
	cc, err := server.ConnConfig()
	if err != nil {
		t.Fatal(err)
	}
	db, err := postgres.New(t.Context(), postgres.Config{URL: server.URL, CAFile: files.CA, IAMAuth: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)

	if err := db.Ping(t.Context()); !errors.Is(err, postgres.ErrUnavailable) || !strings.Contains(err.Error(), "28P01") {
		t.Fatalf("before the server knows the token: %v", err)
	}
	eventually(t, "the token of this second is the role's password", func() bool {
		token := *cc
		if err := server.SignIn(t.Context(), &token); err != nil {
			t.Fatal(err)
		}
		if _, err := admin.Exec(t.Context(), fmt.Sprintf("alter role iam password '%s'", token.Password)); err != nil {
			t.Fatal(err)
		}
		return db.Ping(t.Context()) == nil
	})
}
