package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/cfn"

	"newsletter/internal/fixtures/testenv"
	"newsletter/migrations"
	"newsletter/shared/config"
)

// bucket replaces CloudFormation's pre-signed URL and checks what it receives.
type bucket struct {
	*httptest.Server
	t        *testing.T
	mu       sync.Mutex
	calls    int
	failures int // the number of first calls to refuse
	answers  []cfn.Response
}

// signature is the secret part of the URL.
const signature = "X-Amz-Signature=5ecre7"

func newBucket(t *testing.T, failures int) *bucket {
	t.Helper()
	b := &bucket{t: t, failures: failures}
	b.Server = httptest.NewTLSServer(http.HandlerFunc(b.receive))
	t.Cleanup(b.Close)
	return b
}

func (b *bucket) receive(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.calls++; b.calls <= b.failures {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		b.t.Error(err)
	}
	if r.Method != http.MethodPut || r.URL.RawQuery != signature || r.Header.Get("Content-Type") != "" || r.ContentLength != int64(len(body)) {
		b.t.Errorf("%s %s, %q, %d bytes", r.Method, r.URL, r.Header.Get("Content-Type"), r.ContentLength)
	}
	if len(body) > 4096 {
		b.t.Errorf("the answer has %d bytes, CloudFormation takes 4096", len(body))
	}
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	decoder.DisallowUnknownFields()
	var answer cfn.Response
	if err := decoder.Decode(&answer); err != nil {
		b.t.Errorf("%v in %s", err, body)
	}
	switch {
	case answer.Status != cfn.StatusSuccess && answer.Status != cfn.StatusFailed,
		answer.Status == cfn.StatusFailed && answer.Reason == "",
		answer.PhysicalResourceID == "" || len(answer.PhysicalResourceID) > 1024,
		answer.StackID != "arn:aws:cloudformation:eu-central-1:123456789012:stack/newsletter/5f7f8a60-1b2c-11f0-9d2e-0a1b2c3d4e5f",
		answer.RequestID != "0b7a4c9e-3f51-4a53-8f1b-2f4f7d6f0a11",
		answer.LogicalResourceID != "Migration":
		b.t.Errorf("CloudFormation would refuse %s", body)
	}
	b.answers = append(b.answers, answer)
}

// reset deletes the received responses.
func (b *bucket) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls, b.answers = 0, nil
}

// request returns a sample request with the bucket's URL.
func (b *bucket) request(name string) json.RawMessage {
	b.t.Helper()
	var fields map[string]any
	if err := json.Unmarshal(event(b.t, name), &fields); err != nil {
		b.t.Fatal(err)
	}
	fields["ResponseURL"] = b.URL + "/arn%3Aaws%3Acloudformation?" + signature
	raw, err := json.Marshal(fields)
	if err != nil {
		b.t.Fatal(err)
	}
	return raw
}

// handler returns the function's handler with a client that trusts the bucket.
func (b *bucket) handler(connect func(context.Context) (migrator, error)) handler {
	s := newSender()
	s.pause = time.Millisecond
	s.client.Transport = b.Client().Transport
	return handler{connect: connect, answer: s}
}

// only returns the only accepted response.
func (b *bucket) only() cfn.Response {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.answers) != 1 {
		b.t.Fatalf("%d answers, want 1", len(b.answers))
	}
	return b.answers[0]
}

