// Package anchor keeps the hashes of the ledger's seals outside the database: in a bucket where nothing is replaced or
// deleted, or in a folder. Who rewrites the ledger and its seals with the rights of the database's owner cannot rewrite
// the anchors.
//
// Invariant: an anchor is its key, which has the end and the hash of the seal, so that a list of keys is all that a
// verification needs. Its content is for people.
//
// Failure policy: as in package objectstore.
package anchor

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"time"

	"newsletter/shared/objectstore"
)

// Config names where the anchors are kept.
type Config struct {
	// Anchor the seals of the ledger here: s3://bucket/prefix, in a bucket of their own in the function's region where
	// nothing is replaced or deleted, or file:///folder.
	URL string `env:"ANCHOR_URL,required" from:"template" example:"s3://bucket/prefix"`
}

// Validate implements the check of config.Env.Read.
func (c Config) Validate() error {
	if c.URL == "" {
		return nil // reported as missing
	}
	_, err := New(c)
	return err
}

// Anchor is the end and the hash of a seal.
type Anchor struct {
	To   time.Time `json:"to"` // on the hour
	Hash []byte    `json:"-"`  // 32 bytes
	// Events is the number of events that the seal covers. It is in the content only.
	Events int `json:"events"`
}

const (
	root   = "seals/v1/"
	toHour = "2006-01-02T15Z"
)

var keyForm = regexp.MustCompile(`^` + root + `(\d{4}-\d\d-\d\dT\d\dZ)-([0-9a-f]{64})\.json$`)

func (a Anchor) key() string {
	return root + a.To.UTC().Format(toHour) + "-" + hex.EncodeToString(a.Hash) + ".json"
}

// Anchors writes and lists anchors. It is safe for concurrent use.
type Anchors struct{ store objectstore.Store }

// New returns the anchors of a Config. It does no I/O.
func New(c Config) (*Anchors, error) {
	s, err := objectstore.New(c.URL)
	if err != nil {
		return nil, fmt.Errorf("ANCHOR_URL: %w", err)
	}
	return &Anchors{s}, nil
}

// Write writes an anchor. An existing one is no error.
func (a *Anchors) Write(ctx context.Context, head Anchor) error {
	content, err := json.Marshal(struct {
		Anchor
		Hash string `json:"hash"`
	}{head, hex.EncodeToString(head.Hash)})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, objectstore.WriteTimeout)
	defer cancel()
	if err := a.store.Put(ctx, head.key(), append(content, '\n')); err != nil {
		return fmt.Errorf("anchor the seal until %s: %w", head.To.UTC().Format(time.RFC3339), err)
	}
	return nil
}

// List returns the ends of all anchored seals by their hashes. An object that is no anchor is an error.
func (a *Anchors) List(ctx context.Context) (map[string]time.Time, error) {
	ends := map[string]time.Time{}
	for keys, err := range a.store.List(ctx, root, "") {
		if err != nil {
			return nil, fmt.Errorf("list the anchors: %w", err)
		}
		for _, key := range keys {
			hash, to, err := parseKey(key)
			if err != nil {
				return nil, fmt.Errorf("list the anchors: %w", err)
			}
			ends[hash] = to
		}
	}
	return ends, nil
}

func parseKey(key string) (hash string, to time.Time, err error) {
	parts := keyForm.FindStringSubmatch(key)
	if parts == nil {
		return "", to, fmt.Errorf("%q is no anchor", key)
	}
	if to, err = time.Parse(toHour, parts[1]); err != nil {
		return "", to, fmt.Errorf("%q is no anchor", key)
	}
	decoded, err := hex.DecodeString(parts[2])
	return string(decoded), to, err
}
