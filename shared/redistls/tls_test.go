package redistls_test

import (
	"testing"

	"newsletter/internal/fixtures/weaktls"
	"newsletter/shared/config"
	"newsletter/shared/redistls"
)

func TestOldTLSIsRefused(t *testing.T) {
	t.Parallel()
	weaktls.Check(t, nil, func(addr, caFile string) {
		client, err := redistls.New(redistls.Config{URL: config.Seal("rediss://:secret@" + addr), CAFile: caFile})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		if err := redistls.Warm(t.Context(), client); err == nil {
			t.Error("connected with an old TLS version")
		}
	})
}
