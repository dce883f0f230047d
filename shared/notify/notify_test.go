package notify

import (
	"context"
	"errors"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"newsletter/internal/local/devstack"
	"newsletter/shared/config"
	"newsletter/shared/outbound"
	"newsletter/shared/outbox"
)

// secret is the secret part of an address.
const secret = "part-of-the-secret"

// fake is the common interface of both fakes.
type fake interface {
	Fail(faults ...devstack.Fault)
	Messages() []devstack.ChatMessage
	Problems() []string
	Calls() map[string]int
}

// setup returns a channel and the fake behind it.
func setup(t *testing.T, service string) (*channel, fake) {
	t.Helper()
	t.Parallel()
	slack, discord := &devstack.Slack{}, &devstack.Discord{}
	server := httptest.NewServer(slack)
	cfg, behind := ChatConfig{Slack: config.Seal(server.URL + "/services/" + secret)}, fake(slack)
	if service == "discord" {
		server.Close()
		server = httptest.NewServer(discord)
		cfg, behind = ChatConfig{Discord: config.Seal(server.URL + "/api/webhooks/1/" + secret + "?thread_id=2")}, discord
	}
	t.Cleanup(server.Close)
	guard := outbound.Config{AllowPrivate: []string{server.Listener.Addr().String()}}
	channels, err := newChannels(cfg, guard, outbound.New(guard, nil))
	if err != nil || len(channels) != 1 || channels[service] == nil {
		t.Fatalf("%v %v", channels, err)
	}
	return channels[service], behind
}

func both(t *testing.T, test func(t *testing.T, c *channel, d fake)) {
	for _, service := range []string{"slack", "discord"} {
		t.Run(service, func(t *testing.T) {
			channel, behind := setup(t, service)
			test(t, channel, behind)
			if problems := behind.Problems(); len(problems) > 0 {
				t.Errorf("%s would refuse: %v", service, problems)
			}
		})
	}
}

