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

// The maximum lengths of Discord (docs.discord.com, "Execute Webhook" and "Embed Limits").
const (
	discordTitle       = 256
	discordDescription = 4096
)

// discord implements the webhooks of Discord (docs.discord.com, "Webhook Resource").
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

// allowed lists the mentions that notify users: none.
type allowed struct {
	Parse []string `json:"parse"`
}

// discordColors are the colors of the levels, as 0xRRGGBB.
var discordColors = map[Level]int{"": 0x5865f2, Info: 0x5865f2, Warning: 0xf0b132, Alarm: 0xda373c, Good: 0x23a55a}

func (discord) render(m Message) any {
	return discordMessage{
		Embeds: []discordEmbed{{
			Title:       fit(m.Title, discordTitle, escapeDiscord),
			Description: fit(strings.Join(m.Lines, "\n"), discordDescription, escapeDiscord),
			Color:       discordColors[m.Level],
		}},
		AllowedMentions: allowed{Parse: []string{}},
	}
}

// escapeDiscord escapes Discord's Markdown (support.discord.com, "Markdown Text 101").
func escapeDiscord(r rune) string {
	if strings.ContainsRune("\\*_~`|>#-[]()<:@", r) {
		return `\` + string(r)
	}
	return string(r)
}

// discordResponse is a posted message or an error.
type discordResponse struct {
	ID         string   `json:"id"`
	Code       int      `json:"code"`
	RetryAfter *float64 `json:"retry_after"` // seconds
}

// The error codes (docs.discord.com, "JSON Error Codes") that only the owner can resolve.
var discordCodes = map[int]string{
	10003: "unknown_channel", 10004: "unknown_server", 10015: "unknown_webhook", 50001: "missing_access", 50013: "missing_permissions",
	50027: "invalid_webhook_token",
}

func (discord) classify(response outbound.Response, refused *outbox.Failure) *outbox.Failure {
	var body discordResponse
	err := json.Unmarshal(response.Body, &body)
	cause, needsOwner := discordCodes[body.Code]
	switch {
	case refused == nil && response.Status == http.StatusNoContent:
		return nil
	case refused == nil && (err != nil || body.ID == ""): // not a response of Discord
		return &outbox.Failure{Cause: "bad_response"}
	case refused == nil:
		return nil
	case refused.AffectsDestination: // throttled
		refused.RetryAfter = cmp.Or(pause(body.RetryAfter), refused.RetryAfter, defaultPause)
		return refused
	case needsOwner:
		return &outbox.Failure{Cause: cause, Permanent: true, NeedsOwner: true}
	}
	switch response.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone:
		refused.Permanent, refused.NeedsOwner = true, true
	}
	return refused
}

// pause returns the pause that Discord requests, rounded up to the millisecond, up to a day.
func pause(seconds *float64) time.Duration {
	if seconds == nil || !(*seconds > 0) {
		return 0
	}
	return time.Duration(math.Ceil(min(*seconds, 86400)*1000)) * time.Millisecond
}
