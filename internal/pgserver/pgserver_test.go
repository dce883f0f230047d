package pgserver

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"newsletter/internal/pki"
)

func certificates(t *testing.T) pki.Files {
	files, err := pki.Ensure(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func query(t *testing.T, s *Server, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.AdminURL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var text string
	if err := conn.QueryRow(t.Context(), sql).Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}

func TestDataSurvivesAStopAndAKill(t *testing.T) {
	options := Options{Dir: filepath.Join(t.TempDir(), "postgres"), TLS: certificates(t)}
	t.Cleanup(func() { _ = Remove(options.Dir) })
	s, err := Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.Stop() }()
	query(t, s, "with made as (select lo_from_bytea(4711, 'here')) select 'made' from made")
	s.Stop()
	if s, err = Start(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	if err := s.Child().Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-s.Child().Done()
	if s, err = Start(t.Context(), options); err != nil {
		t.Fatalf("after a kill: %v", err)
	}
	if got := query(t, s, "select convert_from(lo_get(4711), 'UTF8')"); got != "here" {
		t.Errorf("after a kill: %q", got)
	}
	if got := query(t, s, "select ssl::text from pg_stat_ssl where pid = pg_backend_pid()"); got != "true" {
		t.Errorf("ssl: %q", got)
	}
}

// A folder that the server's account cannot reach, as below /root, is replaced by one below /var/tmp.
func TestClosedFolder(t *testing.T) {
	closed := filepath.Join(t.TempDir(), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(closed, "postgres")
	s, err := Start(t.Context(), Options{Dir: dir, TLS: certificates(t), Throwaway: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Stop()
	data := s.data
	if err := Remove(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(data); !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", data, err)
	}
}