func TestMessageIsShownVerbatim(t *testing.T) {
	for name, message := range map[string]Message{
		"plain":    {Info, "New subscriber", []string{"Page: /blog", "Language: de"}},
		"no lines": {"", "New subscriber", nil},
		"markup":   {Info, `<b>&amp; *bold* _it_ ~x~ |s| # h`, []string{"```code```", "> quote", `a\b \`, "- list", "1 < 2 && 3 > 2"}},
		"mentions": {Info, "<!channel> @everyone <@U1>", []string{"<@&1>", "@here", ":smile:"}},
		"links":    {Info, "https://evil.example", []string{"[click](https://evil.example)", "<https://evil.example|our site>", "http://a.example/?x=1&y=2"}},
		"letters":  {Info, "Grüße – 你好 🎉", []string{"مرحبا"}},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, c *channel, d fake) {
				if err := c.post(t.Context(), message); err != nil {
					t.Fatal(err)
				}
				want := []devstack.ChatMessage{{Title: message.Title, Text: strings.Join(message.Lines, "\n")}}
				if got := d.Messages(); !reflect.DeepEqual(got, want) {
					t.Errorf("%q, want %q", got, want)
				}
			})
		})
	}
}

func TestInvisibleTextIsRemoved(t *testing.T) {
	both(t, func(t *testing.T, c *channel, d fake) {
		err := c.post(t.Context(), Message{Info, " a\r\nb\x00c\u2028d\xff ", []string{"", " \n ", "x\u202egnp.exe\u2066", "y"}})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := d.Messages()[0], (devstack.ChatMessage{Title: "a  b c d�", Text: "xgnp.exe\ny"}); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

func TestLongMessagesAreCut(t *testing.T) {
	for name, letter := range map[string]string{"plain": "a", "escaped": "<", "wide": "🎉"} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, c *channel, d fake) {
				long := strings.Repeat(letter, 5000)
				if err := c.post(t.Context(), Message{Alarm, long, []string{long, long}}); err != nil {
					t.Fatal(err)
				}
				m := d.Messages()[0]
				for part, text := range map[string]string{"title": m.Title, "text": m.Text} {
					if !strings.HasSuffix(text, letter+"…") {
						t.Errorf("the %s ends with %q", part, text[max(0, len(text)-20):])
					}
				}
			})
		})
	}
}

func TestFit(t *testing.T) {
	for _, test := range []struct {
		text  string
		limit int
		want  string
	}{
		{"", 3, ""}, {"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"&", 5, "&amp;"}, {"a&", 5, "a…"}, {"&&", 9, "&amp;…"}, {"&&", 10, "&amp;&amp;"},
		{"🎉🎉", 4, "🎉🎉"}, {"🎉🎉", 3, "🎉…"}, {"🎉", 1, "…"}, {"ab&", 3, "ab…"},
	} {
		got := fit(test.text, test.limit, escapeSlack)
		if got != test.want || len(utf16.Encode([]rune(got))) > test.limit {
			t.Errorf("%q in %d: %q, want %q", test.text, test.limit, got, test.want)
		}
	}
}

func TestLevelsLookDifferent(t *testing.T) {
	seen := map[string]bool{}
	for _, level := range []Level{Info, Warning, Alarm, Good} {
		seen[slack{}.render(Message{Level: level, Title: "x"}).(slackMessage).Text] = true
	}
	colors := map[int]bool{}
	for _, level := range []Level{Info, Warning, Alarm, Good} {
		colors[discord{}.render(Message{Level: level, Title: "x"}).(discordMessage).Embeds[0].Color] = true
	}
	if len(seen) != 4 || len(colors) != 4 {
		t.Errorf("%v %v", seen, colors)
	}
}

// failure returns an error as a Failure without its cause, and checks that its text contains neither the address nor
// the message.
func failure(t *testing.T, err error) outbox.Failure {
	t.Helper()
	f, ok := errors.AsType[*outbox.Failure](err)
	if !ok {
		t.Fatalf("%v is no *outbox.Failure", err)
	}
	for e := error(f); e != nil; e = errors.Unwrap(e) {
		if strings.Contains(e.Error(), secret) || strings.Contains(e.Error(), "private words") {
			t.Errorf("the error contains %q", e)
		}
	}
	told := *f
	told.Err = nil
	return told
}

// responses maps responses of a service to the failures they cause.
type responses map[string]struct {
	fault devstack.Fault
	want  outbox.Failure
}

func TestSlackResponses(t *testing.T) {
	refused(t, "slack", responses{
		"our mistake":          {devstack.Fault{Status: 400, Body: "invalid_payload"}, outbox.Failure{Cause: "invalid_payload", Permanent: true}},
		"another mistake":      {devstack.Fault{Status: 400, Body: "private words"}, outbox.Failure{Cause: "status_400", Permanent: true}},
		"no webhook":           {devstack.Fault{Status: 404, Body: "no_service\n"}, outbox.Failure{Cause: "no_service", Permanent: true, NeedsOwner: true}},
		"archived":             {devstack.Fault{Status: 410, Body: "channel_is_archived"}, outbox.Failure{Cause: "channel_is_archived", Permanent: true, NeedsOwner: true}},
		"forbidden":            {devstack.Fault{Status: 403, Body: "action_prohibited"}, outbox.Failure{Cause: "action_prohibited", Permanent: true, NeedsOwner: true}},
		"forbidden by a proxy": {devstack.Fault{Status: 403, Body: "<html>"}, outbox.Failure{Cause: "status_403", Permanent: true, NeedsOwner: true}},
		"throttled":            {devstack.Fault{Status: 429, RetryAfter: 30, Body: "rate_limited"}, outbox.Failure{Cause: "throttled", AffectsDestination: true, RetryAfter: 30 * time.Second}},
		"throttled for a time": {devstack.Fault{Status: 429}, outbox.Failure{Cause: "throttled", AffectsDestination: true, RetryAfter: time.Second}},
		"an error within":      {devstack.Fault{Status: 200, Body: "no_service"}, outbox.Failure{Cause: "no_service", Permanent: true, NeedsOwner: true}},
		"not a success":        {devstack.Fault{Status: 200, Body: `{"ok":false}`}, outbox.Failure{Cause: "bad_response"}},
		"an empty success":     {devstack.Fault{Status: 204}, outbox.Failure{Cause: "bad_response"}},
		"rolled up":            {devstack.Fault{Status: 500, Body: "rollup_error"}, outbox.Failure{Cause: "status_500"}},
	})
}

func TestDiscordResponses(t *testing.T) {
	refused(t, "discord", responses{
		"our mistake":          {devstack.Fault{Status: 400, Body: `{"message":"private words","code":50035}`}, outbox.Failure{Cause: "status_400", Permanent: true}},
		"no webhook":           {devstack.Fault{Status: 404, Body: `{"message":"Unknown Webhook","code":10015}`}, outbox.Failure{Cause: "unknown_webhook", Permanent: true, NeedsOwner: true}},
		"wrong token":          {devstack.Fault{Status: 401, Body: `{"message":"Invalid Webhook Token","code":50027}`}, outbox.Failure{Cause: "invalid_webhook_token", Permanent: true, NeedsOwner: true}},
		"no thread":            {devstack.Fault{Status: 400, Body: `{"message":"Unknown Channel","code":10003}`}, outbox.Failure{Cause: "unknown_channel", Permanent: true, NeedsOwner: true}},
		"forbidden by a proxy": {devstack.Fault{Status: 403, Body: "<html>"}, outbox.Failure{Cause: "status_403", Permanent: true, NeedsOwner: true}},
		"throttled":            {devstack.Fault{Status: 429, RetryAfter: 1, Body: `{"message":"You are being rate limited.","retry_after":0.6451,"global":false}`}, outbox.Failure{Cause: "throttled", AffectsDestination: true, RetryAfter: 646 * time.Millisecond}},
		"throttled for long":   {devstack.Fault{Status: 429, Body: `{"retry_after":1e300}`}, outbox.Failure{Cause: "throttled", AffectsDestination: true, RetryAfter: 24 * time.Hour}},
		"throttled backwards":  {devstack.Fault{Status: 429, RetryAfter: 3, Body: `{"retry_after":-5}`}, outbox.Failure{Cause: "throttled", AffectsDestination: true, RetryAfter: 3 * time.Second}},
		"throttled by a proxy": {devstack.Fault{Status: 429, RetryAfter: 60, Body: "error code: 1015"}, outbox.Failure{Cause: "throttled", AffectsDestination: true, RetryAfter: time.Minute}},
		"an error within":      {devstack.Fault{Status: 200, Body: `{"message":"no","code":0}`}, outbox.Failure{Cause: "bad_response"}},
		"not a success":        {devstack.Fault{Status: 200, Body: "<html>"}, outbox.Failure{Cause: "bad_response"}},
		"down":                 {devstack.Fault{Status: 502, Body: "<html>"}, outbox.Failure{Cause: "status_502"}},
	})
}

func refused(t *testing.T, service string, all responses) {
	all["silent"] = responses{"": {devstack.Fault{Delay: time.Minute}, outbox.Failure{Cause: "timeout"}}}[""]
	all["slow"] = responses{"": {devstack.Fault{Drip: time.Minute}, outbox.Failure{Cause: "timeout"}}}[""]
	all["lost"] = responses{"": {devstack.Fault{Lost: true}, outbox.Failure{Cause: "unreachable"}}}[""]
	for name, test := range all {
		t.Run(name, func(t *testing.T) {
			channel, behind := setup(t, service)
			behind.Fail(test.fault)
			ctx, cancel := t.Context(), context.CancelFunc(func() {})
			if test.want.Cause == "timeout" {
				ctx, cancel = context.WithTimeout(ctx, 200*time.Millisecond)
			}
			defer cancel()
			if got := failure(t, channel.post(ctx, Message{Title: "private words"})); got != test.want {
				t.Errorf("%+v, want %+v", got, test.want)
			}
			if err := channel.post(t.Context(), Message{Title: "another try"}); err != nil {
				t.Error(err)
			}
		})
	}
}

// Discord responds without a body when the address does not ask it to wait; an address with a thread keeps its thread.
func TestDiscordEmptyResponse(t *testing.T) {
	channel, behind := setup(t, "discord")
	behind.Fail(devstack.Fault{Status: 204})
	if err := channel.post(t.Context(), Message{Title: "x"}); err != nil {
		t.Error(err)
	}
	if !strings.HasSuffix(channel.url, "?thread_id=2&wait=true") {
		t.Error("the address lost its thread")
	}
}

func TestEmptyMessage(t *testing.T) {
	both(t, func(t *testing.T, c *channel, d fake) {
		got := failure(t, c.post(t.Context(), Message{Title: " \n", Lines: []string{"private words"}}))
		if got != (outbox.Failure{Cause: "bad_message", Permanent: true}) || len(d.Calls()) != 0 {
			t.Errorf("%+v %v", got, d.Calls())
		}
	})
}

func TestConfig(t *testing.T) {
	for name, test := range map[string]struct {
		slack, discord string
		channels       int
		want           string // of the error
	}{
		"none":             {},
		"both":             {"https://hooks.slack.com/services/T0/B0/" + secret, " https://discord.com/api/webhooks/1/" + secret, 2, ""},
		"slack in clear":   {slack: "http://hooks.slack.com/services/" + secret, want: "SLACK_WEBHOOK_URL: must begin with https://"},
		"slack inside":     {slack: "https://127.0.0.1/" + secret, want: "SLACK_WEBHOOK_URL: must not be a private address"},
		"discord in clear": {discord: "http://discord.com/api/webhooks/1/" + secret, want: "DISCORD_WEBHOOK_URL: must begin with https://"},
		"discord as slack": {discord: "https://discord.com/api/webhooks/1/" + secret + "/slack", want: "DISCORD_WEBHOOK_URL: must be as Discord shows it"},
		"no address":       {slack: secret, want: "SLACK_WEBHOOK_URL: must be a web address"},
	} {
		t.Run(name, func(t *testing.T) {
			env := config.FromMap(map[string]string{"SLACK_WEBHOOK_URL": test.slack, "DISCORD_WEBHOOK_URL": test.discord})
			channels, err := newChannels(config.Read[ChatConfig](env), outbound.Config{}, outbound.New(outbound.Config{}, nil))
			if (err == nil) != (test.want == "") || err != nil && (!strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), secret)) {
				t.Errorf("%v, want %q", err, test.want)
			}
			if err == nil && len(channels) != test.channels {
				t.Errorf("%d channels", len(channels))
			}
		})
	}
}
