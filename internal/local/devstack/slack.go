package devstack

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"

	"newsletter/internal/fixtures/canary"
)

// Slack is a fake of an incoming webhook of Slack. It checks what the service checks (Block Kit reference) and answers
// as it does, "ok" or a word; and it refuses what would link, mention or format. It is safe for concurrent use.
type Slack struct{ chat }

// ServeHTTP implements http.Handler.
func (s *Slack) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.serve(canary.Slack, w, r, s.answer)
}

func (s *Slack) answer(w http.ResponseWriter, r *http.Request) {
	message, word, err := readSlack(r)
	if err != nil {
		s.problem(err.Error())
		http.Error(w, word, http.StatusBadRequest)
		return
	}
	s.keep(message)
	_, _ = io.WriteString(w, "ok")
}

// slackPost is a request's body, as far as it is used.
type slackPost struct {
	Text        string `json:"text"`
	UnfurlLinks bool   `json:"unfurl_links"`
	UnfurlMedia bool   `json:"unfurl_media"`
	Mrkdwn      bool   `json:"mrkdwn"`
	Blocks      []struct {
		Type string `json:"type"`
		Text struct {
			Type  string `json:"type"`
			Text  string `json:"text"`
			Emoji bool   `json:"emoji"`
		} `json:"text"`
	} `json:"blocks"`
}

// readSlack returns the word of Slack's refusal beside an error.
func readSlack(r *http.Request) (m ChatMessage, word string, err error) {
	var post slackPost
	switch err := readJSON(r, &post); {
	case err != nil:
		return m, "invalid_payload", err
	case post.Text == "":
		return m, "no_text", errors.New("there is no text for the notification")
	case post.UnfurlLinks || post.UnfurlMedia || post.Mrkdwn:
		return m, "invalid_payload", errors.New("the text is formatted, or what it links to is shown")
	case len(post.Blocks) == 0 || len(post.Blocks) > 50:
		return m, "invalid_blocks", fmt.Errorf("%d blocks", len(post.Blocks))
	}
	if _, err := unescapeSlack(post.Text, 40_000); err != nil {
		return m, "msg_too_long", err
	}
	for _, block := range post.Blocks {
		limit := map[string]int{"header": 150, "section": 3000}[block.Type]
		if limit == 0 || block.Text.Type != "plain_text" || block.Text.Emoji {
			return m, "invalid_blocks", fmt.Errorf("a block %q with a text of type %q", block.Type, block.Text.Type)
		}
		shown, err := unescapeSlack(block.Text.Text, limit)
		if err != nil {
			return m, "invalid_blocks", fmt.Errorf("the %s: %w", block.Type, err)
		}
		if block.Type == "header" {
			m.Title = shown
		} else {
			m.Text = shown
		}
	}
	return m, "", nil
}

var slackEntity = regexp.MustCompile(`&(amp|lt|gt);`)

// unescapeSlack returns a text as Slack shows it.
func unescapeSlack(text string, limit int) (string, error) {
	if !fitsLimit(text, limit) {
		return "", fmt.Errorf("the text is empty, or longer than %d", limit)
	}
	if strings.ContainsAny(slackEntity.ReplaceAllString(text, ""), "<>&\x00") {
		return "", errors.New("the text is not escaped")
	}
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(text), nil
}
