package main

import (
	"context"

	"newsletter/shared/journal"
	"newsletter/shared/ledger"
	"newsletter/shared/subscription"
)

// journaledKinds returns the kinds of events that forbid emails to a subscriber, or allow them again.
func journaledKinds() []ledger.Kind {
	return []ledger.Kind{ledger.Unsubscribed, ledger.Declined, ledger.Suppressed, ledger.SuppressionRemoved, ledger.Erased}
}

// journalSink writes the suppression journal.
type journalSink struct{ journal *journal.Journal }

func (j journalSink) notify(ctx context.Context, t notification, _ subscribers) (string, error) {
	entry := journal.Entry{
		EventID: t.Change.EventID, At: t.Change.At, SubscriberID: t.Change.SubscriberID, EmailHMAC: t.Change.EmailHMAC, KeyID: t.Change.KeyID,
	}
	if len(t.Change.Data.Reasons) > 0 {
		entry.Reason = t.Change.Data.Reasons[0]
	}
	switch t.Change.Kind {
	case ledger.Erased:
		entry.Kind, entry.EmailHMAC, entry.KeyID = journal.Erased, t.Erased.EmailHMAC, t.Erased.KeyID
		entry.MailboxHMAC = t.Erased.MailboxHMAC
	case ledger.Unsubscribed, ledger.Declined:
		entry.Kind = journal.Unsubscribed
		if !t.Change.MutedUntil.IsZero() { // declined
			entry.Until, entry.MailboxHMAC = t.Change.MutedUntil, t.Change.MailboxHMAC
		}
	case ledger.Suppressed:
		entry.Kind = journal.Suppressed
		if subscription.SuppressionReason(entry.Reason).CoversMailbox() {
			entry.MailboxHMAC = t.Change.MailboxHMAC
		}
	case ledger.SuppressionRemoved:
		entry.Kind = journal.SuppressionRemoved
	default:
		return "skipped", nil
	}
	if entry.EmailHMAC == nil { // erased since; the erasure has its own entry
		return "stale", nil
	}
	return "written", j.journal.Write(ctx, entry)
}
