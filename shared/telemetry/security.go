package telemetry

import (
	"context"
	"slices"
)

// SecurityReasons are the reasons of security events, with their descriptions. A test keeps docs/security.md equal to
// this table. The names never change, because metrics and log queries use them.
var SecurityReasons = map[string]string{
	"rate_limited":            "A network exceeded a rate limit",
	"domain_blocked":          "An address at a domain that the owner blocks",
	"disposable":              "A disposable address, where the owner blocks or holds these",
	"captcha_missing":         "A sign-up without a CAPTCHA response",
	"captcha_failed":          "An invalid or expired CAPTCHA response",
	"captcha_unavailable":     "A sign-up that is held because the CAPTCHA could not be verified and other signs made it suspicious",
	"honeypot":                "The hidden form field was filled in",
	"too_fast":                "The form was filled in faster than people do",
	"link_malformed":          "A link with a malformed token",
	"link_forged":             "A link whose token has a wrong signature or names an unknown key",
	"link_expired":            "A link that has expired",
	"link_unknown":            "A valid link to a subscriber that no longer exists, or a link that was already used",
	"recipient_mismatch":      "An erasure with an address other than the link's",
	"webhook_forged":          "A call to the route of Loops' events without a valid, recent signature",
	"key_invalid":             "A server's key that is malformed, forged, unknown or revoked",
	"key_scope":               "A server's key without the scope that the request takes",
	"key_in_page":             "A server's key that a page sends",
	"proxy_bypass":            "A request that did not come through the trusted proxy, where the site has one",
	"private_address_blocked": "A call to a configured URL that resolves to a private address",
	"operator_action":         "An action of the operator: a migration, or a ledger event written by the operator's tool",
}

// SecurityEvent counts an event for abuse monitoring. reason is one of SecurityReasons; any other is ignored. The event
// has its own log line beside that of the invocation.
func SecurityEvent(ctx context.Context, reason string) {
	if SecurityReasons[reason] != "" {
		Add(ctx, SecurityEvents, 1, reason)
	}
}

// Split removes a metric's values and returns them, separated by the combination of dimension values.
func (m *Metrics) Split(metric *Metric) (parts []*Metrics) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.samples = slices.DeleteFunc(m.samples, func(s sample) bool {
		if s.metric == metric {
			parts = append(parts, &Metrics{samples: []sample{s}})
		}
		return s.metric == metric
	})
	return parts
}
