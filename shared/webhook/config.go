package webhook

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"newsletter/shared/config"
)

// secretPrefix begins a secret (Standard Webhooks, "Signature scheme").
const secretPrefix = "whsec_"

// A secret has 24 to 64 bytes, by the same section.
const minSecret, maxSecret = 24, 64

// Config configures the webhook endpoints.
type Config struct {
	// The endpoints that receive an event for every change (Standard Webhooks), separated by commas: https, on port
	// 443 or 8443, at public addresses. Pending events for an endpoint that is removed from the list are dropped.
	// Empty: no webhooks.
	URLs []string `env:"WEBHOOK_URLS" example:"https://hooks.example.org/newsletter"`
	// The secrets that sign the calls: "whsec_" and 24 to 64 random bytes in base64, separated by commas, newest
	// first. Calls are signed with all of them, so that receivers can rotate. To give each endpoint its own secrets,
	// write one list per endpoint in the order of WEBHOOK_URLS, separated by semicolons.
	Secrets config.Sealed `env:"WEBHOOK_SECRETS"`
}

// Names lists the endpoints by their names in the outbox.
func (c Config) Names() []string {
	names := make([]string, len(c.URLs))
	for i, url := range c.URLs {
		names[i] = name(strings.TrimSpace(url))
	}
	return names
}

// Validate implements the check of config.Env.Read. Where an endpoint may be is checked by Endpoints.
func (c Config) Validate() error {
	if len(c.URLs) == 0 {
		return nil
	}
	var duplicate error
	seen := map[string]bool{}
	for i, url := range c.URLs {
		if url = strings.TrimSpace(url); seen[url] {
			duplicate = fmt.Errorf("WEBHOOK_URLS: address %d is a duplicate", i+1)
		}
		seen[url] = true
	}
	_, err := c.keys()
	return errors.Join(duplicate, err)
}

// keys returns the secrets of each endpoint, the newest first. An error contains no secret.
func (c Config) keys() ([][][]byte, error) {
	if c.Secrets.IsZero() {
		return nil, errors.New("WEBHOOK_SECRETS: required with WEBHOOK_URLS")
	}
	lists := strings.Split(c.Secrets.Reveal(), ";")
	if len(lists) > 1 && len(lists) != len(c.URLs) {
		return nil, fmt.Errorf("WEBHOOK_SECRETS: must be one list, or one for each of the %d WEBHOOK_URLS; there are %d", len(c.URLs), len(lists))
	}
	all := make([][][]byte, len(c.URLs))
	for i, list := range lists {
		keys, err := parseSecrets(list)
		if err != nil && len(lists) > 1 {
			err = fmt.Errorf("list %d: %w", i+1, err)
		}
		if err != nil {
			return nil, fmt.Errorf("WEBHOOK_SECRETS: %w", err)
		}
		all[i] = keys
	}
	for i := range all {
		if len(lists) == 1 {
			all[i] = all[0]
		}
	}
	return all, nil
}

// parseSecrets parses comma-separated secrets. An error contains no secret.
func parseSecrets(list string) ([][]byte, error) {
	var keys [][]byte
	for text := range strings.SplitSeq(list, ",") {
		encoded, found := strings.CutPrefix(strings.TrimSpace(text), secretPrefix)
		key, err := base64.StdEncoding.DecodeString(encoded)
		if !found || err != nil || len(key) < minSecret || len(key) > maxSecret {
			return nil, fmt.Errorf("secret %d: must be %s and %d to %d random bytes in base64", len(keys)+1, secretPrefix, minSecret, maxSecret)
		}
		keys = append(keys, key)
	}
	return keys, nil
}
