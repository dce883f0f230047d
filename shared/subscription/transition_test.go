package subscription

import (
	"fmt"
	"testing"
	"time"

	"newsletter/shared/ledger"
)

// now is the clock of the pure tests.
var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// sent returns count emails of a purpose, the last one ago before now.
func sent(p Email, count int, ago time.Duration) SentEmails {
	return SentEmails{Now: now, Sent: map[Email]Sent{p: {Count: count, Last: now.Add(-ago)}}}
}

// A cell is one cell of the table of states and events, or a variant of it.
type cell struct {
	name  string
	facts Facts // SentEmails empty and SingleOptIn false unless set
	event Event
	want  Decision
}

func cells() []cell {
	nothing := SentEmails{Now: now}
	facts := func(s State) Facts { return Facts{State: s, SentEmails: nothing} }
	returning := Facts{State: Pending, Returning: true, SentEmails: nothing}
	muted := func(s State) Facts {
		f := facts(s)
		f.Muted = true
		return f
	}
	emailed := func(s State, m SentEmails) Facts {
		f := facts(s)
		f.SentEmails = m
		return f
	}
	single := func(s State) Facts { return Facts{State: s, SingleOptIn: true, SentEmails: nothing} }
	remembered, gone := facts(None), facts(Erased)
	remembered.Remembered, gone.Remembered = true, true
	objected := facts(Erased)
	objected.Objected = true
	wasReturning := func(d Decision) Decision {
		d.Returning = true
		return d
	}
	queued := Decision{To: Pending, Outcome: ConfirmationQueued, Email: ConfirmEmail, Ledger: ledger.Requested}
	overBudget := Decision{To: Pending, Outcome: ConfirmationOverBudget, Ledger: ledger.Requested}
	requestSuppressed := func(s State) Decision {
		return Decision{To: s, Outcome: RequestSuppressed, Ledger: ledger.Requested}
	}
	refused := func(s State) Decision { return Decision{To: s, Outcome: Unchanged, Refused: true} }
	stays := func(s State, o Outcome) Decision { return Decision{To: s, Outcome: o} }
	suppressed := Decision{To: Suppressed, Outcome: SuppressedNow, NewEpoch: true, Ledger: ledger.Suppressed}
	erased := Decision{To: Erased, Outcome: ErasedNow, NewEpoch: true, Ledger: ledger.Erased}
	declined := func(to State, mute bool) Decision {
		return Decision{To: to, Outcome: DeclinedNow, NewEpoch: true, Mute: mute, Ledger: ledger.Declined}
	}
	unsubscribed := func(mute bool) Decision {
		return Decision{To: Unsubscribed, Outcome: UnsubscribedNow, NewEpoch: true, Mute: mute, Ledger: ledger.Unsubscribed}
	}
	muting := func(s State) Decision {
		return Decision{To: s, Outcome: MutedNow, Mute: true, Ledger: ledger.Declined}
	}
	confirmed := Decision{To: Active, Outcome: ConfirmedNow, Ledger: ledger.Confirmed}
	activated := Decision{To: Active, Outcome: Activated, Ledger: ledger.Requested}
	twice := SentEmails{Now: now, Sent: map[Email]Sent{ConfirmEmail: {3, now.Add(-time.Hour)}, AlreadySubscribedEmail: {1, now.Add(-time.Hour)}}}

	return []cell{
		{"", facts(None), OnRequest, queued},
		{"over budget", emailed(None, sent(ConfirmEmail, 3, time.Hour)), OnRequest, overBudget},
		{"muted", muted(None), OnRequest, requestSuppressed(None)},
		{"single opt-in", single(None), OnRequest, activated},
		{"", facts(None), OnConfirm, refused(None)},
		{"", facts(None), OnUnsubscribe, stays(None, AlreadyEnded)},
		{"", facts(None), OnDecline, muting(None)},
		{"again", muted(None), OnDecline, stays(None, AlreadyEnded)},
		{"", facts(None), OnSuppress, suppressed},
		{"", facts(None), OnErase, stays(None, Unchanged)},
		{"remembered", remembered, OnErase, erased},
		{"", facts(None), OnExpire, stays(None, Unchanged)},
		{"", facts(None), OnRemoveSuppression, stays(None, Unchanged)},
		{"muted", muted(None), OnRemoveSuppression, Decision{To: None, Outcome: SuppressionRemoved, Ledger: ledger.SuppressionRemoved}},

		{"", emailed(Pending, sent(ConfirmEmail, 1, 15*time.Minute)), OnRequest, queued},
		{"too soon", emailed(Pending, sent(ConfirmEmail, 1, 15*time.Minute-time.Microsecond)), OnRequest, overBudget},
		{"third email", emailed(Pending, sent(ConfirmEmail, 2, time.Hour)), OnRequest, queued},
		{"fourth email", emailed(Pending, sent(ConfirmEmail, 3, time.Hour)), OnRequest, overBudget},
		{"returning", returning, OnRequest, wasReturning(queued)},
		{"muted", muted(Pending), OnRequest, requestSuppressed(Pending)},
		{"single opt-in", single(Pending), OnRequest, queued},
		{"", facts(Pending), OnConfirm, confirmed},
		{"returning", returning, OnConfirm, confirmed},
		{"", facts(Pending), OnUnsubscribe, declined(None, false)},
		{"returning", returning, OnUnsubscribe, declined(Unsubscribed, false)},
		{"", facts(Pending), OnDecline, declined(None, true)},
		{"returning", returning, OnDecline, declined(Unsubscribed, true)},
		{"", facts(Pending), OnSuppress, suppressed},
		{"", facts(Pending), OnErase, erased},
		{"", facts(Pending), OnRemoveSuppression, stays(Pending, Unchanged)},
		{"", facts(Pending), OnExpire, Decision{To: None, Outcome: ExpiredNow, Ledger: ledger.Expired}},
		{"returning", returning, OnExpire, Decision{To: Unsubscribed, Outcome: ExpiredNow, Ledger: ledger.Expired}},

		{"", facts(Active), OnRequest, Decision{To: Active, Outcome: AlreadySubscribed, Email: AlreadySubscribedEmail, Ledger: ledger.Requested}},
		{"notified today", emailed(Active, sent(AlreadySubscribedEmail, 1, 23*time.Hour)), OnRequest, Decision{To: Active, Outcome: AlreadySubscribedNoEmail, Ledger: ledger.Requested}},
		{"other emails do not count", emailed(Active, sent(ConfirmEmail, 3, time.Minute)), OnRequest, Decision{To: Active, Outcome: AlreadySubscribed, Email: AlreadySubscribedEmail, Ledger: ledger.Requested}},
		{"all budgets used up", emailed(Active, twice), OnRequest, Decision{To: Active, Outcome: AlreadySubscribedNoEmail, Ledger: ledger.Requested}},
		{"muted", muted(Active), OnRequest, requestSuppressed(Active)},
		{"single opt-in", single(Active), OnRequest, Decision{To: Active, Outcome: AlreadySubscribed, Email: AlreadySubscribedEmail, Ledger: ledger.Requested}},
		{"", facts(Active), OnConfirm, stays(Active, AlreadyConfirmed)},
		{"", facts(Active), OnUnsubscribe, unsubscribed(false)},
		{"", facts(Active), OnDecline, unsubscribed(true)},
		{"", facts(Active), OnSuppress, suppressed},
		{"", facts(Active), OnErase, erased},
		{"", facts(Active), OnExpire, stays(Active, Unchanged)},
		{"", facts(Active), OnRemoveSuppression, stays(Active, Unchanged)},

		{"", facts(Unsubscribed), OnRequest, wasReturning(queued)},
		{"over budget", emailed(Unsubscribed, sent(ConfirmEmail, 1, time.Minute)), OnRequest, wasReturning(overBudget)},
		{"muted", muted(Unsubscribed), OnRequest, requestSuppressed(Unsubscribed)},
		{"single opt-in", single(Unsubscribed), OnRequest, wasReturning(queued)},
		{"", facts(Unsubscribed), OnConfirm, refused(Unsubscribed)},
		{"", facts(Unsubscribed), OnUnsubscribe, stays(Unsubscribed, AlreadyEnded)},
		{"", facts(Unsubscribed), OnDecline, muting(Unsubscribed)},
		{"again", muted(Unsubscribed), OnDecline, stays(Unsubscribed, AlreadyEnded)},
		{"", facts(Unsubscribed), OnSuppress, suppressed},
		{"", facts(Unsubscribed), OnErase, erased},
		{"", facts(Unsubscribed), OnExpire, stays(Unsubscribed, Unchanged)},
		{"", facts(Unsubscribed), OnRemoveSuppression, stays(Unsubscribed, Unchanged)},

		{"", facts(Suppressed), OnRequest, requestSuppressed(Suppressed)},
		{"single opt-in", single(Suppressed), OnRequest, requestSuppressed(Suppressed)},
		{"", facts(Suppressed), OnConfirm, refused(Suppressed)},
		{"", facts(Suppressed), OnUnsubscribe, stays(Suppressed, AlreadyEnded)},
		{"", facts(Suppressed), OnDecline, stays(Suppressed, AlreadyEnded)},
		{"", facts(Suppressed), OnSuppress, stays(Suppressed, AlreadySuppressed)},
		{"", facts(Suppressed), OnErase, erased},
		{"", facts(Suppressed), OnExpire, stays(Suppressed, Unchanged)},
		{"", facts(Suppressed), OnRemoveSuppression, Decision{To: Unsubscribed, Outcome: SuppressionRemoved, NewEpoch: true, Ledger: ledger.SuppressionRemoved}},

		{"", facts(Erased), OnRequest, queued},
		{"objection", objected, OnRequest, requestSuppressed(Erased)},
		{"single opt-in", single(Erased), OnRequest, activated},
		{"", facts(Erased), OnConfirm, refused(Erased)},
		{"", facts(Erased), OnUnsubscribe, stays(Erased, AlreadyEnded)},
		{"", facts(Erased), OnDecline, stays(Erased, AlreadyEnded)},
		{"", facts(Erased), OnSuppress, suppressed},
		{"objection", objected, OnSuppress, stays(Erased, AlreadySuppressed)},
		{"", facts(Erased), OnErase, stays(Erased, Unchanged)},
		{"remembered", gone, OnErase, erased},
		{"", facts(Erased), OnExpire, stays(Erased, Unchanged)},
		{"", facts(Erased), OnRemoveSuppression, stays(Erased, Unchanged)},
		{"objection", objected, OnRemoveSuppression, Decision{To: Erased, Outcome: SuppressionRemoved, Ledger: ledger.SuppressionRemoved}},
	}
}

