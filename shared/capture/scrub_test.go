package capture

import (
	"encoding/base64"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestScrubKeepsUsefulText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"",
		"insert subscription: ERROR: duplicate key value violates unique constraint \"subscribers_email_norm_key\" (SQLSTATE 23505)",
		"read secret arn:aws:secretsmanager:eu-central-1:123456789012:secret:newsletter-prod-app-AbCdEf: AccessDeniedException",
		"operation error Secrets Manager: GetSecretValue, https response error StatusCode: 400",
		"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types.ResourceNotFoundException",
		"/var/task/shared/subscription/transition.go:1234 +0x1d",
		"2026-01-01T12:34:56.789Z took 12:34:56",
		"01890a5d-ac96-774b-bcce-b302099a8057 is locked",
		"newsletter:transact::retry of subscribers::Request",
		"context deadline exceeded",
		`MAIL_FROM: must be an address, such as "Jane <news@example.org>"`,
		"DATABASE_URL: must be a URL, such as postgres://user:password@host:5432/database",
		"REDIS_URL: must be a URL, such as rediss://user:password@host:6379",
		`policies look like "5/10m@host,200/1h@site": limit, window, and host or site`,
		"FAKES_URL: must be http:// with a loopback address and a port (example: http://[::1]:8080)",
		"such as arn:aws:sns:eu-central-1:123456789012:alerts, or https://sqs.eu-central-1.amazonaws.com/123456789012/unsubscribe",
		"version 1.26.8, build 20261123133555000000000",
	} {
		if got := Scrub(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestScrubRemovesPersonalData(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"to <jane@example.org>":                      "to <[address]>",
		"postgres://app:pa55word@db.internal/news":   "postgres://app:[address]",
		"dial tcp 10.0.0.5:5432: connect":            "dial tcp [ip]:5432: connect",
		"dial tcp [2001:db8::1]:6379: refused":       "dial tcp [[ip]]:6379: refused",
		"jane.news@example.org, news@example.org.uk": "[address], [address]",
		"news@example.organic":                       "[address]",
		"postgres://app:my-password@host/news":       "postgres://app:[address]",
		"rediss://password@host.internal:6379":       "rediss:[address]:6379",
		"5/10m@hosts":                                "[address]",
		"from ::ffff:192.0.2.1":                      "from ::ffff:[ip]",
		"Key (email, id)=(jane, 5) already exists.":  "Key (email, id)=([value]) already exists.",
		"key \"id:" + canaries["base64 key"] + "\"":  "key \"id:[key]\"",
		"?token=" + canaries["token"] + "&x=1":       "?[key]&x=1",
		"GET /confirm?token=" + canaries["token"]:    "GET /confirm?[key]",
	} {
		if got := Scrub(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func TestScrubFindsRandomKeys(t *testing.T) {
	t.Parallel()
	random := rand.NewChaCha8([32]byte{1})
	for range 5000 {
		key := make([]byte, 32)
		_, _ = random.Read(key)
		for _, written := range []string{base64.StdEncoding.EncodeToString(key), base64.RawURLEncoding.EncodeToString(key), hex.EncodeToString(key)} {
			if got := Scrub("key " + written + " is unknown"); strings.Contains(got, written) {
				t.Fatalf("left %q", got)
			}
		}
	}
}
