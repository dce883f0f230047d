// Package migrations holds the schema as numbered SQL files and brings a database to it.
//
// goose's Provider does the work, one transaction a file, behind a lease in a table, so that several migrators follow each
// other and the next one goes on when a killed one's lease has ended. The checksum of a file is written in the transaction
// that applies it. On top of it stand the database roles with their grants and limits, and Validate, which compares what is
// there with what should be.
//
// What is expected of the schema is embedded as text (schema.txt), rather than read from a second, freshly migrated
// database: Validate then needs no right to create one, can run while something is wrong, and a review shows what a
// migration does to the schema. A test keeps the text equal to what the files make.
//
// The functions go on working meanwhile: a transaction that locks a table reads and writes no rows (docs/adr/0022).
//
// Failure policy: a failed migration is rolled back and named with its statement; earlier ones stay. Everything may be
// run again, after a kill as well. What the role may not do is a warning where one can do without.
package migrations

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"time"

	"github.com/pressly/goose/v3"
)

//go:embed [0-9]*.sql
var embedded embed.FS

//go:embed grants.sql
var grantsSQL string

//go:embed schema.txt
var expectedSchema string

// file is one migration.
type file struct {
	version int64
	name    string
	sum     string // hex SHA-256
}

// list reads the migrations of fsys in the order of their versions.
func list(fsys fs.FS) ([]file, error) {
	names, err := fs.Glob(fsys, "*.sql")
	if err != nil {
		return nil, err
	}
	var files []file
	for _, name := range names {
		version, err := goose.NumericComponent(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		content, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		if !bytes.Contains(content, []byte("-- +goose Down")) {
			return nil, fmt.Errorf("%s: has no way down", name)
		}
		sum := sha256.Sum256(content)
		files = append(files, file{version, path.Base(name), hex.EncodeToString(sum[:])})
	}
	slices.SortFunc(files, func(a, b file) int { return int(a.version - b.version) })
	return files, nil
}

// Latest is the version that the files lead to.
func Latest() (int64, error) {
	files, err := list(embedded)
	if err != nil || len(files) == 0 {
		return 0, err
	}
	return files[len(files)-1].version, nil
}

// applied is what the database says about one migration.
type applied struct {
	version int64
	file    string // empty where nothing was recorded
	sum     string
	at      time.Time
}

// The checksum's row is written with the migration, so an outer join only finds gaps that somebody made by hand.
const appliedSQL = `
select v.version_id, coalesce(c.file, ''), coalesce(c.sha256, ''), coalesce(c.applied_at, v.tstamp at time zone 'UTC')
from goose_db_version v left join migration_checksums c on c.version = v.version_id
where v.is_applied and v.version_id > 0
order by v.version_id`

// readApplied lists what is applied; nothing if the database was never migrated.
func readApplied(ctx context.Context, db *sql.DB) ([]applied, error) {
	var known bool
	const knownSQL = "select to_regclass('goose_db_version') is not null and to_regclass('migration_checksums') is not null"
	if err := db.QueryRowContext(ctx, knownSQL).Scan(&known); err != nil || !known {
		return nil, wrap("look for the migrations' tables", err)
	}
	rows, err := db.QueryContext(ctx, appliedSQL)
	if err != nil {
		return nil, fmt.Errorf("read the applied migrations: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var all []applied
	for rows.Next() {
		var a applied
		if err := rows.Scan(&a.version, &a.file, &a.sum, &a.at); err != nil {
			return nil, fmt.Errorf("read the applied migrations: %w", err)
		}
		all = append(all, a)
	}
	return all, wrap("read the applied migrations", rows.Err())
}

// errChanged says that a migration is not the one that was applied.
var errChanged = errors.New("changed after it was applied")

// compare finds applied migrations whose file has changed (problems), files that are not applied, and applied
// migrations that only a newer release has.
func compare(files []file, done []applied) (problems, pending, newer []string) {
	byVersion := map[int64]applied{}
	for _, a := range done {
		byVersion[a.version] = a
	}
	for _, f := range files {
		a, found := byVersion[f.version]
		switch {
		case !found:
			pending = append(pending, f.name)
		case a.sum != f.sum:
			problems = append(problems, fmt.Sprintf("%s: %v", f.name, errChanged))
		}
		delete(byVersion, f.version)
	}
	for _, a := range done {
		if _, left := byVersion[a.version]; left {
			newer = append(newer, fmt.Sprintf("%d %s", a.version, a.file))
		}
	}
	return problems, pending, newer
}

func wrap(doing string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}
