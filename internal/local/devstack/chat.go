package devstack

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"unicode/utf16"
)

// ChatMessage is a message that a fake of a chat got, as people see it: its title and its text.
type ChatMessage struct{ Title, Text string }

// chat is the common part of the fakes of Slack and Discord.
type chat struct {
	faults
	messages []ChatMessage
}

// Messages returns all messages, in the order of arrival.
func (c *chat) Messages() []ChatMessage {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.messages)
}

func (c *chat) keep(m ChatMessage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.messages = append(c.messages, m)
}

// fitsLimit reports whether a text has from one to limit characters, counted in UTF-16 as some services do.
func fitsLimit(text string, limit int) bool {
	return text != "" && len(utf16.Encode([]rune(text))) <= limit
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
