package pgserver

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	embedded "github.com/fergusstrange/embedded-postgres"
)

// downloaded is the version that is taken where the system has none: the one that RDS runs for this project.
const downloaded = embedded.V16

// programs finds the folder of PostgreSQL's programs: one of the system's, or downloaded below home.
func programs(ctx context.Context, home string) (string, error) {
	for _, folder := range append(Folders(), filepath.Join(home, "programs", "bin")) {
		if complete(folder) {
			return folder, nil
		}
	}
	return download(ctx, home)
}

// Folders are where PostgreSQL's programs may be on this system: by PATH, and the usual folders, the newest first.
func Folders() []string {
	var folders []string
	if path, err := exec.LookPath("postgres"); err == nil {
		folders = append(folders, filepath.Dir(path))
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin",
	} {
		found, _ := filepath.Glob(pattern) // the patterns are valid
		slices.Reverse(found)
		folders = append(folders, found...)
	}
	return folders
}

func complete(folder string) bool {
	for _, program := range []string{"postgres", "initdb"} {
		if info, err := os.Stat(filepath.Join(folder, program)); err != nil || info.Mode()&0o111 == 0 {
			return false
		}
	}
	return true
}

// download fetches the programs from Maven Central through the library, which has no call for that alone: it is asked
// for a server, and stopped. As root it fetches everything and then fails to start, which is all that is wanted.
func download(ctx context.Context, home string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	port, err := freePort()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(home, "programs")
	server := embedded.NewDatabase(embedded.DefaultConfig().Version(downloaded).Port(uint32(port)).Logger(io.Discard).
		BinariesPath(folder).CachePath(filepath.Join(home, "download")).RuntimePath(filepath.Join(home, "trial")))
	failure := server.Start()
	if failure == nil {
		failure = server.Stop()
	}
	_ = os.RemoveAll(filepath.Join(home, "trial"))
	_ = os.RemoveAll(filepath.Join(home, "download"))
	if bin := filepath.Join(folder, "bin"); complete(bin) {
		return bin, nil
	}
	return "", fmt.Errorf("no PostgreSQL found, and none could be downloaded; install it (for example: apt-get install postgresql): %w", failure)
}
