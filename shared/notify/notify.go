// Package notify posts messages for the owner into a Slack or a Discord channel, by their incoming webhooks.
//
// Invariants: what a message holds is shown as it is: it formats nothing, links nowhere and mentions nobody. What is
// longer than a service takes is cut. It holds no personal data, which its callers see to.
//
// Failure policy: a call is tried once; every error is a *outbox.Failure, and the outbox repeats. No error tells the
// address of a webhook, which is all that is needed to post there, or a message. Neither service can tell a repetition: a
// lost answer makes a message appear twice.
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

// Config names the channels.
type Config struct {
	// Post changes and alerts to this incoming webhook of Slack, or of a compatible service. Empty: no posts.
	Slack config.Sealed `env:"SLACK_WEBHOOK_URL"`
	// Post changes and alerts to this webhook of a Discord channel. Empty: no posts.
	Discord config.Sealed `env:"DISCORD_WEBHOOK_URL"`
}

// Level says how a message looks.
type Level string

// The levels. The empty one is Info.
const (
	Info    Level = "info"
	Warning Level = "warning"
	Alarm   Level = "critical"
	Good    Level = "good" // the end of an alarm
)

// Message is what is posted: one line that says it all, and lines below it.
type Message struct {
	Level Level
	Title string
	Lines []string
}

// service is what Slack and Discord do differently.
type service interface {
	// render gives the body of a request.
	render(m Message) any
	// judge gives what came of a request that was answered; refused is what the status says by itself, or nil.
	judge(answer outbound.Response, refused *outbox.Failure) *outbox.Failure
}

// Channel posts messages. It is safe for concurrent use.
type Channel struct {
	url     string
	service service
	client  *outbound.Client
}

// Channels makes the channels of a Config, by their names in the outbox: outbox.Slack and outbox.Discord. It does no I/O.
func Channels(cfg Config, guard outbound.Config, client *outbound.Client) (map[string]*Channel, error) {
	all := map[string]*Channel{}
	var problems []error
	if !cfg.Slack.IsZero() {
		address := strings.TrimSpace(cfg.Slack.Reveal())
		if err := guard.CheckURL(address); err != nil {
			problems = append(problems, fmt.Errorf("SLACK_WEBHOOK_URL: %w", err))
		}
		all[outbox.Slack] = &Channel{address, slack{}, client}
	}
	if !cfg.Discord.IsZero() {
		address, err := discordURL(strings.TrimSpace(cfg.Discord.Reveal()), guard)
		if err != nil {
			problems = append(problems, fmt.Errorf("DISCORD_WEBHOOK_URL: %w", err))
		}
		all[outbox.Discord] = &Channel{address, discord{}, client}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return all, nil
}

// discordURL returns an address with the wish to hear what came of it.
func discordURL(raw string, guard outbound.Config) (string, error) {
	if err := guard.CheckURL(raw); err != nil {
		return "", err
	}
	parsed, err := url.Parse(raw)
	if err != nil || strings.HasSuffix(parsed.Path, "/slack") || strings.HasSuffix(parsed.Path, "/github") { // which take other bodies
		return "", errors.New("must be as Discord shows it, https://discord.com/api/webhooks/ with two words after it")
	}
	query := parsed.Query() // it may name a thread
	query.Set("wait", "true")
	parsed.RawQuery = query.Encode()
	return parsed.String(), nil
}

// errEmpty means that there is nothing to post.
var errEmpty = errors.New("the message has no title")

// Post posts a message. The error is a *outbox.Failure.
func (c *Channel) Post(ctx context.Context, m Message) error {
	m = m.clean()
	if m.Title == "" {
		return &outbox.Failure{Cause: "bad_message", Permanent: true, Err: errEmpty}
	}
	body, err := json.Marshal(c.service.render(m))
	if err != nil {
		return &outbox.Failure{Cause: "bad_message", Permanent: true, Err: err}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil { // which would tell the address
		return &outbox.Failure{Cause: "bad_address", Permanent: true, NeedsOwner: true}
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "newsletter-notify/1")
	answer, err := c.client.Send(ctx, request)
	refused, _ := errors.AsType[*outbox.Failure](err)
	if answer.Status == 0 || err != nil && answer.Status/100 == 2 { // no answer, or not all of it
		return err
	}
	if failure := c.service.judge(answer, refused); failure != nil {
		return failure
	}
	return nil
}

// unlessAsked is how long a service is left alone that asked for a pause but did not say how long.
const unlessAsked = time.Second
