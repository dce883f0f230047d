package operate

import (
	"context"
	"time"

	"newsletter/shared/journal"
	"newsletter/shared/ledger"
	"newsletter/shared/subscription"
)

// The commands on the suppression journal.
var (
	JournalList   = read("journal list", listJournal)
	JournalReplay = record("journal replay", replayJournal)
)

// ledgerKinds maps the journal's kinds to the ledger's.
var ledgerKinds = map[journal.Kind]ledger.Kind{
	journal.Erased: ledger.Erased, journal.Unsubscribed: ledger.Unsubscribed, journal.Suppressed: ledger.Suppressed, journal.SuppressionRemoved: ledger.SuppressionRemoved,
}

// maxEntries is the number of entries that a call reads before it ends with their day: some 2 s from S3, and some 10 s
// to replay. A day is never divided, because entries of a day are ordered by epoch alone.
const maxEntries = 1000

// JournalStart is the first day of a part of the journal.
type JournalStart struct {
	Since time.Time `json:"since"` // its whole day (UTC) is read; zero: the beginning
}

// JournalPart is a part of the journal, of whole days.
type JournalPart struct {
	Entries    []JournalEntry `json:"entries"`
	Unreadable []string       `json:"unreadable"` // the errors
	Next       *time.Time     `json:"next"`       // the day with which the next part begins; nil for none
}

// JournalEntry is an entry without its pseudonyms.
type JournalEntry struct {
	At     time.Time    `json:"at"` // the day
	Kind   journal.Kind `json:"kind"`
	Reason string       `json:"reason,omitempty"`
}

func listJournal(ctx context.Context, i *Installation, s JournalStart) (JournalPart, error) {
	part := JournalPart{Entries: []JournalEntry{}, Unreadable: []string{}}
	next, err := i.readJournal(ctx, s.Since, func(e journal.Entry) error {
		part.Entries = append(part.Entries, JournalEntry{e.At, e.Kind, e.Reason})
		return nil
	}, func(problem error) { part.Unreadable = append(part.Unreadable, problem.Error()) })
	part.Next = next
	return part, err
}

// JournalReplayed is the result of replaying a part of the journal.
type JournalReplayed struct {
	Entries    int                          `json:"entries"`
	Outcomes   map[subscription.Outcome]int `json:"outcomes"`   // of what was replayed
	Unreadable []string                     `json:"unreadable"` // the errors
	Empty      bool                         `json:"empty"`      // the journal has no entry of any day
	Next       *time.Time                   `json:"next"`       // the day with which the next part begins; nil for none
}

// Counts returns the number of entries, for the log.
func (r JournalReplayed) Counts() map[string]int64 {
	return map[string]int64{"entries": int64(r.Entries)}
}

// JournalPeriod is the period to replay.
type JournalPeriod struct {
	Since time.Time `json:"since"` // the time of the backup, or slightly before
	Apply bool      `json:"apply"` // false: only count
}

// replayJournal replays a part of the journal. What it replayed before does not change again.
func replayJournal(ctx context.Context, i *Installation, p JournalPeriod) (JournalReplayed, error) {
	result := JournalReplayed{Outcomes: map[subscription.Outcome]int{}, Unreadable: []string{}}
	if p.Since.IsZero() {
		return result, Wrong("the time is missing: that of the backup, or slightly before")
	}
	next, err := i.readJournal(ctx, p.Since, func(e journal.Entry) error {
		result.Entries++
		if !p.Apply {
			return nil
		}
		outcome, err := i.eraser.Replay(ctx, subscription.SuppressionRecord{
			Kind: ledgerKinds[e.Kind], At: e.At, Epoch: e.Epoch, Reason: e.Reason, EmailHMAC: e.EmailHMAC, MailboxHMAC: e.MailboxHMAC,
			KeyID: e.KeyID, Until: e.Until,
		}, visit("journal"))
		result.Outcomes[outcome]++
		return err
	}, func(problem error) { result.Unreadable = append(result.Unreadable, problem.Error()) })
	if result.Next = next; err == nil && result.Entries+len(result.Unreadable) == 0 {
		result.Empty, err = i.isJournalEmpty(ctx)
	}
	return result, err
}

// readJournal passes the entries of whole days to each, and the errors of unreadable ones to unreadable. It returns the
// day that follows, if there is more.
func (i *Installation) readJournal(ctx context.Context, since time.Time, each func(journal.Entry) error, unreadable func(error)) (next *time.Time, err error) {
	if i.journal == nil {
		return nil, Failed("JOURNAL_URL is not set")
	}
	read, day := 0, since
	for e, err := range i.journal.Read(ctx, since) {
		if err != nil {
			unreadable(err)
			continue
		}
		if read >= maxEntries && e.At.After(day) {
			return &e.At, nil
		}
		if err := each(e); err != nil {
			return nil, err
		}
		read, day = read+1, e.At
	}
	return nil, nil
}

// isJournalEmpty reports whether the journal has no entry. It may then not be the one that deliver writes.
func (i *Installation) isJournalEmpty(ctx context.Context) (bool, error) {
	for _, err := range i.journal.Read(ctx, time.Time{}) {
		return false, err
	}
	return true, nil
}
