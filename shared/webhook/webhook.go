// Package webhook tells an owner's own services of changes, by Standard Webhooks 1.0.0 (standardwebhooks.com).
//
// Invariants: a payload holds ids and no personal data; it is signed with every secret of the list, so that a receiver can
// change secrets without losing a call; the id of a call is the same at every try, and the receiver may drop repetitions.
//
// Failure policy: a call is tried once; errors are *outbox.Failure. 410 Gone is the receiver's wish to hear no more: the
// Cause is then Gone.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"newsletter/shared/config"
	"newsletter/shared/outbound"
	"newsletter/shared/outbox"
)

// Gone is the Failure.Cause of an endpoint that wants to hear no more.
const Gone = "gone"

// The lengths of a secret, in bytes (Standard Webhooks, "Signature scheme").
const minSecret, maxSecret = 24, 64

// Config says whom to tell.
type Config struct {
	// URLs are the endpoints, separated by commas: https, on port 443 or 8443. Their order names them (webhook-1 and so
	// on) in the outbox: put new ones at the end. Defaults to none.
	URLs []string `env:"WEBHOOK_URLS"`
	// Secrets sign the calls: "whsec_" and 24 to 64 random bytes in base64, separated by commas, the newest first. Calls
	// are signed with all of them, so that receivers can change from one to the next.
	Secrets config.Sealed `env:"WEBHOOK_SECRETS"`
}

// ReadConfig reads Config.
func ReadConfig(e *config.Env) Config {
	var c Config
	e.Read(&c)
	return c
}

// Validate implements the check of config.Env.Read.
func (c Config) Validate() error {
	if len(c.URLs) == 0 {
		return nil
	}
	_, err := c.signers()
	return err
}

type signer func(message []byte) []byte

func (c Config) signers() ([]signer, error) {
	var all []signer
	for i, text := range strings.Split(c.Secrets.Reveal(), ",") {
		encoded, found := strings.CutPrefix(strings.TrimSpace(text), "whsec_")
		secret, err := base64.StdEncoding.DecodeString(encoded)
		if !found || err != nil || len(secret) < minSecret || len(secret) > maxSecret {
			return nil, fmt.Errorf("WEBHOOK_SECRETS: secret %d: must be whsec_ and %d to %d random bytes in base64", i+1, minSecret, maxSecret)
		}
		all = append(all, func(message []byte) []byte {
			mac := hmac.New(sha256.New, secret)
			mac.Write(message)
			return mac.Sum(nil)
		})
	}
	return all, nil
}

// Event is what is told. It names nobody: who may know more asks with the ids.
type Event struct {
	Type         string // such as "subscription.confirmed"
	At           time.Time
	EventID      string // of the ledger
	SubscriberID string
	Data         map[string]string // further words, such as the reason; never personal data
}

type payload struct {
	Type      string            `json:"type"`
	Timestamp time.Time         `json:"timestamp"`
	Data      map[string]string `json:"data"`
}

// Endpoint is one receiver. It is safe for concurrent use.
type Endpoint struct {
	url     string
	signers []signer
	client  *outbound.Client
	now     func() time.Time
}

// Endpoints makes the receivers of a Config, by their names in the outbox. It does no I/O.
func Endpoints(cfg Config, guard outbound.Config, client *outbound.Client, now func() time.Time) (map[string]*Endpoint, error) {
	all := map[string]*Endpoint{}
	if len(cfg.URLs) == 0 {
		return all, nil
	}
	signers, err := cfg.signers()
	if err != nil {
		return nil, err
	}
	for i, url := range cfg.URLs {
		if err := guard.CheckURL(url); err != nil {
			return nil, fmt.Errorf("WEBHOOK_URLS: address %d %w", i+1, err)
		}
		all["webhook-"+strconv.Itoa(i+1)] = &Endpoint{url, signers, client, now}
	}
	return all, nil
}

// Send tells an event. id names the delivery, the same at every try. The error is a *outbox.Failure.
func (e *Endpoint) Send(ctx context.Context, id string, event Event) error {
	data := map[string]string{"event_id": event.EventID, "subscriber_id": event.SubscriberID}
	for name, value := range event.Data {
		data[name] = value
	}
	body, err := json.Marshal(payload{event.Type, event.At.UTC(), data})
	if err != nil {
		return &outbox.Failure{Cause: "bad_event", Permanent: true, Err: err}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return &outbox.Failure{Cause: "bad_address", Permanent: true, NeedsOwner: true, Err: err}
	}
	timestamp := strconv.FormatInt(e.now().Unix(), 10)
	request.Header = http.Header{
		"Content-Type": {"application/json"}, "User-Agent": {"newsletter-webhook/1"}, "Webhook-Id": {id}, "Webhook-Timestamp": {timestamp},
		"Webhook-Signature": {e.sign(id, timestamp, body)},
	}
	answer, err := e.client.Send(ctx, request)
	if answer.Status == http.StatusGone {
		return &outbox.Failure{Cause: Gone, Permanent: true, NeedsOwner: true, Err: errors.New("the endpoint answered 410")}
	}
	failure, failed := errors.AsType[*outbox.Failure](err)
	if failed && failure.Permanent && answer.Status != 0 {
		// A receiver that refuses today may be mended tomorrow (Standard Webhooks asks for retries over days).
		failure.Permanent = false
	}
	return err
}

// sign makes a signature for each secret over "id.timestamp.body".
func (e *Endpoint) sign(id, timestamp string, body []byte) string {
	message := append([]byte(id+"."+timestamp+"."), body...)
	var all []string
	for _, sign := range e.signers {
		all = append(all, "v1,"+base64.StdEncoding.EncodeToString(sign(message)))
	}
	return strings.Join(all, " ")
}
