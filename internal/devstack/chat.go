package devstack

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

// ChatMessage is a message that a double of a chat got: its title and its text.
type ChatMessage struct{ Title, Text string }

// chat is what the doubles of Slack and Discord share.
type chat struct {
	faults
	messages []ChatMessage
}

// Messages gives all messages, in the order in which they came.
func (c *chat) Messages() []ChatMessage {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.messages)
}

func (c *chat) take(m ChatMessage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.messages = append(c.messages, m)
}

// readJSON reads a POST's body into a value that has a member for all that it holds.
func readJSON(r *http.Request, into any) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if r.Method != http.MethodPost || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		return fmt.Errorf("%s of %q", r.Method, r.Header.Get("Content-Type"))
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

// Slack is the double of an incoming webhook of Slack. It checks what the service checks (Block Kit reference) and answers
// as it does: "ok", or a word. It is safe for concurrent use.
type Slack struct{ chat }

// ServeHTTP implements http.Handler.
func (s *Slack) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.serve(w, r, s.answer) }

func (s *Slack) answer(w http.ResponseWriter, r *http.Request) {
	message, err := slackMessage(r)
	if err != nil {
		s.problem(err.Error())
		http.Error(w, "invalid_payload", http.StatusBadRequest)
		return
	}
	s.take(message)
	_, _ = io.WriteString(w, "ok")
}

func slackMessage(r *http.Request) (m ChatMessage, err error) {
	var body struct {
		Text   string `json:"text"`
		Blocks []struct {
			Type string `json:"type"`
			Text struct {
				Type string `json:"type"`
				Text string `json:"text"`
			} `json:"text"`
		} `json:"blocks"`
	}
	if err := readJSON(r, &body); err != nil {
		return m, err
	}
	if body.Text == "" || len(body.Blocks) == 0 || len(body.Blocks) > 50 {
		return m, errors.New("no text or no blocks")
	}
	if strings.ContainsAny(body.Text, "<>") {
		return m, errors.New("the text is not escaped")
	}
	for _, block := range body.Blocks {
		length := utf8.RuneCountInString(block.Text.Text)
		switch {
		case block.Text.Type != "plain_text" || length == 0:
			return m, fmt.Errorf("a text of type %q with %d characters", block.Text.Type, length)
		case block.Type == "header" && length <= 150:
			m.Title = block.Text.Text
		case block.Type == "section" && length <= 3000:
			m.Text = block.Text.Text
		default:
			return m, fmt.Errorf("a block %q with %d characters", block.Type, length)
		}
	}
	return m, nil
}

// Discord is the double of a webhook of Discord. It checks what the service checks (Webhook resource, Embed limits). It is
// safe for concurrent use.
type Discord struct{ chat }

// ServeHTTP implements http.Handler.
func (d *Discord) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.serve(w, r, d.answer) }

func (d *Discord) answer(w http.ResponseWriter, r *http.Request) {
	message, err := discordMessage(r)
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		d.problem(err.Error())
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"message":"Invalid Form Body","code":50035}`)
		return
	}
	d.take(message)
	_, _ = io.WriteString(w, `{"id":"1"}`)
}

func discordMessage(r *http.Request) (m ChatMessage, err error) {
	var body struct {
		Embeds []struct {
			Title       string `json:"title"`
			Description string `json:"description"`
			Color       int    `json:"color"`
		} `json:"embeds"`
		AllowedMentions *struct {
			Parse *[]string `json:"parse"`
		} `json:"allowed_mentions"`
	}
	if err := readJSON(r, &body); err != nil {
		return m, err
	}
	switch {
	case r.URL.Query().Get("wait") != "true":
		return m, errors.New("it does not wait for the answer")
	case len(body.Embeds) != 1:
		return m, fmt.Errorf("%d embeds", len(body.Embeds))
	case body.AllowedMentions == nil || body.AllowedMentions.Parse == nil || len(*body.AllowedMentions.Parse) != 0:
		return m, errors.New("it may ping people")
	}
	embed := body.Embeds[0]
	title, text := utf8.RuneCountInString(embed.Title), utf8.RuneCountInString(embed.Description)
	if title == 0 || title > 256 || text > 4096 || title+text > 6000 || embed.Color < 0 || embed.Color > 0xffffff {
		return m, fmt.Errorf("an embed with %d and %d characters", title, text)
	}
	return ChatMessage{embed.Title, embed.Description}, nil
}
