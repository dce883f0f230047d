// Package journal is the suppression journal: a record, outside the database, of who was erased, unsubscribed or
// suppressed. Restoring a backup brings old states back; replaying the journal from the backup's time on restores the
// suppressions.
//
// An entry contains no address, only its pseudonym, so only the holder of the key can read it. It is an object in a
// versioned S3 bucket, or a file in a folder, named by its ledger event. It is written once and never changed.
//
// Failure policy: a write is made once and takes at most ten seconds; the error is a *outbox.Failure, and the outbox
// retries. Read reports each unreadable entry and continues; an error of the list ends it.
package journal

import (
	"context"
	"errors"
	"iter"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"time"

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

// errURL is the error for an invalid JOURNAL_URL.
var errURL = errors.New("JOURNAL_URL: must be s3://bucket, s3://bucket/prefix or file:///folder")

// Validate implements the check of config.Env.Read.
func (c Config) Validate() error {
	if !c.Enabled() {
		return nil
	}
	_, err := c.storage()
	return err
}

var (
	// The names that Amazon S3 accepts for buckets, without dots, which break TLS.
	bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`)
	prefixName = regexp.MustCompile(`^([A-Za-z0-9_-]+/)*[A-Za-z0-9_-]+$`)
)

// storage returns the storage of the URL. It does no I/O.
func (c Config) storage() (storage, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" {
		return nil, errURL
	}
	switch u.Scheme {
	case "s3":
		prefix := strings.Trim(u.Path, "/")
		if !bucketName.MatchString(u.Host) || prefix != "" && !prefixName.MatchString(prefix) {
			return nil, errURL
		}
		return newBucket(u.Host, prefix), nil
	case "file":
		if u.Host != "" || !filepath.IsAbs(u.Path) || filepath.Clean(u.Path) == "/" {
			return nil, errURL
		}
		return folder(filepath.Clean(u.Path)), nil
	}
	return nil, errURL
}

// storage stores entries by key.
type storage interface {
	// put stores content under a key, unless the key exists. The error is a *outbox.Failure.
	put(ctx context.Context, key string, content []byte) error
	get(ctx context.Context, key string) ([]byte, error)
	// list returns the keys after a given one, sorted, in pages. An error ends it.
	list(ctx context.Context, after string) iter.Seq2[[]string, error]
}

// Journal writes and reads entries. It is safe for concurrent use.
type Journal struct {
	storage storage
}

// New returns the journal of an enabled Config. It does no I/O.
func New(c Config) (*Journal, error) {
	s, err := c.storage()
	if err != nil {
		return nil, err
	}
	return &Journal{s}, nil
}

// writeTimeout bounds one write, below the lease of a delivery.
const writeTimeout = 10 * time.Second

// Write writes an entry. It does not change an existing entry of the same event. The error is a *outbox.Failure.
func (j *Journal) Write(ctx context.Context, e Entry) error {
	content, err := e.encode()
	if err != nil {
		return &outbox.Failure{Cause: "bad_entry", Permanent: true, Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	return j.storage.put(ctx, e.key(), content)
}
