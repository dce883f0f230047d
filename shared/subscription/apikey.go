package subscription

import (
	"github.com/jackc/pgx/v5"

	"newsletter/shared/apikey"
)

const keyRowSQL = `
select hash, scopes, revoked_at is not null from api_keys where id = $1::text::uuid`

// loadKey reads the row of a server's key.
func loadKey(b *pgx.Batch, key apikey.Key, into *apikey.Row) {
	b.Queue(keyRowSQL, key.ID.String()).QueryRow(func(found pgx.Row) error {
		*into = apikey.Row{}
		return ignoreNoRows(found.Scan(&into.Hash, &into.Scopes, &into.Revoked))
	})
}

// keyID returns the id of a server's key as a parameter; empty for none.
func keyID(key *apikey.Key) string {
	if key == nil {
		return ""
	}
	return key.ID.String()
}
