package migrations

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/pressly/goose/v3/database"
)

const createChecksumsSQL = `
create table if not exists migration_checksums (
    version    bigint primary key,
    file       text not null,
    sha256     text not null,
    applied_at timestamptz not null default now()
)`

// store is goose's version table plus the checksums. It writes both in the migration's transaction.
type store struct {
	database.StoreExtender
	files []file
}

func newStore(files []file) (*store, error) {
	inner, err := database.NewStore(database.DialectPostgres, "goose_db_version")
	if err != nil {
		return nil, err
	}
	extended, ok := inner.(database.StoreExtender)
	if !ok {
		return nil, errors.New("goose's store does not implement TableExists")
	}
	return &store{extended, files}, nil
}

// The checksum's primary key blocks a second migrator, whose lease was lost, until the first commits; it then finds the
// version applied and rolls back.
const (
	insertChecksumSQL = `
insert into migration_checksums (version, file, sha256) values ($1::bigint, $2::text, $3::text)
on conflict (version) do update set file = excluded.file, sha256 = excluded.sha256, applied_at = now()`
	isAppliedSQL      = `select exists (select 1 from goose_db_version where version_id = $1::bigint and is_applied)`
	deleteChecksumSQL = `delete from migration_checksums where version = $1::bigint`
)

// Insert implements database.Store.
func (s *store) Insert(ctx context.Context, db database.DBTxConn, request database.InsertRequest) error {
	for _, f := range s.files {
		if f.version != request.Version {
			continue
		}
		if _, err := db.ExecContext(ctx, insertChecksumSQL, f.version, f.name, f.sum); err != nil {
			return fmt.Errorf("record the checksum: %w", err)
		}
		var already bool
		if err := db.QueryRowContext(ctx, isAppliedSQL, f.version).Scan(&already); err != nil {
			return fmt.Errorf("check whether it is applied: %w", err)
		}
		if already {
			return errors.New("another migrator applied it concurrently")
		}
	}
	return s.StoreExtender.Insert(ctx, db, request)
}

// Delete implements database.Store.
func (s *store) Delete(ctx context.Context, db database.DBTxConn, version int64) error {
	if _, err := db.ExecContext(ctx, deleteChecksumSQL, version); err != nil {
		return fmt.Errorf("delete the checksum: %w", err)
	}
	return s.StoreExtender.Delete(ctx, db, version)
}

// ensureChecksums creates the table that Insert writes to.
func ensureChecksums(ctx context.Context, db *sql.DB) error {
	_, err := db.ExecContext(ctx, createChecksumsSQL)
	return wrap("make the table of checksums", err)
}

// lastStatement records the current statement from goose's log, so that an error can name it.
type lastStatement struct{ text string }

// Enabled implements slog.Handler.
func (*lastStatement) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (l *lastStatement) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "statement" {
			l.text = a.Value.String()
		}
		return true
	})
	return nil
}

// WithAttrs implements slog.Handler.
func (l *lastStatement) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup implements slog.Handler.
func (l *lastStatement) WithGroup(string) slog.Handler { return l }

// String returns the start of the statement on one line, without leading comments.
func (l *lastStatement) String() string {
	const longest = 120
	var lines []string
	for line := range strings.Lines(l.text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "--") {
			lines = append(lines, line)
		}
	}
	text := strings.Join(strings.Fields(strings.Join(lines, " ")), " ")
	if runes := []rune(text); len(runes) > longest {
		text = string(runes[:longest]) + "…"
	}
	return text
}
