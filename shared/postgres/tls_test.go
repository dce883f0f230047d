package postgres_test

import (
	"errors"
	"testing"

	"newsletter/internal/fixtures/weaktls"
	"newsletter/shared/config"
	"newsletter/shared/postgres"
)

func TestOldTLSIsRefused(t *testing.T) {
	t.Parallel()
	weaktls.Check(t, weaktls.AcceptSSLRequest, func(addr, caFile string) {
		db, err := postgres.New(t.Context(), postgres.Config{URL: config.Seal("postgres://app:s3cret@" + addr + "/newsletter"), CAFile: caFile})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if err := db.Ping(t.Context()); !errors.Is(err, postgres.ErrUnavailable) {
			t.Error(err)
		}
	})
}
