package devstack

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"newsletter/internal/fixtures/canary"
)

// WebhookSecret is the secret that the fake of a webhook's receiver knows.
const WebhookSecret = "whsec_bG9jYWwtd2ViaG9vay1zZWNyZXQtMTIzNDU2"

// WebhookCall is a call that the receiver took.
type WebhookCall struct {
	ID   string // the same for every try
	Path string // which endpoint
	Type string
	At   time.Time // when it happened
	Data map[string]string
	// Fields are the values of declared fields; nil for none.
	Fields map[string]any
}

// Webhooks is a receiver of webhooks as Standard Webhooks 1.0.0 asks of one: it verifies the signature and the time
// before it reads anything. It is safe for concurrent use.
type Webhooks struct {
	faults
	now      func() time.Time
	received []WebhookCall
}

// NewWebhooks returns a receiver with the clock now.
func NewWebhooks(now func() time.Time) *Webhooks { return &Webhooks{now: now} }

// Received returns all calls, in the order of arrival; repetitions too.
func (h *Webhooks) Received() []WebhookCall {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.received)
}

// ServeHTTP implements http.Handler.
func (h *Webhooks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.serve(canary.Webhook, w, r, h.answer)
}

func (h *Webhooks) answer(w http.ResponseWriter, r *http.Request) {
	call, err := h.verify(r)
	if err != nil {
		h.problem(err.Error())
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if !h.keep(call) {
		h.problem("two events have one id")
		w.WriteHeader(http.StatusConflict)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// keep reports whether a call is a new one, or the same as those of its id before.
func (h *Webhooks) keep(call WebhookCall) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, before := range h.received {
		if before.ID == call.ID && before.Path == call.Path && !reflect.DeepEqual(before, call) {
			return false
		}
	}
	h.received = append(h.received, call)
	return true
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
		return call, errors.New("the id is missing or contains a dot")
	case err != nil || off > tolerance:
		return call, errors.New("the time is missing or off")
	case len(body) > 20_000:
		return call, errors.New("the payload is too long")
	}
	if err := checkSignature(r.Header.Get("webhook-signature"), fmt.Sprintf("%s.%s.%s", id, timestamp, body)); err != nil {
		return call, err
	}
	return readCall(id, r.URL.Path, body)
}

// checkSignature requires that all signatures are of version 1, and that one of them is by our secret.
func checkSignature(header, content string) error {
	secret, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(WebhookSecret, "whsec_"))
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, secret)
	_, _ = mac.Write([]byte(content))
	ours := false
	for given := range strings.SplitSeq(header, " ") {
		version, text, _ := strings.Cut(given, ",")
		signature, err := base64.StdEncoding.DecodeString(text)
		if version != "v1" || err != nil || len(signature) != sha256.Size {
			return errors.New("there is a signature that is none of version 1")
		}
		ours = ours || hmac.Equal(signature, mac.Sum(nil))
	}
	if !ours {
		return errors.New("no signature is ours")
	}
	return nil
}

var (
	webhookType = regexp.MustCompile(`^[a-z0-9_]+(\.[a-z0-9_]+)+$`)
	webhookWord = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,255}$`) // an id or a word, and no address
)

// sentences are the members that are more than a word: alerts are about nobody, errors are scrubbed.
var sentenceFields = map[string][]string{"alert": {"summary", "subject"}, "error": {"error", "cause", "stack", "steps", "route", "request_id", "xray_trace_id"}}

func readCall(id, path string, body []byte) (WebhookCall, error) {
	var payload struct {
		Type      string         `json:"type"`
		Timestamp time.Time      `json:"timestamp"`
		Data      map[string]any `json:"data"`
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&payload); err != nil {
		return WebhookCall{}, err
	}
	if !webhookType.MatchString(payload.Type) || payload.Timestamp.IsZero() || payload.Data == nil {
		return WebhookCall{}, fmt.Errorf("the payload lacks a member: %s", body)
	}
	call := WebhookCall{ID: id, Path: path, Type: payload.Type, At: payload.Timestamp, Data: map[string]string{}}
	for name, member := range payload.Data {
		if fields, isObject := member.(map[string]any); isObject && name == "fields" {
			call.Fields = fields
			continue
		}
		value, isText := member.(string)
		if call.Data[name] = value; !isText {
			return WebhookCall{}, fmt.Errorf("the payload has a member that is no text: %s", name)
		}
		if slices.Contains(sentenceFields[strings.Split(payload.Type, ".")[0]], name) && !strings.Contains(value, "@") {
			continue
		}
		if !webhookWord.MatchString(value) {
			return WebhookCall{}, fmt.Errorf("the payload is not thin: %s", name)
		}
	}
	return call, nil
}
