package notify

import (
	"cmp"
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"time"

	"newsletter/shared/outbound"
	"newsletter/shared/outbox"
)

// The lengths that Discord takes (docs.discord.com, "Execute Webhook" and "Embed Limits").
const (
	discordTitle       = 256
	discordDescription = 4096
)

// discord is the webhooks of Discord (docs.discord.com, "Webhook Resource").
type discord struct{}

type discordMessage struct {
	Embeds          []discordEmbed `json:"embeds"`
	AllowedMentions allowed        `json:"allowed_mentions"`
}

type discordEmbed struct {
	Title       string `json:"title"`
	Description string `json:"description,omitempty"`
	Color       int    `json:"color"`
}

// allowed means that nobody is called by what looks like a mention.
type allowed struct {
	Parse []string `json:"parse"`
}

// discordColors are the stripes beside messages, as 0xRRGGBB.
var discordColors = map[Level]int{"": 0x5865f2, Info: 0x5865f2, Warning: 0xf0b132, Alarm: 0xda373c, Good: 0x23a55a}

func (discord) render(m Message) any {
	return discordMessage{
		Embeds: []discordEmbed{{
			Title:       fit(m.Title, discordTitle, discordSpelling),
			Description: fit(strings.Join(m.Lines, "\n"), discordDescription, discordSpelling),
			Color:       discordColors[m.Level],
		}},
		AllowedMentions: allowed{Parse: []string{}},
	}
}

// discordSpelling escapes what Discord's Markdown would read (support.discord.com, "Markdown Text 101").
func discordSpelling(r rune) string {
	if strings.ContainsRune("\\*_~`|>#-[]()<:@", r) {
		return `\` + string(r)
	}
	return string(r)
}

// discordAnswer is a message that was posted, or an error.
type discordAnswer struct {
	ID         string   `json:"id"`
	Code       int      `json:"code"`
	RetryAfter *float64 `json:"retry_after"` // seconds
}

// The codes of errors (docs.discord.com, "JSON Error Codes") that the owner alone can do something about.
var discordCodes = map[int]string{
	10003: "unknown_channel", 10004: "unknown_server", 10015: "unknown_webhook", 50001: "missing_access", 50013: "missing_permissions",
	50027: "invalid_webhook_token",
}

func (discord) judge(answer outbound.Response, refused *outbox.Failure) *outbox.Failure {
	var said discordAnswer
	err := json.Unmarshal(answer.Body, &said)
	cause, owners := discordCodes[said.Code]
	switch {
	case refused == nil && answer.Status == http.StatusNoContent:
		return nil
	case refused == nil && (err != nil || said.ID == ""): // a success that is none
		return &outbox.Failure{Cause: "bad_answer"}
	case refused == nil:
		return nil
	case refused.AffectsDestination: // throttled
		refused.RetryAfter = cmp.Or(precise(said.RetryAfter), refused.RetryAfter, unlessAsked)
		return refused
	case owners:
		return &outbox.Failure{Cause: cause, Permanent: true, NeedsOwner: true}
	}
	switch answer.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone:
		refused.Permanent, refused.NeedsOwner = true, true
	}
	return refused
}

// precise returns the pause that Discord asks for, rounded up to the millisecond, up to a day.
func precise(seconds *float64) time.Duration {
	if seconds == nil || !(*seconds > 0) {
		return 0
	}
	return time.Duration(math.Ceil(min(*seconds, 86400)*1000)) * time.Millisecond
}
