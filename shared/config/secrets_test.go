package config

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"
)

// secretsManager answers GetSecretValue like the service and refuses requests that the service would refuse.
func secretsManager(t *testing.T, secrets map[string]string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		if r.Method != http.MethodPost || r.URL.Path != "/secretsmanager/" || r.Header.Get("X-Amz-Target") != "secretsmanager.GetSecretValue" {
			t.Errorf("%s %s with target %q", r.Method, r.URL, r.Header.Get("X-Amz-Target"))
		}
		if got := r.Header.Get("Authorization"); !signature.MatchString(got) {
			t.Errorf("authorization %q", got)
		}
		if _, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date")); err != nil {
			t.Error(err)
		}
		if got := r.Header.Get("X-Amz-Security-Token"); got != "session" {
			t.Errorf("session token %q", got)
		}
		var input struct{ SecretId string }
		decoder := json.NewDecoder(r.Body)
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&input); err != nil {
			t.Error(err)
		}
		value, found := secrets[input.SecretId]
		if !found {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"__type":"ResourceNotFoundException","message":"Secrets Manager can't find the specified secret."}`)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"ARN": input.SecretId, "Name": "n", "SecretString": value})
	}))
	t.Cleanup(server.Close)
	t.Setenv("FAKES_URL", server.URL)
	t.Setenv("AWS_REGION", "eu-central-1")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	t.Setenv("AWS_SESSION_TOKEN", "session")
}

// signature matches a SigV4 header that signs the relevant parts of a request.
var signature = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=AKIDTEST/\d{8}/eu-central-1/secretsmanager/aws4_request, ` +
	`SignedHeaders=[a-z0-9;-]*host;[a-z0-9;-]*x-amz-date;x-amz-security-token;x-amz-target, Signature=[0-9a-f]{64}$`)

func TestSecretsFillUnsetVariables(t *testing.T) {
	secrets := map[string]string{
		"arn:one": `{"T_URL":"` + canary + `","T_OTHER":"from one"}`,
		"arn:two": `{"T_OTHER":"from two","T_WAIT":"9s","T_SHAPE":""}`,
	}
	secretsManager(t, secrets)
	t.Setenv("SECRETS_ARN", " arn:one, arn:two,")
	t.Setenv("T_WAIT", "3s")
	t.Setenv("T_URL", "") // an empty variable does not override the secret's value
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

	if _, set := e.Lookup("T_SHAPE"); set {
		t.Error("an empty value of a secret is set")
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

func TestInvalidSecretsAreNamedWithoutTheirValues(t *testing.T) {
	secretsManager(t, map[string]string{"arn:text": canary, "arn:numbers": `{"` + canary + `": 5}`})
	t.Setenv("SECRETS_ARN", "arn:text,arn:numbers,arn:absent")
	t.Setenv("T_OTHER", "own")
	e, err := FromOS(t.Context())
	if err == nil {
		t.Fatal("no error")
	}
	for _, arn := range []string{"arn:text", "arn:numbers", "arn:absent"} {
		if !strings.Contains(err.Error(), arn) {
			t.Errorf("no %s in %v", arn, err)
		}
	}
	if strings.Contains(err.Error(), canary) {
		t.Errorf("a value is printed: %v", err)
	}
	if own, _ := e.Lookup("T_OTHER"); own != "own" {
		t.Error("without its secrets the environment's own variables are lost")
	}
	var c testConfig // a secret may contain its T_URL
	if e.Read(&c); e.Err().Error() != err.Error() {
		t.Errorf("got %v", e.Err())
	}
}

func TestMissingCredentialsAreNamed(t *testing.T) {
	secretsManager(t, nil)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("SECRETS_ARN", "arn:one")
	if _, err := FromOS(t.Context()); err == nil || !strings.Contains(err.Error(), "AWS_ACCESS_KEY_ID") {
		t.Errorf("got %v", err)
	}
}
