package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"newsletter/internal/policy/bundle"
	"newsletter/internal/policy/settings"
)

// needs lists the variables that each function requires. migrate starts without any, because its answer to
// CloudFormation names the missing ones.
var needs = map[string][]string{
	"subscribe":   {"DATABASE_URL", "PEPPER", "SITE_NAME", "SITE_POSTAL_ADDRESS", "SITE_PUBLIC_URL", "TOKEN_KEYS_SERVER"},
	"confirm":     {"DATABASE_URL", "PEPPER", "SITE_NAME", "SITE_POSTAL_ADDRESS", "TOKEN_KEYS_CONFIRM"},
	"unsubscribe": {"DATABASE_URL", "PEPPER", "SITE_NAME", "SITE_POSTAL_ADDRESS", "TOKEN_KEYS_UNSUBSCRIBE"},
	"privacy":     {"DATABASE_URL", "PEPPER", "SITE_NAME", "SITE_POSTAL_ADDRESS", "TOKEN_KEYS_PRIVACY", "OUTBOX_KEYS"},
	"health":      {"DATABASE_URL"},
	"deliver": {"DATABASE_URL", "PEPPER", "SITE_NAME", "SITE_POSTAL_ADDRESS", "SITE_PUBLIC_URL", "MAIL_FROM", "OUTBOX_KEYS",
		"TOKEN_KEYS_CONFIRM", "TOKEN_KEYS_UNSUBSCRIBE", "TOKEN_KEYS_PRIVACY"},
	"engagement": {"DATABASE_URL", "PEPPER", "TOKEN_KEYS_SERVER"},
	"maintain":   {"DATABASE_URL", "PEPPER", "OUTBOX_KEYS", "ANCHOR_URL"},
	"migrate":    {},
	"operate":    {"DATABASE_URL", "PEPPER", "SITE_NAME", "SITE_POSTAL_ADDRESS", "SITE_PUBLIC_URL", "OUTBOX_KEYS", "ANCHOR_URL", "TOKEN_KEYS_UNSUBSCRIBE", "TOKEN_KEYS_SERVER"},
}

// usable returns values with which functions start. The address has no database.
func usable() map[string]string {
	key := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	return map[string]string{
		"DATABASE_URL": "postgres://app:x@127.0.0.1:1/x", "MIGRATE_DATABASE_URL": "postgres://migrator:x@127.0.0.1:1/x",
		"PEPPER": key, "OUTBOX_KEYS": key, "TOKEN_KEYS_CONFIRM": key, "TOKEN_KEYS_UNSUBSCRIBE": key, "TOKEN_KEYS_PRIVACY": key, "TOKEN_KEYS_SERVER": key,
		"SITE_NAME": "The Local Letter", "SITE_POSTAL_ADDRESS": `1 Local Lane\n12345 Localtown`, "SITE_PUBLIC_URL": "https://api.example.org/", "MAIL_FROM": "letter@example.org",
		"ANCHOR_URL": "s3://anchors/letter",
	}
}

// A beginning is the result of starting a function by itself.
type beginning struct {
	started bool
	logged  []string // the errors in its log
	answer  string   // the message of the error that Lambda received, of the start or of the one event
	reports string   // what Sentry was sent
}

