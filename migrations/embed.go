// Package migrations holds the schema as numbered SQL files and brings a database to it.
//
// It runs goose's Provider, one transaction per file. A lease in a table serializes migrators; when a migrator is
// killed, the next one continues after its lease has expired. The checksum of a file is written in the transaction
// that applies it. The package also creates the database roles with their grants and limits. Validate compares a
// database with all of this.
//
// The expected schema is embedded as text (schema.txt) instead of being read from a second, freshly migrated
// database: Validate then needs no right to create one and works on a damaged server, and a review shows what a
// migration changes. A test keeps the text equal to the result of the files.
//
// The functions keep running during a migration: a transaction that locks a table neither reads nor writes rows
// (docs/adr/0022).
//
// Failure policy: a failed migration is rolled back, and the error names its statement; earlier migrations stay
// applied. Every command may be repeated, also after a kill. A missing right of the role is a warning if migrations
// work without it.
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

// file is a migration.
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
			return nil, fmt.Errorf("%s: missing +goose Down", name)
		}
		sum := sha256.Sum256(content)
		files = append(files, file{version, path.Base(name), hex.EncodeToString(sum[:])})
	}
	slices.SortFunc(files, func(a, b file) int { return int(a.version - b.version) })
	return files, nil
}

// applied is the database's record of a migration.
type applied struct {
	version int64
	file    string // empty if not recorded
	sum     string
	at      time.Time
}

// The checksum is written with the migration, so the outer join finds only rows that were changed by hand.
const appliedSQL = `
select v.version_id, coalesce(c.file, ''), coalesce(c.sha256, ''), coalesce(c.applied_at, v.tstamp at time zone 'UTC')
from goose_db_version v left join migration_checksums c on c.version = v.version_id
where v.is_applied and v.version_id > 0
order by v.version_id`

// readApplied lists the applied migrations; none if the database was never migrated.
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

// errChanged is the error for a file that differs from the one that was applied.
var errChanged = errors.New("changed after it was applied")

// compare returns changed files that are applied (problems), files that are not applied, and applied migrations that
// only a newer release has.
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
