package migrations

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// source is one migration file.
type source struct {
	version int64
	file    string
	sum     [sha256.Size]byte
}

// sources lists the files in order of their versions.
func sources() ([]source, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, err
	}
	var all []source
	for _, name := range names {
		number, _, _ := strings.Cut(name, "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("migration %s: its name does not begin with a number", name)
		}
		content, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		all = append(all, source{version, name, sha256.Sum256(content)})
	}
	slices.SortFunc(all, func(a, b source) int { return int(a.version - b.version) })
	return all, nil
}

const createChecksumsSQL = `
create table if not exists migration_checksums (
    version    bigint primary key,
    file       text not null,
    sha256     bytea not null,
    recorded_at timestamptz not null default now()
)`

const insertChecksumSQL = `
insert into migration_checksums (version, file, sha256)
select $1, $2, $3 where exists (select 1 from goose_db_version where version_id = $1 and is_applied)
on conflict (version) do nothing`

const deleteChecksumSQL = `
delete from migration_checksums
where version not in (select version_id from goose_db_version where is_applied)`

// recordChecksums notes the sums of applied files that have none yet, and forgets those of files taken back. A run that
// was killed in between is made good by the next.
func (r *Runner) recordChecksums(ctx context.Context) error {
	all, err := sources()
	if err != nil {
		return err
	}
	tx, err := r.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("record checksums: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing; before, the error at hand says more
	if _, err := tx.ExecContext(ctx, "select pg_advisory_xact_lock($1)", bootstrapLock); err != nil {
		return fmt.Errorf("record checksums: %w", err)
	}
	if _, err := tx.ExecContext(ctx, createChecksumsSQL); err != nil {
		return fmt.Errorf("record checksums: %w", err)
	}
	if _, err := tx.ExecContext(ctx, deleteChecksumSQL); err != nil {
		return fmt.Errorf("forget checksums: %w", err)
	}
	for _, s := range all {
		if _, err := tx.ExecContext(ctx, insertChecksumSQL, s.version, s.file, s.sum[:]); err != nil {
			return fmt.Errorf("record the checksum of %s: %w", s.file, err)
		}
	}
	return tx.Commit()
}

const listChecksumsSQL = `select version, file, sha256 from migration_checksums`

// changed names the applied files whose content is not what was applied.
func (r *Runner) changed(ctx context.Context) ([]string, error) {
	var exists bool
	if err := r.db.QueryRowContext(ctx, "select to_regclass('migration_checksums') is not null").Scan(&exists); err != nil {
		return nil, fmt.Errorf("look for checksums: %w", err)
	}
	if !exists {
		return nil, nil
	}
	all, err := sources()
	if err != nil {
		return nil, err
	}
	rows, err := r.db.QueryContext(ctx, listChecksumsSQL)
	if err != nil {
		return nil, fmt.Errorf("read the checksums: %w", err)
	}
	defer rows.Close()
	var problems []string
	for rows.Next() {
		var (
			version int64
			file    string
			sum     []byte
		)
		if err := rows.Scan(&version, &file, &sum); err != nil {
			return nil, fmt.Errorf("read a checksum: %w", err)
		}
		i := slices.IndexFunc(all, func(s source) bool { return s.version == version })
		switch {
		case i < 0:
			problems = append(problems, fmt.Sprintf("%s is applied, but this release does not have it", file))
		case !bytes.Equal(all[i].sum[:], sum):
			problems = append(problems, fmt.Sprintf("%s was changed after it was applied", all[i].file))
		}
	}
	return problems, rows.Err()
}
