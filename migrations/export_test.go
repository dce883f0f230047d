package migrations

import (
	"context"
	"io/fs"
	"time"
)

// These exports serve the external tests. The tests are external because testenv imports this package.

// ExpectedSchema returns the embedded description.
func ExpectedSchema() string { return expectedSchema }

// NewOf returns a Runner of other files, without grants.
func NewOf(cfg Config, fsys fs.FS, lease time.Duration) (*Runner, error) {
	r, err := newRunner(cfg, fsys, texts{})
	if err == nil {
		r.lease = lease
	}
	return r, err
}

// Describe reads the live schema.
func (r *Runner) Describe(ctx context.Context) ([]string, error) {
	s, err := r.open(ctx, false)
	if err != nil {
		return nil, err
	}
	defer s.db.Close()
	return describe(ctx, s.db)
}

// Embedded returns the files of this release.
func Embedded() fs.FS { return embedded }

// Latest returns the version of the newest migration.
func Latest() (int64, error) {
	files, err := list(embedded)
	if err != nil || len(files) == 0 {
		return 0, err
	}
	return files[len(files)-1].version, nil
}

// ScramVerifier returns the verifier for a known salt.
func ScramVerifier(password string, salt []byte) string { return scramVerifierWith(password, salt) }
