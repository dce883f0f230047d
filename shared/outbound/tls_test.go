package outbound

import (
	"net/http"
	"testing"

	"newsletter/internal/fixtures/weaktls"
	"newsletter/shared/config"
)

func TestOldTLSIsRefused(t *testing.T) {
	t.Parallel()
	weaktls.Check(t, nil, func(addr, caFile string) {
		client := New(Config{AllowPrivate: []string{addr}}, nil)
		roots, err := config.AddRoots(nil, "", caFile)
		if err != nil {
			t.Fatal(err)
		}
		client.http.Transport.(*http.Transport).TLSClientConfig.RootCAs = roots
		if _, err := client.Send(t.Context(), post(t, "https://"+addr)); failure(t, err).Cause != "unreachable" {
			t.Error(err)
		}
	})
}
