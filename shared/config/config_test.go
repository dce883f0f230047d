package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const canary = "canary-5ecret"

func TestSealedNeverPrints(t *testing.T) {
	type holder struct {
		Open   Sealed
		hidden Sealed
		ptr    *Sealed
		byName map[string]Sealed
	}
	s := Seal(canary)
	h := holder{s, s, &s, map[string]Sealed{"k": s}}
	var printed bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, value := range []any{s, &s, h, &h, []Sealed{s}, fmt.Errorf("with %v", h), struct{ inner holder }{h}} {
			fmt.Fprintf(&printed, verb+"\n", value)
		}
	}
	for _, handler := range []slog.Handler{slog.NewTextHandler(&printed, nil), slog.NewJSONHandler(&printed, nil)} {
		slog.New(handler).Info("secret", "sealed", s, "held", h, "pointer", &h)
	}
	if err := json.NewEncoder(&printed).Encode(map[string]any{"s": s, "h": h, "p": &s}); err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%v", []byte(canary))} {
		if strings.Contains(printed.String(), form) {
			t.Errorf("printed the secret as %q", form)
		}
	}
	if s.Reveal() != canary || s.IsZero() || !(Sealed{}).IsZero() {
		t.Error("the secret is not what was sealed")
	}
}

type testConfig struct {
	URL     Sealed        `env:"T_URL,required"`
	Wait    time.Duration `env:"T_WAIT" envDefault:"2s"`
	Limit   int           `env:"T_LIMIT" envDefault:"5"`
	Enabled bool          `env:"T_ENABLED"`
	Other   string        `env:"T_OTHER,required"`
}

func (c testConfig) Validate() error {
	if c.Limit < 1 {
		return errors.New("T_LIMIT: must be at least 1")
	}
	return nil
}

func TestEveryMistakeIsReportedAtOnceWithoutItsValue(t *testing.T) {
	e := FromMap(map[string]string{"T_WAIT": canary, "T_LIMIT": canary, "T_ENABLED": canary})
	var first, second testConfig
	e.Read(&first)
	e.Read(&second)
	message := e.Err().Error()
	for _, name := range []string{"T_URL", "T_WAIT", "T_LIMIT", "T_ENABLED", "T_OTHER"} {
		if !strings.Contains(message, name) {
			t.Errorf("no word of %s in:\n%s", name, message)
		}
	}
	if strings.Contains(message, canary) {
		t.Errorf("a value is printed:\n%s", message)
	}
}

func TestValidateRunsAfterParsing(t *testing.T) {
	e := FromMap(map[string]string{"T_URL": "u", "T_OTHER": "o", "T_LIMIT": "0"})
	var c testConfig
	e.Read(&c)
	if err := e.Err(); err == nil || err.Error() != "T_LIMIT: must be at least 1" {
		t.Fatalf("got %v", err)
	}
	if c.URL.Reveal() != "u" || c.Wait != 2*time.Second {
		t.Errorf("read %+v", c)
	}
}

// secretsManager answers GetSecretValue as the service does and refuses what the service would refuse.
func secretsManager(t *testing.T, secrets map[string]string) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("X-Amz-Target"); got != "secretsmanager.GetSecretValue" {
			t.Errorf("target %q", got)
		}
		if got := r.Header.Get("Authorization"); !strings.HasPrefix(got, "AWS4-HMAC-SHA256 Credential=AKIDTEST/") ||
			!strings.Contains(got, "/eu-central-1/secretsmanager/aws4_request") {
			t.Errorf("authorization %q", got)
		}
		body, _ := io.ReadAll(r.Body)
		var input struct{ SecretId string }
		if err := json.Unmarshal(body, &input); err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		value, found := secrets[input.SecretId]
		if !found {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"__type":"ResourceNotFoundException","message":"Secrets Manager can't find the specified secret."}`)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"ARN": input.SecretId, "SecretString": value})
	}))
	t.Cleanup(server.Close)
	t.Setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", server.URL)
	t.Setenv("AWS_REGION", "eu-central-1")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
}

func TestSecretsFillWhatTheEnvironmentLeavesOpen(t *testing.T) {
	secrets := map[string]string{
		"arn:one": `{"T_URL":"` + canary + `","T_OTHER":"from one"}`,
		"arn:two": `{"T_OTHER":"from two","T_WAIT":"9s"}`,
	}
	secretsManager(t, secrets)
	t.Setenv("SECRETS_ARN", "arn:one,arn:two")
	t.Setenv("T_WAIT", "3s")
	e, err := FromOS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var c testConfig
	e.Read(&c)
	if err := e.Err(); err != nil {
		t.Fatal(err)
	}
	if c.URL.Reveal() != canary || c.Other != "from two" || c.Wait != 3*time.Second {
		t.Errorf("read %+v", c)
	}

	secrets["arn:two"] = `{"T_OTHER":"rotated"}`
	e, err = e.Reload(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := e.Lookup("T_OTHER"); got != "rotated" {
		t.Errorf("after rotation: %q", got)
	}
}

func TestBadSecretsAreAllNamedWithoutTheirValues(t *testing.T) {
	secretsManager(t, map[string]string{"arn:text": canary, "arn:numbers": `{"` + canary + `": 5}`})
	t.Setenv("SECRETS_ARN", "arn:text,arn:numbers,arn:absent")
	_, err := FromOS(t.Context())
	if err == nil {
		t.Fatal("no error")
	}
	for _, arn := range []string{"arn:text", "arn:numbers", "arn:absent"} {
		if !strings.Contains(err.Error(), arn) {
			t.Errorf("no word of %s in %v", arn, err)
		}
	}
	if strings.Contains(err.Error(), canary) {
		t.Errorf("a value is printed: %v", err)
	}
}