func TestEveryCellOfTheStateMachine(t *testing.T) {
	covered := map[State]map[Event]bool{}
	for _, c := range cells() {
		name := fmt.Sprintf("%s/%s/%s", c.facts.State, c.event, c.name)
		t.Run(name, func(t *testing.T) {
			if got := Transition(c.facts, c.event); got != c.want {
				t.Errorf("got\n%+v, want\n%+v", got, c.want)
			}
		})
		if covered[c.facts.State] == nil {
			covered[c.facts.State] = map[Event]bool{}
		}
		covered[c.facts.State][c.event] = true
	}
	for _, s := range States() {
		for _, e := range Events() {
			if !covered[s][e] {
				t.Errorf("no cell for %s in %s", e, s)
			}
		}
	}
}

// The rules apply to every combination of facts, not only to those in the table.
func TestRulesOfTheStateMachine(t *testing.T) {
	histories := []SentEmails{{Now: now}, sent(ConfirmEmail, 1, time.Minute), sent(ConfirmEmail, 3, time.Hour), sent(AlreadySubscribedEmail, 1, time.Hour)}
	for _, s := range States() {
		for _, e := range Events() {
			for bits := range 16 {
				for _, m := range histories {
					f := Facts{State: s, Returning: bits&1 != 0 && s == Pending, Muted: bits&2 != 0, Objected: bits&4 != 0, SingleOptIn: bits&8 != 0, SentEmails: m}
					d := Transition(f, e)
					checkRules(t, f, e, d)
					if d := dropped(f); d.To != s || d.Email != NoEmail || d.Ledger != ledger.Requested || d.Outcome != Dropped {
						t.Errorf("%+v: a dropped request has the decision %+v", f, d)
					}
				}
			}
		}
	}
}

