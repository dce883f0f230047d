package settings

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"newsletter/internal/fixtures/testenv"
	"newsletter/internal/local/devstack"
	"newsletter/internal/local/gobuild"
	"newsletter/internal/local/lambdalocal"
	"newsletter/internal/policy/settings/record"
)

// samples has an event for each function that the configured function answers.
var samples = map[string]string{
	"confirm": "token-malformed", "deliver": "scheduled", "engagement": "open", "health": "live", "maintain": "scheduled",
	"migrate": "status", "operate": "hold-list", "privacy": "token-malformed", "subscribe": "json-minimal", "unsubscribe": "token-malformed",
}

// TestEveryFunctionStartsWithExactlyWhatItReads, with its binary beside its settings, as deployed. It reads and
// serves what the record has, even if all optional settings are set, and invalid values of variables that it does not
// read do not stop it.
func TestEveryFunctionStartsWithExactlyWhatItReads(t *testing.T) {
	binaries := t.TempDir()
	if err := gobuild.Functions(t.Context(), "../../..", binaries); err != nil {
		t.Fatal(err)
	}
	built, err := os.ReadDir(binaries)
	if err != nil || len(built) != len(record.Reads) {
		t.Fatalf("%d functions, and a record of %d: run make generate (%v)", len(built), len(record.Reads), err)
	}
	for function, reads := range record.Reads {
		for _, broken := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, all others broken: %v", function, broken), func(t *testing.T) {
				artifact := t.TempDir()
				if err := os.Link(filepath.Join(binaries, function), filepath.Join(artifact, "bootstrap")); err != nil {
					t.Fatal(err)
				}
				packed, environment := given(t, reads)
				if err := os.WriteFile(filepath.Join(artifact, "settings.json"), packed, 0o600); err != nil {
					t.Fatal(err)
				}
				for _, v := range all() {
					if broken && !slices.Contains(reads.All(), v.Name) {
						environment = append(environment, v.Name+"=\tbroken")
					}
				}
				got := invoke(t, function, artifact, environment)
				if !slices.Equal(got.Variables, reads.All()) {
					t.Errorf("it asks for\n%v, and the record has\n%v: run make generate", got.Variables, reads.All())
				}
				if !slices.Equal(got.Routes, record.Routes[function]) {
					t.Errorf("it serves %v, and the record has %v: run make generate", got.Routes, record.Routes[function])
				}
			})
		}
	}
}

// given returns the settings file and environment of a function, with values for all variables that it reads.
func given(t *testing.T, reads record.Variables) (packed []byte, environment []string) {
	t.Helper()
	file := map[string]string{"ENVIRONMENT": "test"}
	for _, name := range reads.Settings {
		v, _ := find(name)
		file[name] = v.Example
	}
	file["DELIVERY_LINGER"] = "0s"         // for the test's time
	delete(file, "LOOPS_TRANSACTIONAL_ID") // else MAIL_FROM is not read
	file["LOG_LEVEL"] = "DEBUG"            // for the record
	packed, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	values := outside(t)
	for _, name := range slices.Concat(reads.Secrets, reads.Infrastructure, reads.Local) {
		if values[name] == "" && name != "PEPPER" {
			t.Fatalf("this test has no value for %s", name)
		}
		environment = append(environment, name+"="+values[name])
	}
	return packed, append(environment, "AWS_ACCESS_KEY_ID=AKIDTEST", "AWS_SECRET_ACCESS_KEY=test", "AWS_SESSION_TOKEN=test")
}

// outside has values for the variables that no file sets, with real servers. PEPPER is in a secret.
func outside(t *testing.T) map[string]string {
	t.Helper()
	db, redis := testenv.Postgres(t), testenv.Redis(t)
	key := "1:" + base64.StdEncoding.EncodeToString(make([]byte, 32))
	secrets := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/secretsmanager/" {
			t.Errorf("%s %s is asked", r.Method, r.URL)
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"SecretString": `{"PEPPER":"` + strings.TrimPrefix(key, "1:") + `"}`})
	}))
	t.Cleanup(secrets.Close)
	return map[string]string{
		"FAKES_URL": secrets.URL, "SECRETS_ARN": "arn:pepper", "ENVIRONMENT": "test", "RELEASE": "1", "SCHEDULE": "rate(1 minute)",
		"METRICS_NAMESPACE": "Newsletter/test", "SENTRY_DSN": "http://local@127.0.0.1:1/1",
		"DATABASE_URL": db.AppURL, "TLS_CA_FILE": db.CAFile, "DATABASE_IAM_AUTH": "false",
		"MIGRATE_DATABASE_URL": db.AdminURL, "APP_DATABASE_USER": testenv.AppUser, "APP_DATABASE_PASSWORD": db.AppPassword,
		"KEEPER_DATABASE_PASSWORD": db.KeeperPassword,
		"REDIS_URL":                redis.URL,
		"TOKEN_KEYS_CONFIRM":       key, "TOKEN_KEYS_UNSUBSCRIBE": key, "TOKEN_KEYS_PRIVACY": key, "TOKEN_KEYS_SERVER": key, "OUTBOX_KEYS": key,
		"PROXY_SECRET": strings.Repeat("c", 32), "CAPTCHA_SECRET": "secret", "LOOPS_API_KEY": "key", "LOOPS_SIGNING_SECRET": devstack.LoopsSigningSecret, "GA4_API_SECRET": "secret",
		"UPSTASH_VECTOR_REST_TOKEN": "token", "SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T/B/x",
		"DISCORD_WEBHOOK_URL": "https://discord.com/api/webhooks/1/x", "WEBHOOK_SECRETS": devstack.WebhookSecret,
		"ERROR_WEBHOOK_URL": "https://errors.example.org/", "ERROR_WEBHOOK_SECRETS": devstack.WebhookSecret,
		"ALERTS_TOPIC_ARN": devstack.TopicARN, "JOURNAL_URL": "file://" + t.TempDir() + "/journal", "ANCHOR_URL": "file://" + t.TempDir() + "/anchors", "MAIL_CONFIGURATION_SET": "newsletter",
		"UNSUBSCRIBE_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/unsubscribe",
	}
}

// invoke starts an artifact behind the Runtime API, sends it its sample, and returns what it logged about itself.
func invoke(t *testing.T, function, artifact string, environment []string) recording {
	t.Helper()
	var log bytes.Buffer
	server, err := lambdalocal.New(lambdalocal.Config{Log: &log, Functions: []lambdalocal.Function{
		{Name: function, Binary: filepath.Join(artifact, "bootstrap"), Env: environment, Concurrency: 1, Timeout: time.Minute},
	}})
	if err != nil {
		t.Fatal(err)
	}
	event, err := os.ReadFile(filepath.Join("../../../events", function, samples[function]+".json"))
	if err != nil {
		t.Fatal(err)
	}
	result, err := server.Invoke(t.Context(), function, event)
	_ = server.Close(context.WithoutCancel(t.Context())) // the log is complete
	var answer struct{ StatusCode int }
	if json.Unmarshal(result.Payload, &answer); err != nil || result.FunctionError != "" || answer.StatusCode >= 500 {
		t.Errorf("%v %s %s\n%s", err, result.FunctionError, result.Payload, log.String())
	}
	return logged(bytes.ReplaceAll(log.Bytes(), []byte(function+" | "), nil))
}
