package pgserver

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"newsletter/internal/local/pki"
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

// TestClosedFolder checks that a folder below /var/tmp replaces one that the server's account cannot reach, such as
// one below /root.
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

// fakePrograms creates a folder of programs that report a version.
func fakePrograms(t *testing.T, version string) string {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{"postgres", "initdb"} {
		script := "#!/bin/sh\necho 'postgres (PostgreSQL) " + version + "'\n"
		if err := os.WriteFile(filepath.Join(folder, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func TestTheNewestInstalledVersionIsFirst(t *testing.T) {
	newest, oldest := fakePrograms(t, "99.1 (Debian 99.1-1)"), fakePrograms(t, "9.6.24")
	for _, folder := range []string{newest, oldest} {
		t.Setenv("PATH", folder+":"+os.Getenv("PATH"))
		folders := Folders()
		if (folder == newest) != (folders[0] == newest) || (folder == oldest) != (folders[len(folders)-1] == oldest) {
			t.Errorf("%s is in the wrong position: %q", folder, folders)
		}
	}
	broken := t.TempDir()
	t.Setenv("PATH", broken+":"+os.Getenv("PATH"))
	if err := os.WriteFile(filepath.Join(broken, "postgres"), []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if folders := Folders(); slices.Contains(folders, broken) {
		t.Errorf("programs that do not work are used: %q", folders)
	}
}

func TestWhichVersionRuns(t *testing.T) {
	made := func(version string) string {
		data := t.TempDir()
		if err := os.WriteFile(filepath.Join(data, "PG_VERSION"), []byte(version+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return data
	}
	older := Folders()
	t.Setenv("PATH", fakePrograms(t, "99.1"))
	for _, tc := range []struct{ named, data, want string }{
		{"14", "", `POSTGRES_VERSION: PostgreSQL "14" is not supported; choose one of 15, 16, 17, 18`},
		{"17.2", "", `POSTGRES_VERSION: PostgreSQL "17.2" is not supported`},
		{"", made("14"), "choose one of 15, 16, 17, 18"},
	} {
		t.Setenv(VersionVariable, tc.named)
		if folder, err := unprivileged().programs(t.Context(), tc.data); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q, %q: %s, %v", tc.named, tc.data, folder, err)
		}
	}
	t.Setenv(VersionVariable, "")
	wants := map[string]string{t.TempDir(): "99"}
	for _, folder := range older { // the data of an older version is not taken for the newest one's
		wants[made(versionOf(folder))] = versionOf(folder)
	}
	for data, want := range wants {
		if folder, err := unprivileged().programs(t.Context(), data); err != nil || versionOf(folder) != want {
			t.Errorf("got %s, %v", folder, err)
		}
	}
}