// begin starts a function with variables and, if it starts, sends it an event.
func begin(t *testing.T, function string, variables map[string]string, event string) (b beginning) {
	t.Helper()
	built, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var mu sync.Mutex
	api := http.NewServeMux()
	api.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		first := !b.started
		b.started = true
		mu.Unlock()
		if !first || event == "" {
			cancel()
			return
		}
		w.Header().Set("Lambda-Runtime-Aws-Request-Id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
		w.Header().Set("Lambda-Runtime-Deadline-Ms", "4102444800000") // 2100
		_, _ = io.WriteString(w, event)
	})
	failed := func(w http.ResponseWriter, r *http.Request) {
		var said struct{ ErrorMessage string }
		err := json.NewDecoder(r.Body).Decode(&said)
		mu.Lock()
		defer mu.Unlock()
		if b.answer = said.ErrorMessage; err != nil {
			b.answer = err.Error()
		}
		w.WriteHeader(http.StatusAccepted)
	}
	api.HandleFunc("POST /2018-06-01/runtime/init/error", failed)
	api.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", failed)
	api.HandleFunc("POST /2020-01-01/extension/register", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Lambda-Extension-Identifier", "1") })
	api.HandleFunc("GET /2020-01-01/extension/event/next", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	api.HandleFunc("POST /api/1/envelope/", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // a truncated report fails the test
		mu.Lock()
		defer mu.Unlock()
		b.reports += string(body)
		_, _ = io.WriteString(w, "{}")
	})
	server := httptest.NewServer(api)
	defer server.Close()
	defer server.CloseClientConnections()
	host := strings.TrimPrefix(server.URL, "http://")

	cmd := exec.CommandContext(ctx, filepath.Join(built, function))
	cmd.Env = []string{"AWS_LAMBDA_RUNTIME_API=" + host, "AWS_LAMBDA_FUNCTION_NAME=" + function, "AWS_REGION=eu-central-1", "SENTRY_DSN=http://key@" + host + "/1"}
	for name, value := range variables {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	err = cmd.Run()
	mu.Lock()
	defer mu.Unlock()
	if !b.started && (err == nil || ctx.Err() != nil) {
		t.Errorf("%s neither started nor failed: %v\n%s", function, err, log.String())
	}
	for line := range strings.Lines(log.String()) {
		var entry struct{ Level, Message, Err string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Errorf("%s: not JSON: %s", function, line)
		}
		if entry.Level == "ERROR" {
			b.logged = append(b.logged, entry.Err)
		}
	}
	return b
}

// TestFunctionsRequireOnlyWhatTheyUse checks that a function starts with the variables that it uses, and that it names
// a missing one.
func TestFunctionsRequireOnlyWhatTheyUse(t *testing.T) {
	t.Parallel()
	names, err := bundle.FunctionNames(root)
	if err != nil || len(names) != len(needs) {
		t.Fatalf("%v, %v", names, err)
	}
	for function, required := range needs {
		variables := map[string]string{}
		for _, name := range required {
			variables[name] = usable()[name]
		}
		if got := begin(t, function, variables, ""); !got.started {
			t.Errorf("%s does not start with %v: %v", function, required, got.logged)
		}
		for _, name := range required {
			less := maps.Clone(variables)
			delete(less, name)
			if got := begin(t, function, less, ""); got.started || !strings.HasPrefix(got.answer, name+": required, but not set") || strings.Contains(got.answer, "\n") {
				t.Errorf("%s without %s: started %v, %q", function, name, got.started, got.answer)
			}
		}
	}
}

// nonsense is invalid for all variables except free text.
const nonsense = `Canary7 "value"; is%wrong,`

// spared lists the variables that reports depend on or contain.
var spared = []string{"SECRETS_ARN", "SENTRY_DSN", "SCHEDULE", "ERROR_WEBHOOK_URL", "ERROR_WEBHOOK_SECRETS", "ENVIRONMENT", "RELEASE"}

// mangled matches the scrubber's replacements of personal data and secrets.
var mangled = regexp.MustCompile(`\[(address|ip|key|value)\]`)

// mistakes returns the rules in a configuration error by variable. Each line is one mistake.
func mistakes(t *testing.T, function, text string) map[string]string {
	t.Helper()
	rules := map[string]string{}
	for line := range strings.SplitSeq(text, "\n") {
		name, rule, found := strings.Cut(line, ": ")
		if !found || !regexp.MustCompile(`^[A-Z][A-Z0-9_]+$`).MatchString(name) || rule == "" {
			t.Errorf("%s: a line without a variable: %q", function, line)
		}
		if strings.Contains(rule, "such as") && strings.Contains(rule, "(example: ") {
			t.Errorf("%s: two examples: %q", function, line)
		}
		if rules[name] != "" {
			t.Errorf("%s: %s is reported twice: %q", function, name, text)
		}
		if mangled.MatchString(line) || strings.Contains(line, "Canary7") {
			t.Errorf("%s: scrubbed, or contains the value: %q", function, line)
		}
		rules[name] = rule
	}
	if strings.HasSuffix(text, "…") {
		t.Errorf("%s: truncated: %q", function, text)
	}
	return rules
}

// TestConfigurationErrorsAreReportedInFull checks that all mistakes in the variables are reported once, complete and
// without the values: in the log, in the answer to an invocation and in Sentry.
func TestConfigurationErrorsAreReportedInFull(t *testing.T) {
	t.Parallel()
	for function := range needs {
		event := ""
		if function == "migrate" { // it starts and returns the mistakes
			event = `{"command":"status"}`
		}
		all, expected := usable(), []string(nil)
		for _, use := range settings.Reads(function) {
			if strings.HasPrefix(use.Name, "AWS_") || slices.Contains(spared, use.Name) {
				continue
			}
			all[use.Name] = nonsense
			one := usable()
			one[use.Name] = nonsense
			got := begin(t, function, one, event)
			if got.answer == "" || strings.Contains(got.answer, "127.0.0.1") || strings.Contains(got.answer, "[ip]") {
				continue // any text is valid; migrate then connects to its database
			}
			if rule := mistakes(t, function, got.answer)[use.Name]; rule != "" {
				expected = append(expected, use.Name)
			} else if !strings.Contains(got.answer, use.Name) { // "required with"
				t.Errorf("%s: the mistake of %s is reported as %q", function, use.Name, got.answer)
			}
			if len(got.logged) != 1 || got.logged[0] != got.answer {
				t.Errorf("%s: %s is logged as %q, answered as %q", function, use.Name, got.logged, got.answer)
			}
		}
		if function != "migrate" && len(expected) < 4 {
			t.Errorf("%s: too few mistakes: %v", function, expected)
		}
		got := begin(t, function, all, event)
		rules := mistakes(t, function, got.answer)
		for _, name := range expected {
			if rules[name] == "" && name != "MAIL_FROM" && name != "LOOPS_TRANSACTIONAL_ID" { // Loops sends instead, because its variables are set
				t.Errorf("%s: the mistake of %s is missing: %q", function, name, got.answer)
			}
		}
		if len(got.logged) != 1 || got.logged[0] != got.answer {
			t.Errorf("%s: logged %q, answered %q", function, got.logged, got.answer)
		}
		if n := strings.Count(got.reports, `"exception":[{"type":`); n != 1 || strings.Count(got.reports, `"value":`) != 1 {
			t.Errorf("%s: want one report in Sentry: %s", function, got.reports)
		}
		if encoded, _ := json.Marshal(got.answer); !strings.Contains(got.reports, `"value":`+string(encoded)) {
			t.Errorf("%s: the report in Sentry lacks %s: %s", function, encoded, got.reports)
		}
		if strings.Contains(got.reports, "Canary7") || mangled.MatchString(got.reports) {
			t.Errorf("%s: reported %s", function, got.reports)
		}
	}
}
