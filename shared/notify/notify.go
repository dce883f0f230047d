// Package notify notifies the owner of changes and alerts by Slack, Discord, an SNS topic and webhooks. It serves
// deliver, whose messages the outbox retries, and health, which has no outbox while the database is unavailable.
//
// Invariants: the text of a message is shown verbatim, without formatting, links or mentions, and cut to the service's
// maximum length. Callers pass no personal data.
//
// Failure policy: a call is made once; every error is a *outbox.Failure, and the outbox retries. An error contains
// neither the address of a webhook, which is a secret, nor the message. The services do not deduplicate: after a lost
// response, a message may appear twice.
package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"newsletter/shared/config"
	"newsletter/shared/outbound"
	"newsletter/shared/outbox"
)

// ChatConfig configures the chat channels.
type ChatConfig struct {
	// Post changes and alerts to this incoming webhook of Slack, or of a compatible service. Empty: no posts.
	Slack config.Sealed `env:"SLACK_WEBHOOK_URL"`
	// Post changes and alerts to this webhook of a Discord channel. Empty: no posts.
	Discord config.Sealed `env:"DISCORD_WEBHOOK_URL"`
}

// Level is the severity of a message.
type Level string

// The levels. The empty one is Info.
const (
	Info    Level = "info"
	Warning Level = "warning"
	Alarm   Level = "critical"
	Good    Level = "good" // an alert is resolved
)

// Message is a title and the lines below it.
type Message struct {
	Level Level
	Title string
	Lines []string
}

// service is the part of a channel that differs between Slack and Discord.
type service interface {
	// render returns the body of a request.
	render(m Message) any
	// classify returns the failure of a response, or nil; refused is the failure of its status, or nil.
	classify(response outbound.Response, refused *outbox.Failure) *outbox.Failure
}

// channel posts messages to a chat. It is safe for concurrent use.
type channel struct {
	url     string
	service service
	client  *outbound.Client
}

// newChannels returns the channels of a ChatConfig by their names in the outbox. It does no I/O.
func newChannels(cfg ChatConfig, guard outbound.Config, client *outbound.Client) (map[string]*channel, error) {
	all := map[string]*channel{}
	var problems []error
	if !cfg.Slack.IsZero() {
		address := strings.TrimSpace(cfg.Slack.Reveal())
		if err := guard.CheckURL(address); err != nil {
			problems = append(problems, fmt.Errorf("SLACK_WEBHOOK_URL: %w", err))
		}
		all[outbox.Slack] = &channel{address, slack{}, client}
	}
	if !cfg.Discord.IsZero() {
		address, err := discordURL(strings.TrimSpace(cfg.Discord.Reveal()), guard)
		if err != nil {
			problems = append(problems, fmt.Errorf("DISCORD_WEBHOOK_URL: %w", err))
		}
		all[outbox.Discord] = &channel{address, discord{}, client}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return all, nil
}

// discordURL returns the address with the parameter that makes Discord report the result.
func discordURL(raw string, guard outbound.Config) (string, error) {
	if err := guard.CheckURL(raw); err != nil {
		return "", err
	}
	parsed, err := url.Parse(raw)
	if err != nil || strings.HasSuffix(parsed.Path, "/slack") || strings.HasSuffix(parsed.Path, "/github") { // these accept other bodies
		return "", errors.New("must be as Discord shows it: https://discord.com/api/webhooks/, an id and a token")
	}
	query := parsed.Query() // may name a thread
	query.Set("wait", "true")
	parsed.RawQuery = query.Encode()
	return parsed.String(), nil
}

// errEmpty is the error for a message without a title.
var errEmpty = errors.New("the message has no title")

// post posts a message. The error is a *outbox.Failure.
func (c *channel) post(ctx context.Context, m Message) error {
	m = m.clean()
	if m.Title == "" {
		return &outbox.Failure{Cause: "bad_message", Permanent: true, Err: errEmpty}
	}
	body, err := json.Marshal(c.service.render(m))
	if err != nil {
		return &outbox.Failure{Cause: "bad_message", Permanent: true, Err: err}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil { // omit err: it contains the address
		return &outbox.Failure{Cause: "bad_address", Permanent: true, NeedsOwner: true}
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "newsletter-notify/1")
	response, err := c.client.Send(ctx, request)
	refused, _ := errors.AsType[*outbox.Failure](err)
	if response.Status == 0 || err != nil && response.Status/100 == 2 { // no response, or not all of it
		return err
	}
	if failure := c.service.classify(response, refused); failure != nil {
		return failure
	}
	return nil
}

// defaultPause is the pause after a throttled call whose response does not name one.
const defaultPause = time.Second
