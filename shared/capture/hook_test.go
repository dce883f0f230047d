package capture

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"newsletter/internal/devstack"
	"newsletter/shared/config"
	"newsletter/shared/outbound"
)

// hooked is a Reporter that tells a webhook alone, and what receives it.
func hooked(t *testing.T, receiver http.Handler) *Reporter {
	t.Helper()
	server := httptest.NewServer(receiver)
	t.Cleanup(server.Close)
	r, err := Open(Config{
		WebhookURL: config.Seal(server.URL + "/errors"), WebhookSecrets: config.Seal(devstack.WebhookSecret), Environment: "test", Release: "1.2.3",
	}, outbound.Config{AllowPrivate: []string{server.Listener.Addr().String()}}, "subscribe")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAnErrorIsToldToTheWebhook(t *testing.T) {
	t.Parallel()
	receiver := devstack.NewWebhooks(time.Now)
	r := hooked(t, receiver)
	ctx := r.Begin(t.Context(), "JKJaXmPLvHcESHA=")
	Route(ctx, "/api/newsletter/subscribe")
	Breadcrumb(ctx, "decode", "done", 0)
	Breadcrumb(ctx, "query", "unavailable "+canaries["address"], 4003*time.Millisecond)
	text := ""
	for _, value := range canaries {
		text += fmt.Sprintf(" '%s'", value)
	}
	Error(ctx, fmt.Errorf("insert subscriber:%s %w", text, timeoutError{}))
	Error(ctx, errors.New("insert subscriber: again"))
	r.Flush(ctx, patience)

	calls := receiver.Received()
	if problems := receiver.Problems(); len(calls) != 2 || len(problems) > 0 {
		t.Fatalf("%d calls, %v", len(calls), problems)
	}
	if calls[0].Data["error"] == "insert subscriber: again" { // they leave side by side
		calls[0], calls[1] = calls[1], calls[0]
	}
	got := calls[0].Data
	for name, want := range map[string]string{
		"function": "subscribe", "environment": "test", "release": "1.2.3", "level": "error", "request_id": "JKJaXmPLvHcESHA=",
		"route": "/api/newsletter/subscribe", "steps": "decode done 0 ms, query unavailable [address] 4003 ms", "event_id": calls[0].ID,
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	if calls[0].Type != "error.captured" || !strings.HasPrefix(got["error"], "insert subscriber: ") || !strings.HasPrefix(got["cause"], "capture.timeoutError: ") ||
		got["stack"] != "" || calls[1].Data["error"] != "insert subscriber: again" {
		t.Errorf("%+v", calls)
	}
	for name, value := range canaries {
		if strings.Contains(fmt.Sprint(calls), value) {
			t.Errorf("the %s arrived", name)
		}
	}
}

func TestThePlaceOfAPanicIsToldToTheWebhook(t *testing.T) {
	t.Parallel()
	receiver := devstack.NewWebhooks(time.Now)
	r := hooked(t, receiver)
	ctx := r.Begin(t.Context(), "")
	_ = recovered(ctx, func() { panic("lost " + canaries["token"]) })
	r.Flush(ctx, patience)
	calls := receiver.Received()
	if len(calls) != 1 || calls[0].Data["level"] != "fatal" || calls[0].Data["error"] != "panic: lost [key]" ||
		!strings.Contains(calls[0].Data["stack"], "shared/capture.TestThePlaceOfAPanicIsToldToTheWebhook.func1:") {
		t.Errorf("%+v, %v", calls, receiver.Problems())
	}
}

func TestAStormIsOneCall(t *testing.T) {
	t.Parallel()
	receiver := devstack.NewWebhooks(time.Now)
	r := hooked(t, receiver)
	for range 50 {
		ctx := r.Begin(t.Context(), "")
		Error(ctx, timeoutError{})
		r.Flush(ctx, patience)
	}
	if got := len(receiver.Received()); got != 1 {
		t.Errorf("%d calls", got)
	}
}

// A receiver that does not answer is still holding the call when Flush returns, and the call ends by itself.
func TestASlowWebhookCostsTheBudgetOnly(t *testing.T) {
	t.Parallel()
	arrived, ended := make(chan struct{}), make(chan struct{})
	r := hooked(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_ = http.MaxBytesReader(nil, r.Body, 1<<20).Close()
		close(arrived)
		<-r.Context().Done()
		close(ended)
	}))
	ctx := r.Begin(t.Context(), "")
	Error(ctx, errors.New("lost"))
	<-arrived
	r.Flush(ctx, 20*time.Millisecond)
	select {
	case <-ended:
		t.Error("Flush waited for the call")
	default:
	}
	select {
	case <-ended:
	case <-time.After(patience):
		t.Error("the call never ends")
	}
}

func TestMistakesOfTheWebhook(t *testing.T) {
	t.Parallel()
	secret := config.Seal(devstack.WebhookSecret)
	for name, test := range map[string]struct {
		cfg  Config
		want string
	}{
		"no address":      {Config{WebhookURL: config.Seal("5ecret"), WebhookSecrets: secret}, "ERROR_WEBHOOK_URL: "},
		"not encrypted":   {Config{WebhookURL: config.Seal("http://example.org/5ecret"), WebhookSecrets: secret}, "ERROR_WEBHOOK_URL: must begin with https://"},
		"no secret":       {Config{WebhookURL: config.Seal("https://example.org/5ecret")}, "ERROR_WEBHOOK_SECRETS: required"},
		"a broken secret": {Config{WebhookURL: config.Seal("https://example.org/"), WebhookSecrets: config.Seal("whsec_5ecret")}, "ERROR_WEBHOOK_SECRETS: secret 1: "},
	} {
		if _, err := Open(test.cfg, outbound.Config{}, "f"); err == nil || !strings.HasPrefix(err.Error(), test.want) || strings.Contains(err.Error(), "5ecret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
