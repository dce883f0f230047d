package devstack

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"newsletter/internal/canary"
)

// Sentry is the double of Sentry. It takes envelopes apart as the service does and keeps the events. It is safe for
// concurrent use.
type Sentry struct {
	mu       sync.Mutex
	events   []json.RawMessage
	problems []string
}

// Events gives all events, the newest first.
func (s *Sentry) Events() []json.RawMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	events := slices.Clone(s.events)
	slices.Reverse(events)
	return events
}

// Problems lists the envelopes that could not be read. There should be none.
func (s *Sentry) Problems() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.problems)
}

// ServeHTTP implements http.Handler.
func (s *Sentry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	events, err := readEnvelope(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.problems = append(s.problems, err.Error())
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.events = append(s.events, events...)
	_, _ = fmt.Fprint(w, `{}`)
}

// readEnvelope reads the lines of an envelope: its header, then for each item a header and as many bytes as that says.
func readEnvelope(r *http.Request) ([]json.RawMessage, error) {
	if !strings.Contains(r.Header.Get("X-Sentry-Auth"), "sentry_key=local") {
		return nil, fmt.Errorf("the key is missing")
	}
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, err
		}
		body = unpacked
	}
	envelope, err := io.ReadAll(io.LimitReader(body, 10<<20))
	if err != nil {
		return nil, err
	}
	recordRequest(canary.Sentry, r, envelope)
	lines := bufio.NewReader(bytes.NewReader(envelope))
	if err := readJSONLine(lines, &map[string]any{}); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	var events []json.RawMessage
	for {
		var item struct {
			Type   string `json:"type"`
			Length *int   `json:"length"`
		}
		err := readJSONLine(lines, &item)
		if errors.Is(err, io.EOF) {
			return events, nil
		}
		if err != nil {
			return nil, fmt.Errorf("item: %w", err)
		}
		payload, err := readPayload(lines, item.Length)
		if err != nil {
			return nil, fmt.Errorf("item %s: %w", item.Type, err)
		}
		if item.Type == "event" {
			if !json.Valid(payload) {
				return nil, fmt.Errorf("an event is not JSON")
			}
			events = append(events, payload)
		}
	}
}

func readPayload(lines *bufio.Reader, length *int) ([]byte, error) {
	if length == nil {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return bytes.TrimSuffix(line, []byte("\n")), err
	}
	payload := make([]byte, *length)
	if _, err := io.ReadFull(lines, payload); err != nil {
		return nil, err
	}
	if next, err := lines.ReadByte(); err == nil && next != '\n' {
		return nil, fmt.Errorf("it is longer than %d bytes", *length)
	}
	return payload, nil
}

func readJSONLine(lines *bufio.Reader, into any) error {
	for {
		line, err := lines.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			return json.Unmarshal(line, into)
		}
		if err != nil {
			return err
		}
	}
}
