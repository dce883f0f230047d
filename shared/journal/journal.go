// Package journal is the suppression journal: a record, outside the database, of who was erased, unsubscribed or
// suppressed. Restoring a backup brings old states back; replaying the journal from the backup's time on restores the
// suppressions.
//
// An entry contains no address, only its pseudonym, so only the holder of the key can read it. Beside it are the day and a
// random id, so that it does not lead to an event of the ledger. It is an object in a versioned S3 bucket, or a file in a
// folder. It is written once, never changed, and deleted after RetentionDays: by the bucket's lifecycle rule, or by
// Write in a folder.
//
// Failure policy: a write is made once and takes at most ten seconds; the error is a *outbox.Failure, and the outbox
// retries. Read reports each unreadable entry and continues; an error of the list ends it.
package journal

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"newsletter/shared/objectstore"
	"newsletter/shared/outbox"
)

// Config configures the journal.
type Config struct {
	// Write the journal of erasures, unsubscribes and suppressions here: s3://bucket/prefix, in a versioned bucket in
	// the function's region, or file:///folder. Empty: no journal.
	URL string `env:"JOURNAL_URL" from:"template" example:"s3://bucket/prefix"`
}

// Enabled reports whether a journal is configured.
func (c Config) Enabled() bool { return c.URL != "" }

// Validate implements the check of config.Env.Read.
func (c Config) Validate() error {
	if !c.Enabled() {
		return nil
	}
	_, err := New(c)
	return err
}

// Journal writes and reads entries. It is safe for concurrent use.
type Journal struct {
	storage objectstore.Store
	folder  string // empty for a bucket
}

// New returns the journal of an enabled Config. It does no I/O.
func New(c Config) (*Journal, error) {
	s, err := objectstore.New(c.URL)
	if err != nil {
		return nil, fmt.Errorf("JOURNAL_URL: %w", err)
	}
	path, _ := strings.CutPrefix(c.URL, "file://")
	if path == c.URL {
		path = ""
	}
	return &Journal{s, path}, nil
}

// Write writes an entry. It does not change an existing entry with the same id. The error is a *outbox.Failure.
func (j *Journal) Write(ctx context.Context, e Entry) error {
	content, err := e.encode()
	if err != nil {
		return &outbox.Failure{Cause: "bad_entry", Permanent: true, Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, objectstore.WriteTimeout)
	defer cancel()
	if err := j.storage.Put(ctx, e.key(), content); err != nil || j.folder == "" {
		return err
	}
	// The file's time must not say when it was written.
	_ = os.Chtimes(filepath.Join(j.folder, filepath.FromSlash(e.key())), truncate(e.At), truncate(e.At))
	return prune(j.folder, e.At.AddDate(0, 0, -RetentionDays))
}
