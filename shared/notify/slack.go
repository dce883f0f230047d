package notify

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"newsletter/shared/outbound"
	"newsletter/shared/outbox"
)

// The maximum lengths of Slack (docs.slack.dev, Block Kit, "Header block" and "Section block"), and the recommended
// length of a notification's text.
const (
	slackHeader  = 150
	slackSection = 3000
	slackText    = 4000
)

// slack implements the incoming webhooks of Slack (docs.slack.dev, "Sending messages using incoming webhooks").
type slack struct{}

type slackMessage struct {
	Text   string       `json:"text"` // the text of a notification
	Blocks []slackBlock `json:"blocks"`
	// No previews of links.
	UnfurlLinks bool `json:"unfurl_links"`
	UnfurlMedia bool `json:"unfurl_media"`
	Mrkdwn      bool `json:"mrkdwn"`
}

type slackBlock struct {
	Type string   `json:"type"`
	Text slackRun `json:"text"`
}

type slackRun struct {
	Type  string `json:"type"`
	Text  string `json:"text"`
	Emoji bool   `json:"emoji"` // whether :smile: becomes an emoji
}

// slackMarks are the prefixes of the levels.
var slackMarks = map[Level]string{Warning: "⚠️ ", Alarm: "🔴 ", Good: "🟢 "}

func (slack) render(m Message) any {
	title := slackMarks[m.Level] + m.Title
	lines := strings.Join(m.Lines, "\n")
	message := slackMessage{
		Text:   fit(strings.TrimSuffix(title+"\n"+lines, "\n"), slackText, escapeSlack),
		Blocks: []slackBlock{{"header", slackRun{Type: "plain_text", Text: fit(title, slackHeader, escapeSlack)}}},
	}
	if lines != "" {
		message.Blocks = append(message.Blocks, slackBlock{"section", slackRun{Type: "plain_text", Text: fit(lines, slackSection, escapeSlack)}})
	}
	return message
}

// escapeSlack escapes the characters of links and mentions (docs.slack.dev, "Formatting message text", "Escaping
// text").
func escapeSlack(r rune) string {
	switch r {
	case '&':
		return "&amp;"
	case '<':
		return "&lt;"
	case '>':
		return "&gt;"
	}
	return string(r)
}

// The error codes of Slack (the same page, "Handling errors"). An unknown one is not recorded as the cause.
var (
	// slackMessageErrors are about the message.
	slackMessageErrors = []string{"invalid_payload", "invalid_blocks", "no_text", "too_many_attachments", "msg_too_long"}
	// slackOwnerErrors are about the webhook, its channel or its account.
	slackOwnerErrors = []string{
		"action_prohibited", "channel_is_archived", "channel_not_found", "invalid_token", "no_active_hooks", "no_service",
		"no_service_id", "no_team", "posting_to_general_channel_denied", "team_disabled", "user_not_found",
	}
)

func (slack) classify(response outbound.Response, refused *outbox.Failure) *outbox.Failure {
	code := strings.TrimSpace(string(response.Body))
	switch {
	case refused != nil && refused.AffectsDestination: // throttled
		refused.RetryAfter = cmp.Or(refused.RetryAfter, defaultPause)
		return refused
	case slices.Contains(slackOwnerErrors, code):
		return &outbox.Failure{Cause: code, Permanent: true, NeedsOwner: true}
	case slices.Contains(slackMessageErrors, code):
		return &outbox.Failure{Cause: code, Permanent: true}
	case refused == nil && code == "ok":
		return nil
	case refused == nil: // not a response of Slack
		return &outbox.Failure{Cause: "bad_response"}
	}
	switch response.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone:
		refused.Permanent, refused.NeedsOwner = true, true
	}
	return refused
}
