package subscription

import (
	"fmt"
	"testing"
	"time"

	"newsletter/shared/ledger"
)

// now is the clock of the pure tests.
var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// A cell is one cell of the table of states and events, or a variant of it.
type cell struct {
	name  string
	facts facts // SingleOptIn false unless set
	event stateEvent
	want  decision
}

func cells() []cell {
	in := func(s State) facts { return facts{State: s} }
	returning := facts{State: Pending, Returning: true}
	muted := func(s State) facts {
		f := in(s)
		f.Muted = true
		return f
	}
	single := func(s State) facts { return facts{State: s, SingleOptIn: true} }
	remembered, gone := in(None), in(Erased)
	remembered.Remembered, gone.Remembered = true, true
	objected := in(Erased)
	objected.Objected = true
	wasReturning := func(d decision) decision {
		d.Returning = true
		return d
	}
	queued := decision{To: Pending, Outcome: ConfirmationQueued, Email: ConfirmEmail, Ledger: ledger.Requested}
	requestSuppressed := func(s State) decision {
		return decision{To: s, Outcome: RequestSuppressed, Ledger: ledger.Requested}
	}
	refused := func(s State) decision { return decision{To: s, Outcome: Unchanged, Refused: true} }
	stays := func(s State, o Outcome) decision { return decision{To: s, Outcome: o} }
	suppressed := decision{To: Suppressed, Outcome: SuppressedNow, NewEpoch: true, Ledger: ledger.Suppressed}
	erased := decision{To: Erased, Outcome: ErasedNow, NewEpoch: true, Ledger: ledger.Erased}
	declined := func(to State, mute bool) decision {
		return decision{To: to, Outcome: DeclinedNow, NewEpoch: true, Mute: mute, Ledger: ledger.Declined}
	}
	unsubscribed := func(mute bool) decision {
		return decision{To: Unsubscribed, Outcome: UnsubscribedNow, NewEpoch: true, Mute: mute, Ledger: ledger.Unsubscribed}
	}
	muting := func(s State) decision {
		return decision{To: s, Outcome: MutedNow, Mute: true, Ledger: ledger.Declined}
	}
	confirmed := decision{To: Active, Outcome: ConfirmedNow, Ledger: ledger.Confirmed}
	activated := decision{To: Active, Outcome: Activated, Ledger: ledger.Requested}

	return []cell{
		{"", in(None), onRequest, queued},
		{"muted", muted(None), onRequest, requestSuppressed(None)},
		{"single opt-in", single(None), onRequest, activated},
		{"", in(None), onConfirm, refused(None)},
		{"", in(None), onUnsubscribe, stays(None, AlreadyEnded)},
		{"", in(None), onDecline, muting(None)},
		{"again", muted(None), onDecline, stays(None, AlreadyEnded)},
		{"", in(None), onSuppress, suppressed},
		{"", in(None), onErase, stays(None, Unchanged)},
		{"remembered", remembered, onErase, erased},
		{"", in(None), onExpire, stays(None, Unchanged)},
		{"", in(None), onRemoveSuppression, stays(None, Unchanged)},
		{"muted", muted(None), onRemoveSuppression, decision{To: None, Outcome: SuppressionRemoved, Ledger: ledger.SuppressionRemoved}},

		{"", in(Pending), onRequest, queued},
		{"returning", returning, onRequest, wasReturning(queued)},
		{"muted", muted(Pending), onRequest, requestSuppressed(Pending)},
		{"single opt-in", single(Pending), onRequest, queued},
		{"", in(Pending), onConfirm, confirmed},
		{"returning", returning, onConfirm, confirmed},
		{"", in(Pending), onUnsubscribe, declined(None, false)},
		{"returning", returning, onUnsubscribe, declined(Unsubscribed, false)},
		{"", in(Pending), onDecline, declined(None, true)},
		{"returning", returning, onDecline, declined(Unsubscribed, true)},
		{"", in(Pending), onSuppress, suppressed},
		{"", in(Pending), onErase, erased},
		{"", in(Pending), onRemoveSuppression, stays(Pending, Unchanged)},
		{"", in(Pending), onExpire, decision{To: None, Outcome: ExpiredNow, Ledger: ledger.Expired}},
		{"returning", returning, onExpire, decision{To: Unsubscribed, Outcome: ExpiredNow, Ledger: ledger.Expired}},

		{"", in(Active), onRequest, decision{To: Active, Outcome: AlreadySubscribed, Email: AlreadySubscribedEmail, Ledger: ledger.Requested}},
		{"muted", muted(Active), onRequest, requestSuppressed(Active)},
		{"single opt-in", single(Active), onRequest, decision{To: Active, Outcome: AlreadySubscribed, Email: AlreadySubscribedEmail, Ledger: ledger.Requested}},
		{"", in(Active), onConfirm, stays(Active, AlreadyConfirmed)},
		{"", in(Active), onUnsubscribe, unsubscribed(false)},
		{"", in(Active), onDecline, unsubscribed(true)},
		{"", in(Active), onSuppress, suppressed},
		{"", in(Active), onErase, erased},
		{"", in(Active), onExpire, stays(Active, Unchanged)},
		{"", in(Active), onRemoveSuppression, stays(Active, Unchanged)},

		{"", in(Unsubscribed), onRequest, wasReturning(queued)},
		{"muted", muted(Unsubscribed), onRequest, requestSuppressed(Unsubscribed)},
		{"single opt-in", single(Unsubscribed), onRequest, wasReturning(queued)},
		{"", in(Unsubscribed), onConfirm, refused(Unsubscribed)},
		{"", in(Unsubscribed), onUnsubscribe, stays(Unsubscribed, AlreadyEnded)},
		{"", in(Unsubscribed), onDecline, muting(Unsubscribed)},
		{"again", muted(Unsubscribed), onDecline, stays(Unsubscribed, AlreadyEnded)},
		{"", in(Unsubscribed), onSuppress, suppressed},
		{"", in(Unsubscribed), onErase, erased},
		{"", in(Unsubscribed), onExpire, stays(Unsubscribed, Unchanged)},
		{"", in(Unsubscribed), onRemoveSuppression, stays(Unsubscribed, Unchanged)},

		{"", in(Suppressed), onRequest, requestSuppressed(Suppressed)},
		{"single opt-in", single(Suppressed), onRequest, requestSuppressed(Suppressed)},
		{"", in(Suppressed), onConfirm, refused(Suppressed)},
		{"", in(Suppressed), onUnsubscribe, stays(Suppressed, AlreadyEnded)},
		{"", in(Suppressed), onDecline, stays(Suppressed, AlreadyEnded)},
		{"", in(Suppressed), onSuppress, stays(Suppressed, AlreadySuppressed)},
		{"", in(Suppressed), onErase, erased},
		{"", in(Suppressed), onExpire, stays(Suppressed, Unchanged)},
		{"", in(Suppressed), onRemoveSuppression, decision{To: Unsubscribed, Outcome: SuppressionRemoved, NewEpoch: true, Ledger: ledger.SuppressionRemoved}},

		{"", in(Erased), onRequest, queued},
		{"objection", objected, onRequest, requestSuppressed(Erased)},
		{"single opt-in", single(Erased), onRequest, activated},
		{"", in(Erased), onConfirm, refused(Erased)},
		{"", in(Erased), onUnsubscribe, stays(Erased, AlreadyEnded)},
		{"", in(Erased), onDecline, stays(Erased, AlreadyEnded)},
		{"", in(Erased), onSuppress, suppressed},
		{"objection", objected, onSuppress, stays(Erased, AlreadySuppressed)},
		{"", in(Erased), onErase, stays(Erased, Unchanged)},
		{"remembered", gone, onErase, erased},
		{"", in(Erased), onExpire, stays(Erased, Unchanged)},
		{"", in(Erased), onRemoveSuppression, stays(Erased, Unchanged)},
		{"objection", objected, onRemoveSuppression, decision{To: Erased, Outcome: SuppressionRemoved, Ledger: ledger.SuppressionRemoved}},
	}
}

