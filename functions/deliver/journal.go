package main

import (
	"context"

	"newsletter/shared/journal"
	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
	"newsletter/shared/subscription"
)

// journaledKinds returns the kinds of events that forbid emails to a subscriber, or allow them again.
func journaledKinds() []ledger.Kind {
	return []ledger.Kind{ledger.Unsubscribed, ledger.Declined, ledger.Suppressed, ledger.SuppressionRemoved, ledger.Erased, ledger.Rectified}
}

// journalSink writes the suppression journal.
type journalSink struct{ journal *journal.Journal }

func (j journalSink) deliver(ctx context.Context, c change, _ subscribers) (outbox.Outcome, error) {
	entry := journal.Entry{
		ID: c.ID, At: c.At, Epoch: c.Epoch, EmailHMAC: c.EmailHMAC, KeyID: c.KeyID,
	}
	if len(c.Data.Reasons) > 0 {
		entry.Reason = c.Data.Reasons[0]
	}
	switch c.Kind {
	case ledger.Erased:
		entry.Kind, entry.EmailHMAC, entry.KeyID = journal.Erased, c.Erased.EmailHMAC, c.Erased.KeyID
		entry.MailboxHMAC = c.Erased.MailboxHMAC
	case ledger.Rectified: // the old address
		entry.Kind, entry.EmailHMAC, entry.KeyID = journal.Unsubscribed, c.Erased.EmailHMAC, c.Erased.KeyID
	case ledger.Unsubscribed, ledger.Declined:
		entry.Kind = journal.Unsubscribed
		if !c.MutedUntil.IsZero() { // declined
			entry.Until, entry.MailboxHMAC = c.MutedUntil, c.MailboxHMAC
		}
	case ledger.Suppressed:
		entry.Kind = journal.Suppressed
		if subscription.SuppressionReason(entry.Reason).CoversMailbox() {
			entry.MailboxHMAC = c.MailboxHMAC
		}
	case ledger.SuppressionRemoved:
		entry.Kind = journal.SuppressionRemoved
	default:
		return outbox.Skipped, nil
	}
	if entry.EmailHMAC == nil { // erased since; the erasure has its own entry
		return outbox.Stale, nil
	}
	return outbox.Written, j.journal.Write(ctx, entry)
}
