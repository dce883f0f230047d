package main

import (
	"fmt"
	"io"
)

// invariant is an invariant of every history.
type invariant struct {
	name, means string
	check       func(h *history) []string // returns every violation
}

// invariants returns all invariants, named I1 to I8 in the reliability requirements.
func invariants() []invariant {
	return []invariant{
		{"I1", "what was answered with success is committed, with its event and its outbox row", checkAcknowledged},
		{"I2", "an address has at most one row", checkOneRow},
		{"I3", "every outbox row is delivered or obsolete", checkDelivered},
		{"I3-twice", "an email reaches its subscriber once, and again only if its mark was lost", checkDuplicates},
		{"feedback", "the event about every email is recorded once", checkFeedback},
		{"I4", "every transition is in the ledger once, in order, by the rules", checkTransitions},
		{"I4-once", "no call is recorded twice, and no refused call is recorded", checkOnce},
		{"I4-seals", "the sealed ledger verifies", func(h *history) []string { return h.Ledger }},
		{"I5", "no email is begun after its subscriber left", checkNoEmailAfterEnd},
		{"I6", "no subscriber is active without pressing the button of an email", checkConfirmed},
		{"I7", "an error asks to retry, and a retry ends it", checkConverges},
		{"I8", "no 5xx by bad input", checkBadInput},
		{"caps", "no mailbox receives more email than its budget", checkBudgets},
		{"erased", "nothing identifies an erased person", checkErased},
		{"journal", "every suppression is in the journal", checkJournal},
		{"audience", "Loops has exactly the subscribers", checkLoops},
		{"database", "schema, grants and data are valid", func(h *history) []string { return h.Invalid }},
		{"fakes", "no external service received a malformed request", func(h *history) []string { return h.Problems }},
		{"tools", "every fault could be injected and ended", func(h *history) []string { return h.Broken }},
	}
}

func listPromises(w io.Writer) {
	for _, p := range invariants() {
		fmt.Fprintf(w, "%-12s %s\n", p.name, p.means)
	}
}
