// Package notify posts messages for the owner into a Slack or a Discord channel, through incoming webhooks.
//
// Invariants: the address of a webhook is a secret, which no error names; a message is plain text, which nobody can make
// ping people, link or format; it holds no personal data, which its callers see to.
//
// Failure policy: a post is tried once; errors are *outbox.Failure, which say whether the channel is gone.
package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"newsletter/shared/config"
	"newsletter/shared/outbound"
	"newsletter/shared/outbox"
)

// Config names the channels.
type Config struct {
	// Slack is the address of an incoming webhook of Slack (https://hooks.slack.com/services/…). Empty posts nothing.
	Slack config.Sealed `env:"SLACK_WEBHOOK_URL"`
	// Discord is the address of a webhook of Discord (https://discord.com/api/webhooks/…). Empty posts nothing.
	Discord config.Sealed `env:"DISCORD_WEBHOOK_URL"`
}

// ReadConfig reads Config.
func ReadConfig(e *config.Env) Config {
	var c Config
	e.Read(&c)
	return c
}

// Level says how a message looks.
type Level string

// The levels.
const (
	Info    Level = "info"
	Warning Level = "warning"
	Alarm   Level = "alarm"
	Good    Level = "good" // the end of an alarm
)

// Message is what is posted: one line that says it all, and lines below it.
type Message struct {
	Level Level
	Title string
	Lines []string
}

// The lengths that the services take: Slack's header block has 150 characters and a section 3,000 (Block Kit reference),
// Discord's embed a title of 256 and a description of 4,096 (Webhook resource).
const (
	maxSlackTitle, maxSlackText     = 150, 2900
	maxDiscordTitle, maxDiscordText = 256, 4000
)

// Channel posts messages. It is safe for concurrent use.
type Channel struct {
	url    string
	encode func(Message) any
	judge  func(answer outbound.Answer, failure *outbox.Failure)
	client *outbound.Client
}

// Channels makes the channels of a Config, by their names in the outbox: "slack" and "discord". It does no I/O.
func Channels(cfg Config, guard outbound.Config, client *outbound.Client) (map[string]*Channel, error) {
	all := map[string]*Channel{}
	for _, c := range []struct {
		name, variable string
		url            config.Sealed
		query          string
		encode         func(Message) any
		judge          func(outbound.Answer, *outbox.Failure)
	}{
		{"slack", "SLACK_WEBHOOK_URL", cfg.Slack, "", slackMessage, judgeSlack},
		{"discord", "DISCORD_WEBHOOK_URL", cfg.Discord, "?wait=true", discordMessage, judgeDiscord},
	} {
		if c.url.IsZero() {
			continue
		}
		url := strings.TrimSpace(c.url.Reveal())
		if err := guard.CheckURL(url); err != nil {
			return nil, fmt.Errorf("%s: %w", c.variable, err)
		}
		all[c.name] = &Channel{url + c.query, c.encode, c.judge, client}
	}
	return all, nil
}

// Post posts a message. The error is a *outbox.Failure.
func (c *Channel) Post(ctx context.Context, m Message) error {
	body, err := json.Marshal(c.encode(m))
	if err != nil {
		return &outbox.Failure{Cause: "bad_message", Permanent: true, Err: err}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return &outbox.Failure{Cause: "bad_address", Permanent: true, NeedsOwner: true, Err: errors.New("the address cannot be read")}
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := c.client.Send(ctx, request)
	failure, failed := errors.AsType[*outbox.Failure](err)
	if !failed {
		failure = &outbox.Failure{}
	}
	c.judge(answer, failure)
	if failure.Cause == "" {
		return nil
	}
	return failure
}

// A channel that is gone, archived or forbidden stays so until the owner makes a new webhook.
func gone(f *outbox.Failure, cause string) {
	f.Cause, f.Permanent, f.General, f.NeedsOwner = cause, true, false, true
}

type slackText struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

type slackBlock struct {
	Type string    `json:"type"`
	Text slackText `json:"text"`
}

type slackBody struct {
	Text   string       `json:"text"` // what notifications show
	Blocks []slackBlock `json:"blocks"`
}

var slackMarks = map[Level]string{Info: "", Warning: "⚠️ ", Alarm: "🔴 ", Good: "🟢 "}

// slackEscape is what Slack asks for (Formatting text, "Escaping text"); plain_text blocks format nothing else.
var slackEscape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

func slackMessage(m Message) any {
	title := cut(slackMarks[m.Level]+m.Title, maxSlackTitle)
	body := slackBody{Text: slackEscape.Replace(title), Blocks: []slackBlock{{"header", slackText{"plain_text", title}}}}
	if text := cut(strings.Join(m.Lines, "\n"), maxSlackText); text != "" {
		body.Blocks = append(body.Blocks, slackBlock{"section", slackText{"plain_text", text}})
	}
	return body
}

// judgeSlack reads Slack's own errors ("Sending messages using incoming webhooks", error handling): a word in the body.
func judgeSlack(answer outbound.Answer, f *outbox.Failure) {
	word := strings.TrimSpace(string(answer.Body))
	switch {
	case f.Cause == "" && word != "ok": // it says 200 and means something else
		f.Cause = "bad_answer"
	case f.Cause == "":
	case answer.Status == http.StatusNotFound || answer.Status == http.StatusGone || answer.Status == http.StatusForbidden,
		word == "no_service", word == "no_active_hooks", word == "channel_is_archived", word == "channel_not_found":
		gone(f, "channel_gone")
	}
}

type discordEmbed struct {
	Title       string `json:"title"`
	Description string `json:"description,omitempty"`
	Color       int    `json:"color"`
}

type discordMentions struct {
	Parse []string `json:"parse"`
}

type discordBody struct {
	Embeds          []discordEmbed  `json:"embeds"`
	AllowedMentions discordMentions `json:"allowed_mentions"`
}

var discordColors = map[Level]int{Info: 0x5865f2, Warning: 0xf0b132, Alarm: 0xda373c, Good: 0x23a55a}

// discordEscape keeps Markdown, mentions and links from being read as such.
var discordEscape = strings.NewReplacer(`\`, `\\`, "*", `\*`, "_", `\_`, "~", `\~`, "`", "\\`", "|", `\|`, ">", `\>`, "[", `\[`, "<", `\<`, "#", `\#`, "@", "@\u200b")

func discordMessage(m Message) any {
	return discordBody{
		Embeds: []discordEmbed{{
			Title:       cut(discordEscape.Replace(m.Title), maxDiscordTitle),
			Description: cut(discordEscape.Replace(strings.Join(m.Lines, "\n")), maxDiscordText),
			Color:       discordColors[m.Level],
		}},
		AllowedMentions: discordMentions{Parse: []string{}},
	}
}

// judgeDiscord reads the wait that Discord gives in the body, in seconds with a fraction (Rate limits).
func judgeDiscord(answer outbound.Answer, f *outbox.Failure) {
	switch answer.Status {
	case http.StatusTooManyRequests:
		var limit struct {
			RetryAfter float64 `json:"retry_after"`
		}
		if json.Unmarshal(answer.Body, &limit) == nil && limit.RetryAfter > 0 {
			f.RetryAfter = max(f.RetryAfter, min(time.Duration(limit.RetryAfter*float64(time.Second)), 24*time.Hour))
		}
	case http.StatusNotFound, http.StatusUnauthorized, http.StatusForbidden:
		gone(f, "channel_gone")
	}
}

// cut shortens a text to n characters at most.
func cut(s string, n int) string {
	s = strings.ToValidUTF8(s, "")
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}
