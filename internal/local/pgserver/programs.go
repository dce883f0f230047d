package pgserver

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	embedded "github.com/fergusstrange/embedded-postgres"
)

// VersionVariable names the major version of PostgreSQL to run, such as "17", instead of the newest installed one.
const VersionVariable = "POSTGRES_VERSION"

// builds maps the supported versions of PostgreSQL to the builds that are downloaded if a version is not installed.
var builds = map[string]embedded.PostgresVersion{"15": embedded.V15, "16": embedded.V16, "17": embedded.V17, "18": embedded.V18}

// fallback is the version to download if none is installed and none is named.
const fallback = "16"

// Versions returns the supported major versions of PostgreSQL, oldest first.
func Versions() []string { return slices.Sorted(maps.Keys(builds)) }

// programs finds the folder of PostgreSQL's programs: of the version in VersionVariable, of the version that created
// the data folder, or else of the newest installed version. It downloads missing programs once per account.
func (a account) programs(ctx context.Context, data string) (string, error) {
	version := os.Getenv(VersionVariable)
	if _, supported := builds[version]; version != "" && !supported {
		return "", fmt.Errorf("%s: PostgreSQL %q is not supported; choose one of %s", VersionVariable, version, strings.Join(Versions(), ", "))
	}
	if made, err := os.ReadFile(filepath.Join(data, "PG_VERSION")); err == nil && version == "" {
		version = strings.TrimSpace(string(made))
	}
	for _, folder := range Folders() {
		if version == "" || version == versionOf(folder) {
			return folder, nil
		}
	}
	version = cmp.Or(version, fallback)
	folder, err := a.download(ctx, version)
	if err != nil {
		return "", fmt.Errorf("PostgreSQL %s is not installed and could not be downloaded; install it (for example: apt-get install postgresql): %w",
			version, err)
	}
	return folder, nil
}

// Folders returns the folders of installed PostgreSQL programs, newest version first, from PATH and the usual places.
func Folders() []string {
	var found []string
	if path, err := exec.LookPath("postgres"); err == nil {
		found = append(found, filepath.Dir(path))
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin",
	} {
		matches, _ := filepath.Glob(pattern) // the patterns are valid
		found = append(found, matches...)
	}
	versions := map[string]int{}
	for _, folder := range found {
		if version, err := strconv.Atoi(versionOf(folder)); err == nil {
			versions[folder] = version
		}
	}
	found = slices.DeleteFunc(found, func(folder string) bool { return versions[folder] == 0 })
	slices.SortStableFunc(found, func(a, b string) int { return versions[b] - versions[a] })
	return found
}

var versionText = regexp.MustCompile(`^postgres \(PostgreSQL\) (\d+)`)

// versionOf returns the major version of the programs in a folder, or "" if initdb or a working postgres is missing.
func versionOf(folder string) string {
	if _, err := exec.LookPath(filepath.Join(folder, "initdb")); err != nil {
		return ""
	}
	output, err := exec.Command(filepath.Join(folder, "postgres"), "--version").Output()
	if found := versionText.FindSubmatch(output); err == nil && found != nil {
		return string(found[1])
	}
	return ""
}

// download fetches the programs of a version from Maven Central into the user's cache. The library cannot only
// download, so it is asked for a server, which is then stopped. As root it extracts everything and then fails to
// start, which is enough: the folder appears when the programs are complete.
func (a account) download(ctx context.Context, version string) (string, error) {
	build, supported := builds[version]
	if !supported {
		return "", fmt.Errorf("choose one of %s", strings.Join(Versions(), ", "))
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	home, err := a.reachable(filepath.Join(cache, "newsletter-postgres", string(build)))
	if err != nil {
		return "", err
	}
	programs := filepath.Join(home, "programs")
	bin := filepath.Join(programs, "bin")
	if versionOf(bin) == version {
		return bin, nil
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	port, err := freePort()
	if err != nil {
		return "", err
	}
	unfinished, err := os.MkdirTemp(home, "unfinished-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(unfinished)
	extracted, trial := filepath.Join(unfinished, "programs"), filepath.Join(unfinished, "trial")
	server := embedded.NewDatabase(embedded.DefaultConfig().Version(build).Port(uint32(port)).Logger(io.Discard).
		BinariesPath(extracted).CachePath(filepath.Join(unfinished, "download")).RuntimePath(trial))
	failure := server.Start()
	if failure == nil {
		failure = server.Stop()
	}
	if _, err := os.Stat(trial); err != nil {
		return "", failure
	}
	if err := os.Rename(extracted, programs); err != nil && versionOf(bin) != version { // another process was faster
		return "", err
	}
	return bin, nil
}