// This covers the first deployment of a stack, later ones and its deletion, as the master user of a new RDS instance.
func TestStackMigrates(t *testing.T) {
	t.Parallel()
	db := testenv.RDS(t)
	latest := newest(t)
	vars := variables(db)
	vars["MIGRATE_DATABASE_URL"] = db.MasterURL
	env := config.FromMap(vars)
	for _, name := range []string{"cloudformation-create", "cloudformation-update", "cloudformation-rollback", "cloudformation-delete"} {
		b := newBucket(t, 0)
		h := b.handler(func(ctx context.Context) (migrator, error) { return connect(ctx, env) })
		if _, err := h.handle(t.Context(), b.request(name)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		answer := b.only()
		if answer.Status != cfn.StatusSuccess || answer.PhysicalResourceID != "newsletter-schema" {
			t.Errorf("%s: %+v", name, answer)
		}
		if want := fmt.Sprint(latest); name != "cloudformation-delete" && answer.Data["Version"] != want {
			t.Errorf("%s: version %v, want %s", name, answer.Data["Version"], want)
		}
	}
	var version int64 // deleting the stack deletes no data
	if err := db.Conn(t).QueryRow(t.Context(), "select max(version_id) from goose_db_version").Scan(&version); err != nil || version != latest {
		t.Errorf("version %d, %v", version, err)
	}
}

// broken is a migrator that fails, panics or never ends.
type broken struct {
	migrator
	up func(context.Context) (migrations.Result, error)
}

func (b broken) Up(ctx context.Context) (migrations.Result, error) { return b.up(ctx) }

func TestStackIsAlwaysAnswered(t *testing.T) {
	t.Parallel()
	unreachable := config.FromMap(map[string]string{"MIGRATE_DATABASE_URL": "postgres://master:s3cret@127.0.0.1:1/newsletter"})
	failing := func(up func(context.Context) (migrations.Result, error)) func(context.Context) (migrator, error) {
		return func(context.Context) (migrator, error) { return broken{up: up}, nil }
	}
	for name, tc := range map[string]struct {
		connect func(context.Context) (migrator, error)
		reason  string
		panics  bool
	}{
		"no configuration": {func(ctx context.Context) (migrator, error) { return connect(ctx, config.FromMap(nil)) }, "MIGRATE_DATABASE_URL", false},
		"no database":      {func(ctx context.Context) (migrator, error) { return connect(ctx, unreachable) }, "connect", false},
		"a long and odd reason": {failing(func(context.Context) (migrations.Result, error) {
			return migrations.Result{}, errors.New("odd: " + strings.Repeat("\x00<é🙂\"", 5000))
		}), "odd: ", false},
		"a panic": {failing(func(context.Context) (migrations.Result, error) { panic("oh no") }), "panicked", true},
		"no time left": {failing(func(ctx context.Context) (migrations.Result, error) {
			<-ctx.Done()
			return migrations.Result{}, ctx.Err()
		}), "deadline exceeded", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBucket(t, 0)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			panicked := func() (v any) {
				defer func() { v = recover() }()
				if _, err := b.handler(tc.connect).handle(ctx, b.request("cloudformation-create")); err != nil {
					t.Errorf("Lambda would try again: %v", err)
				}
				return nil
			}()
			if (panicked != nil) != tc.panics {
				t.Errorf("panic: %v", panicked) // lambdafn reports it
			}
			answer := b.only()
			if answer.Status != cfn.StatusFailed || !strings.Contains(answer.Reason, tc.reason) || strings.Contains(answer.Reason, "s3cret") {
				t.Errorf("%+v", answer)
			}
		})
	}
}

func TestStackIsDeletedWithoutADatabase(t *testing.T) {
	t.Parallel()
	b := newBucket(t, 0)
	h := b.handler(func(context.Context) (migrator, error) { return nil, errors.New("nothing to connect to") })
	if _, err := h.handle(t.Context(), b.request("cloudformation-delete")); err != nil || b.only().Status != cfn.StatusSuccess {
		t.Errorf("%v %+v", err, b.answers)
	}
}

func TestUnknownRequestTypesFail(t *testing.T) {
	t.Parallel()
	b := newBucket(t, 0)
	raw := strings.Replace(string(b.request("cloudformation-create")), `"Create"`, `"Replace"`, 1)
	if _, err := b.handler(nil).handle(t.Context(), json.RawMessage(raw)); err != nil {
		t.Fatal(err)
	}
	if answer := b.only(); answer.Status != cfn.StatusFailed || !strings.Contains(answer.Reason, `"Replace"`) {
		t.Errorf("%+v", answer)
	}
}

func TestResponseIsRetried(t *testing.T) {
	t.Parallel()
	b := newBucket(t, 3)
	if _, err := b.handler(nil).handle(t.Context(), b.request("cloudformation-delete")); err != nil || b.only().Status != cfn.StatusSuccess {
		t.Errorf("%v", err)
	}

	b = newBucket(t, 99)
	_, err := b.handler(nil).handle(t.Context(), b.request("cloudformation-delete"))
	if err == nil || !strings.Contains(err.Error(), "503") || strings.Contains(err.Error(), "5ecre7") || b.calls != 4 {
		t.Errorf("never accepted: %v after %d calls", err, b.calls)
	}

	b = newBucket(t, 0)
	h, raw := b.handler(nil), b.request("cloudformation-delete")
	b.Close()
	if _, err = h.handle(t.Context(), raw); err == nil || strings.Contains(err.Error(), "5ecre7") {
		t.Errorf("nobody listens: %v", err)
	}

	plain := strings.Replace(string(b.request("cloudformation-delete")), "https://", "http://", 1)
	if _, err = h.handle(t.Context(), json.RawMessage(plain)); err == nil || !strings.Contains(err.Error(), "https") {
		t.Errorf("an http URL: %v", err)
	}
}
