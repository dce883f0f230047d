// Package journal keeps, outside the database, what must outlive it: who was erased, unsubscribed or suppressed. Restoring
// a backup brings old states back; replaying the journal from the backup's time on restores the suppressions.
//
// An entry holds no address, only its keyed hash, so it means something to the holder of the key alone. It is an object of
// its own in a versioned S3 bucket, or a file in a folder, named by its ledger event: written once, never changed, and
// writing it again does nothing.
//
// Failure policy: a write is tried once and takes at most ten seconds; the error is a *outbox.Failure, and the outbox
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

// Config says where the journal is.
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
	_, err := c.place()
	return err
}

var (
	// The names that Amazon S3 takes for buckets; dots are left out, because they break TLS.
	bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`)
	prefixName = regexp.MustCompile(`^([A-Za-z0-9_-]+/)*[A-Za-z0-9_-]+$`)
)

// place opens what the URL names. It does no I/O.
func (c Config) place() (storage, error) {
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

// place is where entries are kept, by key.
type storage interface {
	// put keeps content under a key, unless the key is there. The error is a *outbox.Failure.
	put(ctx context.Context, key string, content []byte) error
	get(ctx context.Context, key string) ([]byte, error)
	// list returns the keys after a text, sorted, in pages. An error ends it.
	list(ctx context.Context, after string) iter.Seq2[[]string, error]
}

// Journal is safe for concurrent use.
type Journal struct {
	storage storage
}

// New returns the journal of an enabled Config. It does no I/O.
func New(c Config) (*Journal, error) {
	place, err := c.place()
	if err != nil {
		return nil, err
	}
	return &Journal{place}, nil
}

// writeTimeout bounds one write, below the lease of a delivery.
const writeTimeout = 10 * time.Second

// Write keeps an entry. An entry of the same event is left as it is. The error is a *outbox.Failure.
func (j *Journal) Write(ctx context.Context, e Entry) error {
	content, err := e.encode()
	if err != nil {
		return &outbox.Failure{Cause: "bad_entry", Permanent: true, Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	return j.storage.put(ctx, e.key(), content)
}
