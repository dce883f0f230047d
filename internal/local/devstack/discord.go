package devstack

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"newsletter/internal/fixtures/canary"
)

// Discord is a fake of a webhook of Discord. It checks what the service checks (Webhook resource, Embed limits), and
// refuses what would link, mention or format. It is safe for concurrent use.
type Discord struct{ chat }

// ServeHTTP implements http.Handler.
func (d *Discord) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.serve(canary.Discord, w, r, d.answer)
}

func (d *Discord) answer(w http.ResponseWriter, r *http.Request) {
	message, err := readDiscord(r)
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		d.problem(err.Error())
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]any{"message": "Invalid Form Body", "code": 50035})
		return
	}
	d.keep(message)
	if r.URL.Query().Get("wait") != "true" { // the client does not wait for the message
		w.WriteHeader(http.StatusNoContent)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"id": "100000000000000001", "type": 0, "content": message.Title})
}

// discordPost is a request's body, as far as it is used.
type discordPost struct {
	Embeds []struct {
		Title       string `json:"title"`
		Description string `json:"description"`
		Color       int    `json:"color"`
	} `json:"embeds"`
	AllowedMentions *struct {
		Parse *[]string `json:"parse"`
	} `json:"allowed_mentions"`
}

func readDiscord(r *http.Request) (m ChatMessage, err error) {
	var post discordPost
	switch err := readJSON(r, &post); {
	case err != nil:
		return m, err
	case len(post.Embeds) != 1:
		return m, fmt.Errorf("%d embeds", len(post.Embeds))
	case post.AllowedMentions == nil || post.AllowedMentions.Parse == nil || len(*post.AllowedMentions.Parse) != 0:
		return m, errors.New("it may ping people")
	}
	embed := post.Embeds[0]
	if embed.Color < 0 || embed.Color > 0xffffff {
		return m, fmt.Errorf("the color %d", embed.Color)
	}
	if m.Title, err = unescapeDiscord(embed.Title, 256); err != nil {
		return m, fmt.Errorf("the title: %w", err)
	}
	if embed.Description != "" {
		if m.Text, err = unescapeDiscord(embed.Description, 4096); err != nil {
			return m, fmt.Errorf("the description: %w", err)
		}
	}
	return m, nil
}

// discordEscape is a backslash before anything that is no letter, number or space.
var discordEscape = regexp.MustCompile(`\\([^0-9A-Za-z\s])`)

// unescapeDiscord returns a text as Discord shows it.
func unescapeDiscord(text string, limit int) (string, error) {
	if !fitsLimit(text, limit) {
		return "", fmt.Errorf("the text is empty, or longer than %d", limit)
	}
	if rest := discordEscape.ReplaceAllString(text, ""); strings.ContainsAny(rest, "*_~`|<>[]@\\") || strings.Contains(rest, "://") {
		return "", errors.New("something in it links, mentions or formats")
	}
	return discordEscape.ReplaceAllString(text, "$1"), nil
}
