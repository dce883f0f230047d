// Package objectstore keeps small objects that are written once and never changed: in a versioned S3 bucket, or in a folder
// on this machine.
//
// Failure policy: a write is made once and takes at most ten seconds; its error is a *outbox.Failure, and the caller
// retries. Reads are retried here.
package objectstore

import (
	"context"
	"errors"
	"iter"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// WriteTimeout bounds one write, below the lease of a delivery.
const WriteTimeout = 10 * time.Second

// A Store keeps objects by key. It is safe for concurrent use.
type Store interface {
	// Put stores content under a key, unless the key exists. The error is a *outbox.Failure.
	Put(ctx context.Context, key string, content []byte) error
	Get(ctx context.Context, key string) ([]byte, error)
	// List returns the keys below a path that come after a given key, sorted, in pages. An error ends it.
	List(ctx context.Context, under, after string) iter.Seq2[[]string, error]
}

// errURL is the error for an invalid URL.
var errURL = errors.New("must be s3://bucket, s3://bucket/prefix or file:///folder")

var (
	// The names that Amazon S3 accepts for buckets, without dots, which break TLS.
	bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`)
	prefixName = regexp.MustCompile(`^([A-Za-z0-9_-]+/)*[A-Za-z0-9_-]+$`)
)

// New returns the store of a URL: s3://bucket/prefix, in the function's region, or file:///folder. It does no I/O.
func New(address string) (Store, error) {
	u, err := url.Parse(address)
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
