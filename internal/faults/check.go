package faults

import (
	"fmt"
	"io"
)

// promise is something that has to hold for every history.
type promise struct {
	name, means string
	check       func(h *History) []string // every way in which it does not hold
}

// promises are all of them; reliability names them I1 to I8.
func promises() []promise {
	return []promise{
		{"I1", "what was answered with success is committed, with its event and its outbox row", checkAcknowledged},
		{"I2", "an address has one row at most", checkOneRow},
		{"I3", "every outbox row is delivered, or overtaken", checkDelivered},
		{"I3-twice", "a mail goes to its person, and again only when its mark was lost", checkDuplicates},
		{"I4", "every change of state is in the ledger once, in order, by the rules", checkTransitions},
		{"I4-once", "no call is recorded twice, and no refused one at all", checkOnce},
		{"I4-seals", "the sealed ledger verifies", func(h *History) []string { return h.Ledger }},
		{"I5", "no mail begins after its person left", checkSilence},
		{"I6", "nobody is active without the button of a mail to them", checkConfirmed},
		{"I7", "an error says to come again, and coming again ends it", checkConverges},
		{"I8", "no 5xx by bad input", checkBadInput},
		{"caps", "nobody is mailed above the caps", checkCaps},
		{"erased", "nothing is kept that names an erased person", checkErased},
		{"journal", "every stop is told outside the database", checkJournal},
		{"audience", "the audience provider has the subscribed and nobody else", checkAudience},
		{"database", "schema, grants and data are as they should be", func(h *History) []string { return h.Invalid }},
		{"doubles", "no service outside got a malformed request", func(h *History) []string { return h.Problems }},
		{"tools", "every fault could be made and mended", func(h *History) []string { return h.Broken }},
	}
}

func listPromises(w io.Writer) {
	for _, p := range promises() {
		fmt.Fprintf(w, "%-12s %s\n", p.name, p.means)
	}
}
