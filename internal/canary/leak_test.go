package canary_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"newsletter/internal/gobuild"
	"newsletter/shared/config"

	"github.com/redis/go-redis/v9"

	"newsletter/internal/canary"
	"newsletter/internal/devstack"
	"newsletter/internal/functiontest"
	"newsletter/internal/testenv"
	"newsletter/shared/httpapi"
	"newsletter/shared/lambdafn"
)

const leak = "leaked.canary@example.org"

// TestALeakInEverySink checks that a leak in each sink, through the infrastructure that all tests use, is found by
// the planted value and by its shape.
func TestALeakInEverySink(t *testing.T) {
	if testing.Short() {
		t.Skip("real servers are left out with -short")
	}
	dir := t.TempDir()
	t.Setenv(canary.DirVariable, dir)
	for name, leaks := range map[string]func(*testing.T){
		"services": leakToServices, "functions": leakFromFunctions, "handlers": leakFromHandlers, "database": leakIntoDatabase, "Redis": leakIntoRedis,
	} {
		t.Run(name, leaks)
	}
	report, err := canary.Read(dir, []canary.Value{canary.Plant("address", canary.Address, leak)})
	if err != nil {
		t.Fatal(err)
	}
	found := func(sink canary.Sink, place, what string) bool {
		return slices.ContainsFunc(report.Findings, func(f canary.Finding) bool {
			return f.Sink == sink && strings.Contains(f.Place, place) && strings.HasPrefix(f.What, what) && f.Package == "internal/canary"
		})
	}
	for _, want := range []struct {
		sink  canary.Sink
		place string
	}{
		{canary.Log, "confirm"}, {canary.Metrics, "confirm"}, {canary.Log, "of a handler"},
		{canary.Answer, "GET /api/newsletter/confirm 200"}, {canary.Problem, "POST /api/newsletter/confirm 422"}, {canary.Problem, "GET /api/newsletter/confirm 404"},
		{canary.Sentry, ""}, {canary.Slack, ""}, {canary.Discord, ""}, {canary.Webhook, ""}, {canary.GA4, ""}, {canary.SNS, ""},
		{canary.Captcha, ""}, {canary.Vector, ""}, {canary.Queue, ""}, {canary.Journal, "/s3"}, {canary.Journal, "folder"},
		{canary.Database, "ledger_events.data"}, {canary.Database, "outbox.outcome"}, {canary.Database, "outbox.sealed"},
		{canary.Redis, ""},
	} {
		if !found(want.sink, want.place, "planted address") || !found(want.sink, want.place, string(canary.Address)) {
			t.Errorf("nothing was found in %s %s", want.sink, want.place)
		}
	}
	for _, sink := range []canary.Sink{canary.SES, canary.Loops} { // they may receive the email address, but not the network address
		if !found(sink, "", string(canary.Network)) || found(sink, "", string(canary.Address)) {
			t.Errorf("%s: want exactly one finding, the network address", sink)
		}
	}
	if found(canary.Database, "subscribers.email", "") {
		t.Error("the inventory's own column is a finding")
	}
	for _, f := range report.Findings {
		if strings.Contains(f.String(), "leaked.canary") {
			t.Errorf("a finding contains its value: %s", f)
		}
	}
}