func checkRules(t *testing.T, f Facts, e Event, d Decision) {
	t.Helper()
	for rule, broken := range map[string]bool{
		"a request appends one ledger event":              e == OnRequest && d.Ledger != ledger.Requested,
		"a change of state appends one ledger event":      d.To != f.State && d.Ledger == "",
		"other events append one only with a change":      e != OnRequest && d.Ledger != "" && d.To == f.State && !d.Mute && d.Outcome != SuppressionRemoved,
		"a removed suppression activates no subscription": e == OnRemoveSuppression && d.To != f.State && d.To != Unsubscribed,
		"only a request sends an email":                   e != OnRequest && d.Email != NoEmail,
		"a suppressed address gets no email":              d.Email != NoEmail && (f.Muted || f.State == Suppressed || f.State == Erased && f.Objected),
		"only a confirmation activates":                   d.To == Active && f.State != Active && e != OnConfirm && (!f.SingleOptIn || d.Outcome != Activated),
		"a stranger never changes an active subscription": e == OnRequest && f.State == Active && d.To != Active,
		"an unsubscribe link never starts anything":       (e == OnUnsubscribe || e == OnDecline) && (d.To == Pending || d.To == Active),
		"an unsubscribe or decline is never refused":      (e == OnUnsubscribe || e == OnDecline) && d.Refused,
		"a repeated request keeps the links valid":        e == OnRequest && d.NewEpoch,
		"a returning subscriber keeps the row":            f.Returning && d.To == None,
		"the outcome is never empty":                      d.Outcome == "",
		"budgets are kept":                                d.Email != NoEmail && !f.SentEmails.Allows(d.Email),
	} {
		if broken {
			t.Errorf("%s: %+v, %s: %+v", rule, f, e, d)
		}
	}
}

