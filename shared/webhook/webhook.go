// Package webhook sends events to the owner's endpoints, by Standard Webhooks 1.0.0 (standardwebhooks.com).
//
// Invariants: a payload contains ids, and personal data only of declared fields that name webhooks; it is signed with every secret of the list, so that a
// receiver can rotate secrets without losing a call; the id of a call is the same at every attempt, for deduplication.
//
// Failure policy: a call is made once; errors are *outbox.Failure. After 410 Gone, by which a receiver asks for no more
// calls, the Cause is Gone.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"newsletter/shared/config"
	"newsletter/shared/outbound"
	"newsletter/shared/outbox"
)

// Gone is the Failure.Cause of an endpoint that answered 410 Gone.
const Gone = "gone"

// Event is an event to send. It contains no personal data but Fields: the ids allow a receiver to look it up.
type Event struct {
	Type         string // such as "subscription.confirmed"
	At           time.Time
	EventID      string // of the ledger
	SubscriberID string
	Data         map[string]string // further values, such as the reason; never personal data
	Fields       map[string]any    // the subscriber's values of declared fields, for endpoints only; nil for none
}

type payload struct {
	Type      string         `json:"type"`
	Timestamp time.Time      `json:"timestamp"`
	Data      map[string]any `json:"data"`
}

// Endpoint is one receiver. It is safe for concurrent use.
type Endpoint struct {
	url    string
	keys   [][]byte // the newest first
	client *outbound.Client
	now    func() time.Time
}

// Endpoints returns the endpoints of a Config by their names in the outbox. It does no I/O.
func Endpoints(cfg Config, guard outbound.Config, client *outbound.Client, now func() time.Time) (map[string]*Endpoint, error) {
	all := map[string]*Endpoint{}
	if len(cfg.URLs) == 0 {
		return all, nil
	}
	keys, err := cfg.keys()
	for i, url := range cfg.URLs {
		url = strings.TrimSpace(url)
		if invalid := guard.CheckURL(url); invalid != nil {
			err = errors.Join(err, fmt.Errorf("WEBHOOK_URLS: address %d %w", i+1, invalid))
		}
		if err == nil {
			all[name(url)] = &Endpoint{url, keys[i], client, now}
		}
	}
	if err != nil {
		return nil, err
	}
	return all, nil
}

// NewEndpoint returns an endpoint without a Config. secrets has the format of Config.Secrets for one endpoint. The
// error contains no secret. It does no I/O.
func NewEndpoint(url string, secrets config.Sealed, client *outbound.Client, now func() time.Time) (*Endpoint, error) {
	keys, err := parseSecrets(secrets.Reveal())
	if err != nil {
		return nil, err
	}
	return &Endpoint{url, keys, client, now}, nil
}

// name returns an endpoint's name in the outbox. It is a hash of the URL, so it does not reveal the URL, nor change
// with the order of the list: an endpoint that replaces another inherits neither its deliveries nor its pause.
func name(url string) string {
	sum := sha256.Sum256([]byte(url))
	return outbox.WebhookPrefix + hex.EncodeToString(sum[:4])
}

// Send sends an event. id is the delivery's, the same at every attempt. The error is a *outbox.Failure.
func (e *Endpoint) Send(ctx context.Context, id string, event Event) error {
	texts := map[string]string{}
	maps.Copy(texts, event.Data)
	maps.Copy(texts, map[string]string{"event_id": event.EventID, "subscriber_id": event.SubscriberID}) // no member of Data replaces them
	data := map[string]any{}
	for name, value := range texts {
		if value != "" {
			data[name] = value
		}
	}
	if len(event.Fields) > 0 {
		data["fields"] = event.Fields
	}
	body, err := json.Marshal(payload{event.Type, event.At.UTC(), data})
	if err != nil {
		return &outbox.Failure{Cause: "bad_event", Permanent: true, Err: err}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil { // omit err: it contains the URL, which may contain a secret
		return &outbox.Failure{Cause: "bad_address", Permanent: true, NeedsOwner: true}
	}
	timestamp := strconv.FormatInt(e.now().Unix(), 10)
	request.Header = http.Header{
		"Content-Type": {"application/json"}, "User-Agent": {"newsletter-webhook/1"}, "Webhook-Id": {id}, "Webhook-Timestamp": {timestamp},
		"Webhook-Signature": {e.sign(id, timestamp, body)},
	}
	response, err := e.client.Send(ctx, request)
	if response.Status == http.StatusGone {
		return &outbox.Failure{Cause: Gone, Permanent: true, NeedsOwner: true, Err: errors.New("the endpoint answered 410")}
	}
	failure, failed := errors.AsType[*outbox.Failure](err)
	if failed && failure.Permanent && response.Status != 0 {
		// A receiver that refuses today may be fixed tomorrow (Standard Webhooks asks for retries over days).
		failure.Permanent = false
	}
	return err
}

// sign returns a signature by each secret.
func (e *Endpoint) sign(id, timestamp string, body []byte) string {
	all := make([]string, len(e.keys))
	for i, key := range e.keys {
		all[i] = signatureVersion + base64.StdEncoding.EncodeToString(mac(key, id, timestamp, body))
	}
	return strings.Join(all, " ")
}

// signatureVersion begins a symmetric signature.
const signatureVersion = "v1,"

// mac returns the authentication code of a call, over "id.timestamp.body".
func mac(key []byte, id, timestamp string, body []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(id + "." + timestamp + "."))
	h.Write(body)
	return h.Sum(nil)
}