// leakToServices sends an email address and a network address to every fake.
func leakToServices(t *testing.T) {
	for path, double := range map[string]http.Handler{
		"/sentry": &devstack.Sentry{}, "/slack": &devstack.Slack{}, "/discord": &devstack.Discord{}, "/webhook": devstack.NewWebhooks(time.Now),
		"/ga4": devstack.NewGA4(time.Now), "/sns": &devstack.SNS{}, "/ses": devstack.NewSES(time.Now), "/loops": &devstack.Loops{},
		"/captcha": devstack.NewCaptcha(time.Now), "/vector": &devstack.Vector{}, "/sqs": &devstack.SQS{}, "/s3": devstack.NewS3(0),
	} {
		server := httptest.NewServer(double)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+path,
			strings.NewReader(url.Values{"text": {leak + " 198.51.100.7"}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("X-Sentry-Auth", "sentry_key=local")
		response, err := server.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		server.Close()
	}
}

// leakFromFunctions runs a stack whose functions leak what they receive.
func leakFromFunctions(t *testing.T) {
	binaries, dir := t.TempDir(), t.TempDir()
	leaky := filepath.Join(binaries, "leaky")
	if err := gobuild.Local(t.Context(), ".", leaky, nil, "./testdata/leaky"); err != nil {
		t.Fatal(err)
	}
	functions, err := filepath.Glob("../../functions/*")
	if err != nil || len(functions) == 0 {
		t.Fatal("no functions", err)
	}
	for _, function := range functions {
		if err := os.Link(leaky, filepath.Join(binaries, filepath.Base(function))); err != nil {
			t.Fatal(err)
		}
	}
	db, server := testenv.Postgres(t), testenv.Redis(t)
	s, err := devstack.Start(t.Context(), devstack.Options{
		Root: "../..", Dir: dir, Binaries: binaries, NoSchedules: true, Redis: &devstack.Redis{URL: server.URL, CAFile: server.CAFile},
		Database: &devstack.Database{AppURL: db.AppURL, AdminURL: db.AdminURL, CAFile: db.CAFile, AppPassword: db.AppPassword},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		request, err := http.NewRequestWithContext(t.Context(), method, s.BaseURL+"/api/newsletter/confirm?say="+url.QueryEscape(leak), nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil || response.Header.Get("X-Said") != leak {
			t.Fatal("the function does not say it", err)
		}
		_ = response.Body.Close()
	}
	if err := os.MkdirAll(filepath.Join(dir, "journal", "stops"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "journal", "stops", "1.json"), []byte(`{"email":"`+leak+`"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Stop(context.Background())
}

// leakFromHandlers calls a handler in this process, as the functions' tests do.
func leakFromHandlers(t *testing.T) {
	b := functiontest.New(t)
	config := config.Read[httpapi.Config](b.Env())
	api := httpapi.New(config, httpapi.Route{Path: "/api/newsletter/confirm", GET: func(ctx context.Context, _ *httpapi.Request) (*httpapi.Response, error) {
		lambdafn.Logger(ctx).ErrorContext(ctx, "refused "+leak)
		return nil, httpapi.NewProblem("not-found", http.StatusNotFound, "Not found.", leak)
	}})
	event := functiontest.SampleHTTP(t, "confirm", "show", "")
	functiontest.Serve(t, api, event)
}

func leakIntoDatabase(t *testing.T) {
	db := testenv.Postgres(t)
	conn := db.Conn(t)
	for _, statement := range []string{
		`insert into subscribers (id, email, email_norm, status, request_event_id, requested_at) values (gen_random_uuid(), $1, $1, 'pending', gen_random_uuid(), now())`,
		`insert into ledger_events (id, at, kind, actor, channel, request_id, data) values (gen_random_uuid(), now(), 'x', 'system', 'x', 'x', jsonb_build_object('outcome', $1::text))`,
		`insert into outbox (id, kind, due_at, created_at, outcome) values (gen_random_uuid(), 'x', now(), now(), $1)`,
		`insert into outbox (id, kind, due_at, created_at, sealed) values (gen_random_uuid(), 'x', now(), now(), convert_to($1, 'UTF8'))`,
	} {
		if _, err := conn.Exec(t.Context(), statement, leak); err != nil {
			t.Fatal(err)
		}
	}
}

func leakIntoRedis(t *testing.T) {
	server := testenv.RedisServer(t)
	pem, err := os.ReadFile(server.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	client := redis.NewClient(&redis.Options{Addr: server.Addr, Password: server.Secret, TLSConfig: &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}})
	defer client.Close()
	for i, set := range []func(key string) error{
		func(key string) error { return client.Set(t.Context(), key, leak, 0).Err() },
		func(key string) error { return client.RPush(t.Context(), key, leak).Err() },
		func(key string) error { return client.HSet(t.Context(), key, leak, 1).Err() },
		func(key string) error { return client.SAdd(t.Context(), key, leak).Err() },
		func(key string) error { return client.ZAdd(t.Context(), key, redis.Z{Member: leak}).Err() },
		func(key string) error { return client.Set(t.Context(), key+leak, 1, 0).Err() },
	} {
		if err := set(fmt.Sprint("key", i)); err != nil {
			t.Fatal(err)
		}
	}
}