func TestBudgets(t *testing.T) {
	day := 24 * time.Hour
	for _, c := range []struct {
		ask  Email
		sent SentEmails
		want bool
	}{
		{ConfirmEmail, SentEmails{Now: now}, true},
		{ConfirmEmail, sent(ConfirmEmail, 2, 15*time.Minute), true},
		{ConfirmEmail, sent(ConfirmEmail, 2, 14*time.Minute), false},
		{ConfirmEmail, sent(ConfirmEmail, 3, day-time.Second), false},
		{ConfirmEmail, sent(AlreadySubscribedEmail, 9, 0), true},
		{AlreadySubscribedEmail, sent(AlreadySubscribedEmail, 1, day-time.Second), false},
		{UnsubscribeLinkEmail, sent(UnsubscribeLinkEmail, 1, 0), true},
		{UnsubscribeLinkEmail, sent(UnsubscribeLinkEmail, 2, time.Hour), false},
		{ExportLinkEmail, sent(EraseLinkEmail, 1, 0), true},
		{ExportLinkEmail, sent(EraseLinkEmail, 2, 0), false}, // the two privacy links share a budget
		{EraseLinkEmail, sent(ExportLinkEmail, 2, 0), false},
		{NoEmail, SentEmails{Now: now}, false},
	} {
		if got := c.sent.Allows(c.ask); got != c.want {
			t.Errorf("%s after %+v: %v", c.ask, c.sent.Sent, got)
		}
	}
}
