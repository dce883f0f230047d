package subscription

import (
	"strings"
	"testing"
)

// omitted are the columns of tables with subscribers' data that a copy does not have, with the reason; a table name
// covers all its columns.
var omitted = map[string]string{
	"consent_texts": "the owner's texts; an event has the one that was shown", "ledger_seals": "hashes over hours", "pauses": "about destinations",
	"recipients": "about services", "request_stats": "counts", "health_samples": "counts", "alerts": "about the system", "maintenance": "about the system", "api_keys": "about servers",
	"signup_slots":          "about a domain and a network, without a subscriber",
	"sending_breakers":      "about a domain or a network, without a subscriber",
	"identities.email_hmac": "a keyed hash of the address", "identities.mailbox_hmac": "likewise", "email_log.mailbox_hmac": "likewise",
	"outbox.domain_hmac": "a keyed hash of the domain", "suppressions.email_hmac": "a keyed hash", "suppressions.mailbox_hmac": "likewise",
	"suppressions.key_id": "the id of the key; the identities have it", "erasures.email_hmac": "a keyed hash",
	"requested_fields.subscriber_id": "likewise", "ledger_events.subscriber_id": "one of the identities", "outbox.subscriber_id": "likewise", "engagement_events.subscriber_id": "likewise",
	"privacy_requests.subscriber_id": "likewise", "ledger_events.consent_text_id": "the text itself is shown",
	"ledger_events.salt": "random", "ledger_events.content_hash": "only of events that nobody can be found for",
	"event_context.event_id": "the event that shows it", "event_context.at": "the time of that event",
	"privacy_requests.event_id": "the event has it once it exists", "privacy_requests.sealed": "the address of the profile, encrypted",
	"outbox.sealed": "encrypted, and only after an erasure",
}

// TestEveryColumnIsInTheCopy compares the copy's statements with the schema: a column that is neither read nor omitted for
// a reason fails it.
func TestEveryColumnIsInTheCopy(t *testing.T) {
	b := setup(t)
	statements := map[string]string{
		"subscribers": profileSQL, "ledger_events": exportEventsSQL, "event_context": exportEventsSQL, "outbox": exportDeliveriesSQL,
		"engagement_events": exportEngagementSQL, "suppressions": exportSuppressionsSQL, "privacy_requests": exportRequestsSQL,
		"identities": exportIdentitiesSQL, "email_log": exportEmailLogSQL, "erasures": exportErasuresSQL, "requested_fields": exportRequestedFieldsSQL,
	}
	seen := map[string]bool{}
	for _, column := range b.strings(`
		select table_name || '.' || column_name from information_schema.columns
		where table_schema = 'public' and table_name not in ('goose_db_version', 'goose_lock', 'migration_checksums')`) {
		table, name, _ := strings.Cut(column, ".")
		seen[table], seen[column] = true, true
		if omitted[table] != "" || omitted[column] != "" {
			continue
		}
		selected, _, _ := strings.Cut(statements[table], "\n    from ")
		words := strings.FieldsFunc(selected, func(r rune) bool { return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz_0123456789", r) })
		found := false
		for _, word := range words {
			found = found || word == name
		}
		if !found {
			t.Errorf("%s is neither in the copy nor omitted for a reason", column)
		}
	}
	for name := range omitted {
		if !seen[name] {
			t.Errorf("%s does not exist", name)
		}
	}
}
