package telemetry

import (
	"context"
	"slices"
)

// SecurityReasons are why something counts as a security event, with their meaning. docs/security.md lists them; a test holds it to
// this table. The words stand in metrics and in queries over logs: they are kept.
var SecurityReasons = map[string]string{
	"limited":                 "A network asked more often than its limits allow",
	"domain_blocked":          "An address at a domain that the owner does not take",
	"disposable":              "A throw-away address, where the owner blocks or holds these",
	"captcha_missing":         "A sign-up without the CAPTCHA's answer",
	"captcha_failed":          "An answer of the CAPTCHA that does not count",
	"captcha_unavailable":     "A sign-up that is held because the CAPTCHA's verifier could not say, and something else spoke against it",
	"honeypot":                "The field was filled in that people do not see",
	"too_fast":                "The form was filled in faster than people do",
	"link_malformed":          "A link whose token is none of ours",
	"link_forged":             "A link whose token has a wrong signature, or names a key that never was",
	"link_expired":            "A link that was good once",
	"link_unknown":            "A good link to somebody who is not there any more, or that was used up",
	"wrong_address":           "An erasure with another address than that of the link",
	"cloudfront_bypass":       "A request that did not come through CloudFront, where the site stands behind it",
	"private_address_blocked": "A call to an address of the owner's configuration that leads inside",
	"operator":                "An act of the operator: a migration, or a row of the ledger by the operator's tool",
}

// SecurityEvent notes an event that whoever watches for abuse wants to count. reason is one of SecurityReasons. It gets a log line of
// its own besides that of the invocation. Another word is dropped.
func SecurityEvent(ctx context.Context, reason string) {
	if SecurityReasons[reason] != "" {
		Add(ctx, SecurityEvents, 1, reason)
	}
}

// Split takes a metric's figures out and gives those of each combination of its dimensions' values by themselves.
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
