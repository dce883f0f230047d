package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"newsletter/shared/ledger"
	"newsletter/shared/subscription"
)

// stepText describes a step of a proof.
func stepText(s subscription.Step) string {
	switch {
	case s.Kind == ledger.Imported && s.Data.KeyID != "":
		return "A sender reported that the subscriber had left"
	case s.Kind == ledger.Imported && s.Data.Outcome == string(subscription.ImportedLeft):
		return "Imported by the operator from a list, according to which the subscriber had left"
	case s.Kind == ledger.Requested && s.Data.Outcome == string(subscription.ReconfirmQueued):
		return "Asked by email to confirm; the imported list had no confirmation"
	}
	return eventText(s.Kind)
}

// eventText describes a kind of ledger event. The linter requires every kind.
func eventText(kind ledger.Kind) string {
	switch kind {
	case ledger.Requested:
		return "Signed up for the newsletter"
	case ledger.Confirmed:
		return "Consented, by the button behind the link emailed to the address"
	case ledger.Rectified:
		return "Changed the address, by the button behind the link emailed to the new one"
	case ledger.FieldsRectified:
		return "Had values of fields corrected"
	case ledger.Unsubscribed:
		return "Withdrew the consent"
	case ledger.Declined:
		return "Declined the sign-up"
	case ledger.Expired:
		return "The sign-up was not confirmed in time"
	case ledger.Suppressed:
		return "The address was suppressed"
	case ledger.SuppressionRemoved:
		return "The suppression was removed; this is not consent"
	case ledger.Erased:
		return "The data was erased"
	case ledger.LinkRequested:
		return "A link was requested by email"
	case ledger.Exported:
		return "Received a copy of the data"
	case ledger.PrivacyRequested:
		return "A letter requested a copy of the data, or its erasure"
	case ledger.Imported:
		return "Imported by the operator, who stated that the people on the list had consented"
	case ledger.HoldReleased:
		return "The operator released the held email"
	case ledger.HoldRejected:
		return "The operator rejected the held sign-up"
	case ledger.Reminded:
		return "Received a reminder of the unconfirmed sign-up"
	case ledger.SubscriberRead:
		return "A server looked the data up by its key"
	case ledger.ConsentProved:
		return "The operator printed the proof of the consent"
	case ledger.Maintained:
		return "Expired data was deleted"
	case ledger.ConsentTextAdded:
		return "The operator added a consent text"
	case ledger.Retried:
		return "The operator requeued messages"
	case ledger.Dropped:
		return "The operator dropped messages"
	case ledger.ListExported:
		return "The operator exported the subscribers"
	case ledger.Paused:
		return "The operator paused a destination"
	case ledger.Resumed:
		return "The operator resumed a destination"
	case ledger.KeyCreated:
		return "The operator created a key of a server"
	case ledger.KeyRevoked:
		return "The operator revoked a key of a server"
	}
	return string(kind) // of a newer version
}

func printProof(w io.Writer, p subscription.Proof) {
	fmt.Fprintf(w, "Consent of %s, as of %s\nStatus: %s\n", p.Address, p.CreatedAt.Format(time.RFC3339), p.Status)
	for i, s := range p.Steps {
		fmt.Fprintf(w, "\n%d. %s  %s\n", i+1, s.At.Format(time.RFC3339Nano), stepText(s))
		for _, line := range slices.Concat([]fact{{"event", s.EventID}, {"by", string(s.Actor)}, {"channel", s.Channel}}, facts(s), []fact{
			{"workflow", s.Data.Workflow}, {"outcome", s.Data.Outcome}, {"reasons", strings.Join(s.Data.Reasons, ", ")},
			{"IP address", s.IP}, {"user agent", s.UserAgent}, {"named by a server with the key", s.Data.KeyID}, {"request", s.RequestID},
		}) {
			if line.value != "" {
				fmt.Fprintf(w, "   %-16s %s\n", line.name, line.value)
			}
		}
		if s.Text != nil {
			for line := range strings.Lines(s.Text.Body) {
				fmt.Fprintf(w, "   | %s\n", strings.TrimRight(line, "\n"))
			}
		}
	}
}

// fact is a line of a proof. A fact with an empty value is omitted.
type fact struct{ name, value string }

// facts returns what a step records about the consent. A missing fact is printed as missing, never as a default. The
// source is printed only for sign-ups and imports, because the other steps repeat that of the first sign-up.
func facts(s subscription.Step) []fact {
	text := "none"
	switch {
	case s.Text != nil:
		text = fmt.Sprintf("version %s, %s, SHA-256 %s", s.Text.Version, s.Text.Locale, s.Text.SHA256)
	case s.Data.TextVersion != "":
		text = fmt.Sprintf("version %s, in an unknown language", s.Data.TextVersion)
	case s.Kind == ledger.Requested || s.Kind == ledger.Imported:
		text = "none recorded"
	}
	origin := []fact{{"language", string(s.Data.Locale)}, {"page", s.Source.Page}, {"referrer", s.Source.Referrer}, {"campaign", s.Source.Campaign}}
	switch {
	case s.Data.Outcome == string(subscription.ReconfirmQueued):
		return origin
	case s.Data.Outcome == string(subscription.ImportedLeft):
		return []fact{{"left at", fromList(s.Data.OriginalAt)}}
	case s.Channel == "import" && s.Kind != ledger.Imported:
		return []fact{{"happened at", fromList(s.Data.OriginalAt)}}
	}
	switch s.Kind {
	case ledger.Requested:
		box := "not recorded"
		if s.Data.Granted {
			box = "ticked"
		}
		return append(origin, fact{"consent box", box}, fact{"text shown", text})
	case ledger.Imported:
		return append(origin, fact{"consented at", fromList(s.Data.OriginalAt)}, fact{"evidence", fromList(s.Evidence)}, fact{"text shown", text})
	case ledger.Confirmed, ledger.Rectified:
		return []fact{{"text shown", text}}
	default:
		return []fact{{"happened at", s.Data.OriginalAt}} // recorded later
	}
}

// fromList marks a value as one of an imported list. A value that was missing or unreadable is unknown.
func fromList(value string) string {
	if value == "" {
		return "unknown"
	}
	return value + " (according to the list)"
}
