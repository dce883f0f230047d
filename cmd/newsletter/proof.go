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

// happened maps an event of the ledger to words.
var eventTexts = map[ledger.Kind]string{
	ledger.Requested:          "Asked for the newsletter",
	ledger.Confirmed:          "Consented, by the button behind the link that was emailed to the address",
	ledger.Unsubscribed:       "Withdrew the consent",
	ledger.Declined:           "Took the request back",
	ledger.Expired:            "The request was not confirmed in time",
	ledger.Suppressed:         "All email ended",
	ledger.SuppressionRemoved: "The operator lifted the suppression; this is no consent",
	ledger.Erased:             "The data were erased",
	ledger.LinkRequested:      "A link was asked for by email",
	ledger.Exported:           "Got a copy of the data",
	ledger.PrivacyRequested:   "A letter asked for a copy of the data, or for their erasure",
	ledger.Imported:           "Came in with a list that the operator imported, on the operator's word that it is one of people who consented",
	ledger.HoldReleased:       "The operator released the held email",
	ledger.HoldRejected:       "The operator ended the held request",
	ledger.Reminded:           "Got a reminder of the unconfirmed request",
	ledger.ConsentProved:      "The operator printed the proof of the consent",
	ledger.Maintained:         "What had to be deleted by its age was deleted",
	ledger.ConsentTextAdded:   "The operator added a consent text",
	ledger.Retried:            "The operator had deliveries tried again",
	ledger.Dropped:            "The operator gave deliveries up",
	ledger.ListExported:       "The operator wrote the list of subscribers into a file",
	ledger.Paused:             "The operator paused deliveries",
	ledger.Resumed:            "The operator resumed deliveries",
}

func printProof(w io.Writer, p subscription.Proof) {
	fmt.Fprintf(w, "Consent of %s, as of %s\nStatus: %s\n", p.Address, p.CreatedAt.Format(time.RFC3339), p.Status)
	for i, s := range p.Steps {
		fmt.Fprintf(w, "\n%d. %s  %s\n", i+1, s.At.Format(time.RFC3339Nano), eventTexts[s.Kind])
		for _, line := range slices.Concat([]fact{{"event", s.EventID}, {"by", string(s.Actor)}, {"through", s.Channel}}, facts(s), []fact{
			{"workflow", s.Data.Workflow}, {"outcome", s.Data.Outcome}, {"reasons", strings.Join(s.Data.Reasons, ", ")},
			{"network address", s.IP}, {"program", s.UserAgent}, {"request", s.RequestID},
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

// fact is a line of a proof; it is left out if its value is empty.
type fact struct{ name, value string }

// facts returns what a step records of the consent. A fact that the step could have and lacks is printed as missing, never as
// a default. Steps other than requests and imports repeat the source of the first request, so it is not printed for them.
func facts(s subscription.Step) []fact {
	text := "none"
	switch {
	case s.Text != nil:
		text = fmt.Sprintf("version %s, %s, SHA-256 %s", s.Text.Version, s.Text.Locale, s.Text.SHA256)
	case s.Data.TextVersion != "":
		text = fmt.Sprintf("version %s named, in which language is not known", s.Data.TextVersion)
	case s.Kind == ledger.Requested || s.Kind == ledger.Imported:
		text = "no text named"
	}
	origin := []fact{{"language", s.Data.Locale}, {"page", s.Source.Page}, {"referrer", s.Source.Referrer}, {"campaign", s.Source.Campaign}}
	switch s.Kind {
	case ledger.Requested:
		box := "not named"
		if s.Data.Granted {
			box = "ticked"
		}
		return append(origin, fact{"consent box", box}, fact{"text shown", text})
	case ledger.Imported:
		return append(origin, fact{"consented at", fromList(s.Data.OriginalAt)}, fact{"evidence", fromList(s.Data.Evidence)}, fact{"text shown", text})
	case ledger.Confirmed:
		return []fact{{"text shown", text}}
	default:
		return []fact{{"happened at", s.Data.OriginalAt}} // it was recorded later
	}
}

// byList marks what stood in an imported list as its word. What did not, or could not be read, is not known.
func fromList(said string) string {
	if said == "" {
		return "not known"
	}
	return said + " (by the list)"
}
