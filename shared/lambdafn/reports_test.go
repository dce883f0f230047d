package lambdafn

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"newsletter/internal/local/devstack"
	"newsletter/shared/capture"
	"newsletter/shared/config"
	"newsletter/shared/outbound"
)

// The error webhook receives a signed event for each report of an invocation, before the response is sent.
func TestTheErrorWebhook(t *testing.T) {
	t.Parallel()
	receiver := devstack.NewWebhooks(time.Now)
	server := httptest.NewServer(receiver)
	defer server.Close()
	env := config.FromMap(map[string]string{
		"ERROR_WEBHOOK_URL": server.URL + "/errors", "ERROR_WEBHOOK_SECRETS": devstack.WebhookSecret, "ENVIRONMENT": "test",
		"FAKES_URL": server.URL,
	})
	e, _ := newTestEnvironment(Function{Event: func(ctx context.Context, _ json.RawMessage) (any, error) {
		capture.Breadcrumb(ctx, "query", "unavailable", time.Second)
		return nil, errors.New("the database is lost to " + canaryAddress)
	}})
	e.reporter, e.flush = openReports(env, "test", false), patience
	if err := env.Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Invoke(t.Context(), []byte(`{}`)); err == nil {
		t.Error("no error")
	}
	got := receiver.Received()
	if len(got) != 1 || got[0].Type != "error.captured" || got[0].ID != got[0].Data["event_id"] || got[0].Data["function"] != "test" ||
		got[0].Data["error"] != "the database is lost to [address]" || got[0].Data["steps"] != "query unavailable 1000 ms" {
		t.Errorf("%+v, %v", got, receiver.Problems())
	}
}

func TestInvalidErrorWebhookSettings(t *testing.T) {
	t.Parallel()
	secret := config.Seal(devstack.WebhookSecret)
	for name, test := range map[string]struct {
		cfg  WebhookConfig
		want string
	}{
		"no address":      {WebhookConfig{URL: config.Seal("5ecret"), Secrets: secret}, "ERROR_WEBHOOK_URL: "},
		"not encrypted":   {WebhookConfig{URL: config.Seal("http://example.org/5ecret"), Secrets: secret}, "ERROR_WEBHOOK_URL: must begin with https://"},
		"no secret":       {WebhookConfig{URL: config.Seal("https://example.org/5ecret")}, "ERROR_WEBHOOK_SECRETS: required"},
		"a broken secret": {WebhookConfig{URL: config.Seal("https://example.org/"), Secrets: config.Seal("whsec_5ecret")}, "ERROR_WEBHOOK_SECRETS: secret 1: "},
	} {
		if _, err := test.cfg.open(outbound.Config{}); err == nil || !strings.HasPrefix(err.Error(), test.want) || strings.Contains(err.Error(), "5ecret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