func TestEveryCellOfTheStateMachine(t *testing.T) {
	covered := map[State]map[stateEvent]bool{}
	for _, c := range cells() {
		name := fmt.Sprintf("%s/%s/%s", c.facts.State, c.event, c.name)
		t.Run(name, func(t *testing.T) {
			if got := transition(c.facts, c.event); got != c.want {
				t.Errorf("got\n%+v, want\n%+v", got, c.want)
			}
		})
		if covered[c.facts.State] == nil {
			covered[c.facts.State] = map[stateEvent]bool{}
		}
		covered[c.facts.State][c.event] = true
	}
	for _, s := range states() {
		for _, e := range stateEvents() {
			if !covered[s][e] {
				t.Errorf("no cell for %s in %s", e, s)
			}
		}
	}
}

// The rules apply to every combination of facts, not only to those in the table.
func TestRulesOfTheStateMachine(t *testing.T) {
	for _, s := range states() {
		for _, e := range stateEvents() {
			for bits := range 16 {
				f := facts{State: s, Returning: bits&1 != 0 && s == Pending, Muted: bits&2 != 0, Objected: bits&4 != 0, SingleOptIn: bits&8 != 0}
				d := transition(f, e)
				checkRules(t, f, e, d)
			}
		}
	}
}

func checkRules(t *testing.T, f facts, e stateEvent, d decision) {
	t.Helper()
	for rule, broken := range map[string]bool{
		"a request appends one ledger event":              e == onRequest && d.Ledger != ledger.Requested,
		"a change of state appends one ledger event":      d.To != f.State && d.Ledger == "",
		"other events append one only with a change":      e != onRequest && d.Ledger != "" && d.To == f.State && !d.Mute && d.Outcome != SuppressionRemoved,
		"a removed suppression activates no subscription": e == onRemoveSuppression && d.To != f.State && d.To != Unsubscribed,
		"only a request sends an email":                   e != onRequest && d.Email != NoEmail,
		"a suppressed address gets no email":              d.Email != NoEmail && (f.Muted || f.State == Suppressed || f.State == Erased && f.Objected),
		"only a confirmation activates":                   d.To == Active && f.State != Active && e != onConfirm && (!f.SingleOptIn || d.Outcome != Activated),
		"a stranger never changes an active subscription": e == onRequest && f.State == Active && d.To != Active,
		"an unsubscribe link never starts anything":       (e == onUnsubscribe || e == onDecline) && (d.To == Pending || d.To == Active),
		"an unsubscribe or decline is never refused":      (e == onUnsubscribe || e == onDecline) && d.Refused,
		"a repeated request keeps the links valid":        e == onRequest && d.NewEpoch,
		"a returning subscriber keeps the row":            f.Returning && d.To == None,
		"the outcome is never empty":                      d.Outcome == "",
	} {
		if broken {
			t.Errorf("%s: %+v, %s: %+v", rule, f, e, d)
		}
	}
}
