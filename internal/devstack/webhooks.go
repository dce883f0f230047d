package devstack

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// WebhookSecret is the secret that the double of a webhook's receiver knows.
const WebhookSecret = "whsec_bG9jYWwtd2ViaG9vay1zZWNyZXQtMTIzNDU2"

// WebhookCall is a call that the receiver took.
type WebhookCall struct {
	ID   string // the same for every try
	Type string
	Data map[string]string
}

// Webhooks is a receiver of webhooks as Standard Webhooks 1.0.0 asks of one: it verifies the signature and the time before
// it reads anything. It is safe for concurrent use.
type Webhooks struct {
	faults
	now      func() time.Time
	received []WebhookCall
}

// NewWebhooks makes a receiver with the clock now.
func NewWebhooks(now func() time.Time) *Webhooks { return &Webhooks{now: now} }

// Received gives all calls, in the order in which they came; repetitions too.
func (h *Webhooks) Received() []WebhookCall {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.received)
}

// ServeHTTP implements http.Handler.
func (h *Webhooks) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.serve(w, r, h.answer) }

func (h *Webhooks) answer(w http.ResponseWriter, r *http.Request) {
	call, err := h.verify(r)
	if err != nil {
		h.problem(err.Error())
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.received = append(h.received, call)
	w.WriteHeader(http.StatusNoContent)
}

// tolerance is how far the time of a call may be off.
const tolerance = 5 * time.Minute

func (h *Webhooks) verify(r *http.Request) (call WebhookCall, err error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return call, err
	}
	id, timestamp := r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	switch off := h.now().Sub(time.Unix(seconds, 0)).Abs(); {
	case r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json":
		return call, fmt.Errorf("%s of %q", r.Method, r.Header.Get("Content-Type"))
	case id == "" || strings.Contains(id, "."):
		return call, errors.New("the id is missing, or holds a point")
	case err != nil || off > tolerance:
		return call, errors.New("the time is missing or off")
	case len(body) > 20_000:
		return call, errors.New("the payload is too long")
	}
	secret, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(WebhookSecret, "whsec_"))
	if err != nil {
		return call, err
	}
	mac := hmac.New(sha256.New, secret)
	_, _ = fmt.Fprintf(mac, "%s.%s.%s", id, timestamp, body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	if !slices.Contains(strings.Split(r.Header.Get("webhook-signature"), " "), want) {
		return call, errors.New("no signature is ours")
	}
	return readCall(id, body)
}

func readCall(id string, body []byte) (WebhookCall, error) {
	var payload struct {
		Type      string            `json:"type"`
		Timestamp time.Time         `json:"timestamp"`
		Data      map[string]string `json:"data"`
	}
	if err := json.Unmarshal(body, &payload); err != nil {
		return WebhookCall{}, err
	}
	if payload.Type == "" || payload.Timestamp.IsZero() || strings.Contains(string(body), "@") {
		return WebhookCall{}, fmt.Errorf("the payload is not thin, or lacks a member: %s", body)
	}
	return WebhookCall{id, payload.Type, payload.Data}, nil
}
