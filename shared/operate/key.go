package operate

import (
	"context"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/apikey"
	"newsletter/shared/ledger"
)

// The commands on the keys of servers.
var (
	KeyCreate = record("key create", createKey)
	KeyList   = read("key list", listKeys)
	KeyRevoke = record("key revoke", revokeKey)
)

// NewKey is a key to create.
type NewKey struct {
	// ID is chosen by the caller, so that a repeated call creates no second key.
	ID     uuid.UUID `json:"id"`
	Label  string    `json:"label"`
	Scopes []string  `json:"scopes"`
}

// CreatedKey is the result of KeyCreate. Text is the secret, which is stored nowhere.
type CreatedKey struct {
	Text string `json:"key"`
}

// maxLabel is the maximum length of a label in characters; the schema has it too.
const maxLabel = 64

const insertKeySQL = `
insert into api_keys (id, label, scopes, hash, created_at)
values ($1::text::uuid, $2::text, $3::text[], $4::bytea, $5::timestamptz)
on conflict (id) do nothing`

// createKey creates a key.
func createKey(ctx context.Context, i *Installation, k NewKey) (CreatedKey, error) {
	scopes, err := apikey.ParseScopes(k.Scopes)
	switch n := utf8.RuneCountInString(k.Label); {
	case err != nil:
		return CreatedKey{}, Wrong("%v", err)
	case scopes == 0:
		return CreatedKey{}, Wrong("a key needs a scope")
	case n == 0 || n > maxLabel || ledger.Printable(k.Label, len(k.Label)) != k.Label:
		return CreatedKey{}, Wrong("a label has 1 to %d visible characters", maxLabel)
	case k.ID == uuid.Nil:
		return CreatedKey{}, Wrong("a key needs an id")
	}
	text, key := i.keys.Mint(k.ID, scopes)
	event := ledger.Event{Kind: ledger.KeyCreated, Data: ledger.Data{KeyID: k.ID.String(), Scopes: scopes.Names()}}
	created, err := i.change(ctx, event, func(b *pgx.Batch, done func(int64)) {
		execCounted(b, done, insertKeySQL, k.ID.String(), k.Label, scopes.Names(), key.Hash(), i.now())
	})
	switch {
	case err != nil:
		return CreatedKey{}, err
	case created == 0:
		return CreatedKey{}, Failed("the key %s exists, and its text was returned before: revoke it and create another one", k.ID)
	}
	return CreatedKey{text}, nil
}

// KeyEntry is a key without its text.
type KeyEntry struct {
	ID      uuid.UUID  `json:"id"`
	Label   string     `json:"label"`
	Scopes  []string   `json:"scopes"`
	Created time.Time  `json:"created"`
	Revoked *time.Time `json:"revoked,omitempty"`
}

const listKeysSQL = `
select id::text, label, scopes, created_at, revoked_at from api_keys order by created_at desc, id desc limit $1::integer`

// listKeys lists the keys, the newest first.
func listKeys(ctx context.Context, i *Installation, _ All) (List[KeyEntry], error) {
	var rows []KeyEntry
	err := i.db.Batch(ctx, func(b *pgx.Batch) {
		rows = nil
		b.Queue(listKeysSQL, maxListed).Query(func(found pgx.Rows) error {
			var k KeyEntry
			_, err := pgx.ForEachRow(found, []any{&k.ID, &k.Label, &k.Scopes, &k.Created, &k.Revoked}, func() error {
				rows = append(rows, k)
				k = KeyEntry{}
				return nil
			})
			return err
		})
	})
	if err != nil {
		return List[KeyEntry]{}, err
	}
	return list(rows)
}

// KeyID names a key.
type KeyID struct {
	ID string `json:"id"`
}

// Revoked is the result of KeyRevoke.
type Revoked struct {
	// Now is false if the key was revoked before.
	Now bool `json:"now"`
}

const (
	revokeKeySQL = `
update api_keys set revoked_at = $2::timestamptz where id = $1::text::uuid and revoked_at is null`
	keyExistsSQL = `
select exists (select from api_keys where id = $1::text::uuid)`
)

// revokeKey revokes a key for every later request.
func revokeKey(ctx context.Context, i *Installation, k KeyID) (Revoked, error) {
	ids, err := parseIDs([]string{k.ID})
	if err != nil {
		return Revoked{}, err
	}
	event := ledger.Event{Kind: ledger.KeyRevoked, Data: ledger.Data{KeyID: ids[0].String()}}
	revoked, err := i.change(ctx, event, func(b *pgx.Batch, done func(int64)) {
		execCounted(b, done, revokeKeySQL, ids[0].String(), i.now())
	})
	if err != nil || revoked > 0 {
		return Revoked{revoked > 0}, err
	}
	exists := false
	err = i.db.Batch(ctx, func(b *pgx.Batch) {
		b.Queue(keyExistsSQL, ids[0].String()).QueryRow(func(found pgx.Row) error { return found.Scan(&exists) })
	})
	if err == nil && !exists {
		err = Failed("there is no key %s; key list has the ids", ids[0])
	}
	return Revoked{}, err
}
