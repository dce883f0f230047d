package notify

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"newsletter/shared/outbound"
	"newsletter/shared/outbox"
)

// The lengths that Slack takes (docs.slack.dev, Block Kit, "Header block" and "Section block"), and for the text of the
// notification the one that it recommends.
const (
	slackHeader  = 150
	slackSection = 3000
	slackText    = 4000
)

// slack is the incoming webhooks of Slack (docs.slack.dev, "Sending messages using incoming webhooks").
type slack struct{}

type slackMessage struct {
	Text   string       `json:"text"` // what a notification shows
	Blocks []slackBlock `json:"blocks"`
	// Nothing that a link leads to is shown beside it.
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
	Emoji bool   `json:"emoji"` // whether :smile: is one
}

// slackMarks begin a message of a level.
var slackMarks = map[Level]string{Warning: "⚠️ ", Alarm: "🔴 ", Good: "🟢 "}

func (slack) render(m Message) any {
	title := slackMarks[m.Level] + m.Title
	lines := strings.Join(m.Lines, "\n")
	message := slackMessage{
		Text:   fit(strings.TrimSuffix(title+"\n"+lines, "\n"), slackText, slackSpelling),
		Blocks: []slackBlock{{"header", slackRun{Type: "plain_text", Text: fit(title, slackHeader, slackSpelling)}}},
	}
	if lines != "" {
		message.Blocks = append(message.Blocks, slackBlock{"section", slackRun{Type: "plain_text", Text: fit(lines, slackSection, slackSpelling)}})
	}
	return message
}

// slackSpelling escapes the three characters by which Slack marks links and mentions (docs.slack.dev, "Formatting message
// text", "Escaping text").
func slackSpelling(r rune) string {
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

// The words that Slack answers with (the same page, "Handling errors"). Any other is not repeated.
var (
	// slackOurs is about the message.
	slackOurs = []string{"invalid_payload", "invalid_blocks", "no_text", "too_many_attachments", "msg_too_long"}
	// slackOwners is about the webhook, its channel or its account.
	slackOwners = []string{
		"action_prohibited", "channel_is_archived", "channel_not_found", "invalid_token", "no_active_hooks", "no_service",
		"no_service_id", "no_team", "posting_to_general_channel_denied", "team_disabled", "user_not_found",
	}
)

func (slack) judge(answer outbound.Response, refused *outbox.Failure) *outbox.Failure {
	said := strings.TrimSpace(string(answer.Body))
	switch {
	case refused != nil && refused.AffectsDestination: // throttled
		refused.RetryAfter = cmp.Or(refused.RetryAfter, unlessAsked)
		return refused
	case slices.Contains(slackOwners, said):
		return &outbox.Failure{Cause: said, Permanent: true, NeedsOwner: true}
	case slices.Contains(slackOurs, said):
		return &outbox.Failure{Cause: said, Permanent: true}
	case refused == nil && said == "ok":
		return nil
	case refused == nil: // a success that is none
		return &outbox.Failure{Cause: "bad_answer"}
	}
	switch answer.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone:
		refused.Permanent, refused.NeedsOwner = true, true
	}
	return refused
}
