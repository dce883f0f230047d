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
	"regexp"
	"slices"
	"strings"
	"sync"

	"newsletter/internal/fixtures/canary"
)

// Sentry is a fake of Sentry. It takes envelopes apart as the service does and keeps the events and check-ins. It is
// safe for concurrent use.
type Sentry struct {
	mu       sync.Mutex
	events   []json.RawMessage
	checkIns []CheckIn
	problems []string
}

// CheckIn is a check-in of a cron monitor.
type CheckIn struct {
	ID       string `json:"check_in_id"`
	Slug     string `json:"monitor_slug"`
	Status   string `json:"status"`
	Duration float64
	Monitor  *struct {
		Schedule struct {
			Type  string `json:"type"`
			Value int    `json:"value"`
			Unit  string `json:"unit"`
		} `json:"schedule"`
		Margin     int    `json:"checkin_margin"`
		MaxRuntime int    `json:"max_runtime"`
		Timezone   string `json:"timezone"`
	} `json:"monitor_config"`
}

// CheckIns returns all check-ins, in the order of arrival.
func (s *Sentry) CheckIns() []CheckIn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.checkIns)
}

// Events returns all events, the newest first.
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
	items, err := readEnvelope(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, item := range items {
		if err == nil {
			err = s.keep(item)
		}
	}
	if err != nil {
		s.problems = append(s.problems, err.Error())
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	_, _ = fmt.Fprint(w, `{}`)
}

// item is one part of an envelope.
type item struct {
	kind    string
	payload []byte
}

// slug matches what Sentry accepts as a monitor's name (develop.sentry.dev, "Check-Ins").
var slug = regexp.MustCompile(`^[a-z0-9_-]{1,50}$`)

// keep keeps an event or a check-in, as far as the service would. The caller holds mu.
func (s *Sentry) keep(i item) error {
	switch i.kind {
	case "event":
		if !json.Valid(i.payload) {
			return errors.New("an event is not JSON")
		}
		s.events = append(s.events, i.payload)
	case "check_in":
		var c CheckIn
		if err := json.Unmarshal(i.payload, &c); err != nil {
			return fmt.Errorf("a check-in: %w", err)
		}
		if !slices.Contains([]string{"in_progress", "ok", "error"}, c.Status) || len(c.ID) != 32 || !slug.MatchString(c.Slug) || c.Monitor == nil {
			return fmt.Errorf("a check-in: %s", i.payload)
		}
		if m := c.Monitor; m.Schedule.Type != "interval" || m.Schedule.Value < 1 || m.Margin < 1 || m.MaxRuntime < 1 || m.Timezone == "" ||
			!slices.Contains([]string{"minute", "hour", "day"}, m.Schedule.Unit) {
			return fmt.Errorf("a monitor: %s", i.payload)
		}
		s.checkIns = append(s.checkIns, c)
	default:
		return fmt.Errorf("an item of type %q, which nobody sends here", i.kind)
	}
	return nil
}

// readEnvelope reads the lines of an envelope: its header, then for each item a header and as many bytes as that says.
func readEnvelope(r *http.Request) ([]item, error) {
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
	var items []item
	for {
		var header struct {
			Type   string `json:"type"`
			Length *int   `json:"length"`
		}
		err := readJSONLine(lines, &header)
		if errors.Is(err, io.EOF) {
			return items, nil
		}
		if err != nil {
			return nil, fmt.Errorf("item: %w", err)
		}
		payload, err := readPayload(lines, header.Length)
		if err != nil {
			return nil, fmt.Errorf("item %s: %w", header.Type, err)
		}
		items = append(items, item{header.Type, payload})
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
