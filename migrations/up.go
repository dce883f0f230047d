package migrations

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"
)

// Migration is a file and its state.
type Migration struct {
	Version    int64      `json:"version"`
	File       string     `json:"file"`
	State      string     `json:"state"` // "applied", "pending", "undone", "failed", or "newer": only a newer release has it
	AppliedAt  *time.Time `json:"applied_at,omitempty"`
	DurationMS int64      `json:"duration_ms,omitempty"` // in this run
}

// Result is the outcome of a command. Its lists are never null in JSON.
type Result struct {
	Command    string      `json:"command"`
	OK         bool        `json:"ok"`         // no error and no problem
	Version    int64       `json:"version"`    // the newest applied migration after the command
	Target     int64       `json:"target"`     // the newest migration of this release
	Migrations []Migration `json:"migrations"` // those that the command changed; with status, all
	Problems   []string    `json:"problems"`   // what is wrong with the database
	Warnings   []string    `json:"warnings"`   // what is less safe than it could be
	DurationMS int64       `json:"duration_ms"`
}

// command runs a command: it opens the session, fills in the result, and closes the session.
func (r *Runner) command(ctx context.Context, name string, bootstrap bool, do func(*session, *Result) error) (Result, error) {
	began := time.Now()
	result := Result{Command: name, Migrations: []Migration{}, Problems: []string{}, Warnings: []string{}}
	if len(r.files) > 0 {
		result.Target = r.files[len(r.files)-1].version
	}
	err := func() error {
		s, err := r.open(ctx, bootstrap)
		if err != nil {
			return err
		}
		defer func() { _ = s.db.Close() }()
		result.Warnings = append(result.Warnings, s.warnings...)
		err = do(s, &result)
		done, readErr := readApplied(ctx, s.db)
		if len(done) > 0 {
			result.Version = done[len(done)-1].version
		}
		return errors.Join(err, readErr)
	}()
	result.OK = err == nil && len(result.Problems) == 0
	result.DurationMS = time.Since(began).Milliseconds()
	return result, wrap(name, err)
}

// Up creates the roles if allowed, applies pending migrations, and renews the grants. It changes nothing if an
// applied file was changed. It leaves a database that is ahead of this release as it is, so that an older release can
// be deployed again.
func (r *Runner) Up(ctx context.Context) (Result, error) {
	return r.command(ctx, "up", true, func(s *session, result *Result) error {
		return s.locked(ctx, func() error { return s.up(ctx, result) })
	})
}

func (s *session) up(ctx context.Context, result *Result) error {
	done, err := readApplied(ctx, s.db)
	if err != nil {
		return err
	}
	changed, _, newer := compare(s.files, done)
	if result.Problems = append(result.Problems, changed...); len(changed) > 0 {
		return errors.New(changed[0])
	}
	for _, name := range newer {
		result.Warnings = append(result.Warnings, "the database is ahead of this release: "+name)
	}
	if err := ensureChecksums(ctx, s.db); err != nil {
		return err
	}
	for try := 1; ; try++ {
		err := s.migrate(ctx, result, (*goose.Provider).Up)
		if err == nil {
			break
		}
		if refused, ok := errors.AsType[*pgconn.PgError](err); !ok || refused.Code != "55P03" || try == upTries {
			return err
		}
		result.Migrations = slices.DeleteFunc(result.Migrations, func(m Migration) bool { return m.State == "failed" })
		select { // the table was in use; let its users finish
		case <-ctx.Done():
			return err
		case <-time.After(upPause):
		}
	}
	if len(newer) > 0 {
		return nil // the newer release's functions may still run, and need the newer grants
	}
	return s.grant(ctx)
}

// Down reverts the newest applied migration.
func (r *Runner) Down(ctx context.Context) (Result, error) {
	return r.command(ctx, "down", false, func(s *session, result *Result) error {
		return s.locked(ctx, func() error {
			done, err := readApplied(ctx, s.db)
			if err != nil {
				return err
			}
			if len(done) == 0 {
				return errors.New("no migration is applied")
			}
			if _, _, newer := compare(s.files, done); len(newer) > 0 {
				return fmt.Errorf("only a newer release can undo %s", newer[len(newer)-1])
			}
			return s.migrate(ctx, result, func(p *goose.Provider, ctx context.Context) ([]*goose.MigrationResult, error) {
				undone, err := p.Down(ctx)
				if undone == nil {
					return nil, err
				}
				return []*goose.MigrationResult{undone}, err
			})
		})
	})
}

// migrate runs goose and adds what it did to result.
func (s *session) migrate(ctx context.Context, result *Result, work func(*goose.Provider, context.Context) ([]*goose.MigrationResult, error)) error {
	provider, last, err := s.provider()
	if err != nil {
		return err
	}
	done, err := work(provider, ctx)
	partial, failed := errors.AsType[*goose.PartialError](err)
	if failed {
		done = append(partial.Applied, partial.Failed)
	}
	for _, d := range done {
		m := Migration{Version: d.Source.Version, File: d.Source.Path, State: "applied", DurationMS: d.Duration.Milliseconds()}
		switch {
		case d.Error != nil:
			m.State = "failed"
		case d.Direction == "down":
			m.State = "undone"
		}
		result.Migrations = append(result.Migrations, m)
	}
	if failed {
		return fmt.Errorf("%s: statement %q: %w", partial.Failed.Source.Path, last, partial.Err)
	}
	return err
}
