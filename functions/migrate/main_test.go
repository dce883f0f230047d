package main

import (
	"bytes"
	"context"
	"encoding/pem"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/cfn"

	"newsletter/internal/fixtures/testenv"
	"newsletter/internal/local/gobuild"
	"newsletter/internal/local/lambdalocal"
)

// The deployed binary runs behind the Runtime API: with a database it migrates, and without configuration it
// still answers a stack.
func TestBinary(t *testing.T) {
	t.Parallel()
	db := testenv.EmptyPostgres(t)
	b := newBucket(t, 0)
	dir := t.TempDir()
	roots := filepath.Join(dir, "bucket.pem")
	if err := os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	binary := build(t, dir)
	var configured []string
	for name, value := range variables(db) {
		configured = append(configured, name+"="+value)
	}
	var log bytes.Buffer
	server, err := lambdalocal.New(lambdalocal.Config{Log: &log, Functions: []lambdalocal.Function{
		{Name: "migrate", Binary: binary, Env: configured, Concurrency: 1, Timeout: time.Minute},
		{Name: "bare", Binary: binary, Env: []string{"SSL_CERT_FILE=" + roots}, Concurrency: 1, Timeout: time.Minute},
		{Name: "no-secret", Binary: binary, Concurrency: 1, Timeout: time.Minute, Env: []string{
			"SSL_CERT_FILE=" + roots, "SECRETS_ARN=arn:lost", "FAKES_URL=http://127.0.0.1:1",
			"AWS_ACCESS_KEY_ID=AKIDTEST", "AWS_SECRET_ACCESS_KEY=test",
		}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close(context.Background()) })

	up, err := server.Invoke(t.Context(), "migrate", event(t, "up"))
	if err != nil || up.FunctionError != "" || !strings.Contains(string(up.Payload), `"ok":true`) {
		t.Errorf("up: %v %s %s", err, up.FunctionError, up.Payload)
	}
	bad, err := server.Invoke(t.Context(), "migrate", []byte(`{"command":"destroy"}`))
	if err != nil || bad.FunctionError == "" || !strings.Contains(string(bad.Payload), "unknown command") {
		t.Errorf("a bad command: %v %s %s", err, bad.FunctionError, bad.Payload)
	}
	again, err := server.Invoke(t.Context(), "migrate", event(t, "validate"))
	if err != nil || !strings.Contains(string(again.Payload), `"ok":true`) {
		t.Errorf("after a bad command: %v %s", err, again.Payload)
	}

	if runtime.GOOS == "linux" { // elsewhere SSL_CERT_FILE is not read
		if _, err := server.Invoke(t.Context(), "bare", b.request("cloudformation-create")); err != nil {
			t.Fatal(err)
		}
		if answer := b.only(); answer.Status != cfn.StatusFailed || !strings.Contains(answer.Reason, "MIGRATE_DATABASE_URL") {
			t.Errorf("without a configuration: %+v", answer)
		}
		b.reset()
		if _, err := server.Invoke(t.Context(), "no-secret", b.request("cloudformation-create")); err != nil {
			t.Fatal(err)
		}
		if answer := b.only(); answer.Status != cfn.StatusFailed || !strings.Contains(answer.Reason, "arn:lost") {
			t.Errorf("without its secret: %+v", answer)
		}
	}
	if err := server.Close(t.Context()); err != nil {
		t.Error(err)
	}
	for _, secret := range []string{db.AppPassword, db.AdminURL, "5ecre7"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds a secret:\n%s", log.String())
		}
	}
	if !strings.Contains(log.String(), `"command":"up"`) {
		t.Errorf("the invocation's line does not tell the command:\n%s", log.String())
	}
}

// build builds the function into a folder.
func build(t *testing.T, dir string) string {
	t.Helper()
	binary := filepath.Join(dir, "bootstrap")
	if err := gobuild.Local(t.Context(), ".", binary, nil, "."); err != nil {
		t.Fatal(err)
	}
	return binary
}

// An artifact built for another environment than the deployment's changes no database, and fails the deployment
// before it changes any other function. Reading is allowed.
func TestArtifactOfAnotherEnvironment(t *testing.T) {
	t.Parallel()
	db := testenv.EmptyPostgres(t)
	b := newBucket(t, 0)
	dir := t.TempDir()
	binary := build(t, dir)
	roots := filepath.Join(dir, "bucket.pem")
	for name, content := range map[string][]byte{
		roots:                               pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b.Certificate().Raw}),
		filepath.Join(dir, "settings.json"): []byte(`{"ENVIRONMENT": "production"}`),
	} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	environment := []string{"SSL_CERT_FILE=" + roots}
	for name, value := range variables(db) {
		environment = append(environment, name+"="+value)
	}
	var log bytes.Buffer
	cfg := lambdalocal.Config{Log: &log}
	for _, name := range []string{"staging", "production"} {
		cfg.Functions = append(cfg.Functions, lambdalocal.Function{
			Name: name, Binary: binary, Env: append(slices.Clone(environment), "ENVIRONMENT="+name), Concurrency: 1, Timeout: time.Minute,
		})
	}
	server, err := lambdalocal.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close(context.Background()) })

	const want = `built for the environment \"production\", but the parameter Environment is \"staging\"; build them again: ENVIRONMENT=staging sam build`
	up, err := server.Invoke(t.Context(), "staging", event(t, "up"))
	if err != nil || up.FunctionError == "" || !strings.Contains(string(up.Payload), want) {
		t.Errorf("up: %v %s %s", err, up.FunctionError, up.Payload)
	}
	if runtime.GOOS == "linux" { // elsewhere SSL_CERT_FILE is not read
		for _, sample := range []string{"cloudformation-create", "cloudformation-update"} {
			b.reset()
			if _, err := server.Invoke(t.Context(), "staging", b.request(sample)); err != nil {
				t.Fatal(err)
			}
			if answer := b.only(); answer.Status != cfn.StatusFailed || !strings.Contains(answer.Reason, strings.ReplaceAll(want, `\`, "")) {
				t.Errorf("%s: %+v", sample, answer)
			}
		}
	}
	status, err := server.Invoke(t.Context(), "staging", event(t, "status"))
	if err != nil || status.FunctionError != "" || !strings.Contains(string(status.Payload), `"version":0`) {
		t.Errorf("the database was changed: %v %s", err, status.Payload)
	}
	up, err = server.Invoke(t.Context(), "production", event(t, "up"))
	if err != nil || up.FunctionError != "" || !strings.Contains(string(up.Payload), `"ok":true`) {
		t.Errorf("where it belongs: %v %s %s", err, up.FunctionError, up.Payload)
	}
}
