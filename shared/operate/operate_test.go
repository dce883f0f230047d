package operate

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/subscription"
)

// fixture is an installation with a test's own database.
type fixture struct {
	*functiontest.Fixture
	*Installation
}

func setup(t *testing.T) *fixture {
	t.Helper()
	f := functiontest.New(t)
	i, err := Open(t.Context(), f.Env(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.Close)
	return &fixture{f, i}
}

// do runs a command that must succeed.
func do[Request, Result any](f *fixture, c Command[Request, Result], request Request) Result {
	f.Helper()
	result, err := c.Do(f.Context(), f.Installation, request)
	if err != nil {
		f.Errorf("%s: %v", c.Name(), err)
	}
	return result
}

// refuse runs a command that must be refused with a text.
func refuse[Request, Result any](f *fixture, c Command[Request, Result], request Request, want Refusal) {
	f.Helper()
	_, err := c.Do(f.Context(), f.Installation, request)
	got, refused := err.(*Refusal) //nolint:errorlint // Do returns it unwrapped
	if !refused || got.WrongUsage != want.WrongUsage || !strings.Contains(got.Text, want.Text) {
		f.Errorf("%s: %v, want %v", c.Name(), err, want)
	}
}

// TestRefusedCalls checks that a call of another version, or of a caller who guesses, is refused without an effect, and
// that the refusal does not repeat what may be an address.
func TestRefusedCalls(t *testing.T) {
	f := setup(t)
	before := f.CountRows()
	for name, call := range map[string]Call{
		"no command":       {"", json.RawMessage(`{}`)},
		"unknown command":  {"suppression", json.RawMessage(`{}`)},
		"no request":       {"suppression add", nil},
		"null":             {"hold list", json.RawMessage(`null `)},
		"no object":        {"suppression add", json.RawMessage(`"jane@example.org"`)},
		"unknown member":   {"suppression add", json.RawMessage(`{"email":"jane@example.org","jane@example.org":1}`)},
		"unexpected type":  {"suppression add", json.RawMessage(`{"email":["jane@example.org"]}`)},
		"malformed":        {"suppression add", json.RawMessage(`{"email":"jane@example.org"`)},
		"no address":       {"suppression add", json.RawMessage(`{}`)},
		"all and ids":      {"hold release", json.RawMessage(`{"all":true,"ids":["00000000-0000-0000-0000-000000000001"]}`)},
		"neither":          {"hold release", json.RawMessage(`{}`)},
		"an id of nothing": {"hold release", json.RawMessage(`{"ids":["x"]}`)},
	} {
		answer, err := f.Run(t.Context(), call)
		if name == "null" { // is an empty request
			if err != nil || answer.Refusal != nil {
				t.Errorf("%s: %+v %v", name, answer, err)
			}
			continue
		}
		if err != nil || answer.Refusal == nil || !answer.Refusal.WrongUsage || answer.Result != nil || strings.Contains(answer.Refusal.Text, "jane") {
			t.Errorf("%s: %+v %v", name, answer, err)
		}
	}
	f.ExpectRows(before)
}

// TestListFitsInAResult checks that a list is cut by its number of rows and by its size, and that the cut is stated.
func TestListFitsInAResult(t *testing.T) {
	for name, test := range map[string]struct {
		rows, bytes int
		want        int
		more        bool
	}{
		"none": {0, 1, 0, false}, "a few": {3, 1, 3, false}, "the maximum": {maxListed, 1, maxListed, true},
		"large rows": {100, 100_000, MaxPayload / 100_003, true},
	} {
		l, err := list(make([]string, 0))
		if test.rows > 0 {
			rows := make([]string, test.rows)
			for i := range rows {
				rows[i] = strings.Repeat("x", test.bytes)
			}
			l, err = list(rows)
		}
		if err != nil || len(l.Rows) != test.want || l.More != test.more {
			t.Errorf("%s: %d rows, more %v, %v", name, len(l.Rows), l.More, err)
		}
		if text, err := encode(l); err != nil || len(text) > MaxPayload || strings.Contains(string(text), "null") {
			t.Errorf("%s: %d bytes, %v", name, len(text), err)
		}
	}
	if _, err := encode(strings.Repeat("x", MaxPayload)); err == nil {
		t.Error("a result that is too large was encoded")
	}
}

// hold signs up an address whose email is held.
func (f *fixture) hold(address, reason string) {
	f.Helper()
	_, err := f.Store.Request(f.Context(), subscription.Request{Address: f.Address(address), Hold: reason, Visit: functiontest.Visit})
	if err != nil {
		f.Fatal(err)
	}
}

// TestHoldsAreDecidedOnce checks that decisions can be repeated, and that "all" ends after several calls.
func TestHoldsAreDecidedOnce(t *testing.T) {
	f := setup(t)
	for n := range 3 {
		f.hold(fmt.Sprintf("joe.%d@example.org", n), "disposable")
	}
	f.hold("jim@example.org", "signup_burst")
	held := do(f, HoldList, All{}).Rows
	if len(held) != 4 || held[0].Domain != "example.org" {
		t.Fatalf("%+v", held)
	}
	first := HoldSelection{IDs: []string{held[0].ID.String()}}
	for _, want := range []string{"released", NotHeld} {
		if got := do(f, HoldRelease, first).Decided; len(got) != 1 || got[0].Result != want {
			t.Errorf("%+v, want %s", got, want)
		}
	}
	if got := do(f, HoldReject, HoldSelection{All: true, Reason: "disposable"}); len(got.Decided) != 2 || got.Remain {
		t.Errorf("%+v", got)
	}
	if got := do(f, HoldList, All{}).Rows; len(got) != 1 || got[0].Reason != "signup_burst" {
		t.Errorf("%+v", got)
	}
	refuse(f, HoldRelease, HoldSelection{All: true, Reason: "bursts"}, Refusal{true, "known: "})
	if got := f.Strings(`select kind from ledger_events where kind like 'hold.%' order by id`); len(got) != 3 {
		t.Errorf("%v", got)
	}

	f.Exec(`insert into outbox (id, kind, state, hold_reason, due_at, created_at)
		select gen_random_uuid(), 'email.confirm', 'held', 'disposable', now(), now() from generate_series(1, $1::integer)`, maxDecided+1)
	decided, calls := 0, 0
	for remain := true; remain; calls++ {
		result := do(f, HoldRelease, HoldSelection{All: true})
		decided, remain = decided+len(result.Decided), result.Remain
		if len(result.Decided) == 0 {
			break
		}
	}
	if decided != maxDecided+2 || calls != 2 || len(do(f, HoldList, All{}).Rows) != 0 {
		t.Errorf("%d decided in %d calls", decided, calls)
	}
}

// TestSuppressionsCanBeRepeated checks that a second run of each change changes nothing.
func TestSuppressionsCanBeRepeated(t *testing.T) {
	f := setup(t)
	jane := Person{"jane@example.org"}
	f.Activate(jane.Email)
	refuse(f, SuppressionRemove, jane, Refusal{false, "not suppressed"})
	if got := do(f, SuppressionAdd, jane).Outcome; got != "suppressed" {
		t.Errorf("%s", got)
	}
	rows := f.CountRows()
	do(f, SuppressionAdd, jane)
	f.ExpectRows(rows)
	if got := do(f, SuppressionList, SuppressionFilter{Reason: subscription.ByOwner}).Rows; len(got) != 1 {
		t.Errorf("%+v", got)
	}
	refuse(f, SuppressionList, SuppressionFilter{Reason: "nonsense"}, Refusal{true, "known: bounce"})
	refuse(f, SuppressionAdd, Person{"jane"}, Refusal{true, `"jane" is not an email address`})
	do(f, SuppressionRemove, jane)
	refuse(f, SuppressionRemove, jane, Refusal{false, "not suppressed"})
}

// TestMessagesAreChangedOnce checks that a change of messages can be repeated, and is recorded once.
func TestMessagesAreChangedOnce(t *testing.T) {
	f := setup(t)
	ids := f.Strings(`insert into outbox (id, kind, state, attempts, outcome, due_at, created_at, finished_at)
		select gen_random_uuid(), 'notify.pigeon', 'dead', 12, 'status_500', now(), now(), now() from generate_series(1, 3) returning id::text`)
	one := MessageSelection{IDs: ids[:1]}
	for _, want := range []int64{1, 0} {
		if got := do(f, OutboxRetry, one); got.Changed != want || got.Selected != 1 {
			t.Errorf("%+v, want %d", got, want)
		}
	}
	if got := do(f, OutboxDrop, MessageSelection{All: true, Kind: "notify.pigeon"}); got.Changed != 2 || got.More {
		t.Errorf("%+v", got)
	}
	if got := do(f, OutboxList, MessageFilter{State: "dead"}); len(got.Rows) != 0 {
		t.Errorf("%+v", got)
	}
	if got := do(f, OutboxSlots, All{}); len(got.Rows) != 0 {
		t.Errorf("%+v", got)
	}
	refuse(f, OutboxList, MessageFilter{State: "lost"}, Refusal{true, "known: dead, done, held, ready"})
	refuse(f, OutboxList, MessageFilter{State: "dead", Kind: "email.confirmed"}, Refusal{true, "email.confirm"})
	refuse(f, OutboxDrop, MessageSelection{IDs: ids, All: true}, Refusal{true, "name ids, or all"})
	refuse(f, OutboxDrop, MessageSelection{IDs: []string{"1"}}, Refusal{true, `"1" is not an id`})
	got := f.Strings(`select kind || ' ' || (data->'counts'->>'changed') from ledger_events where actor = 'operator' order by id`)
	if len(got) != 2 || got[0] != "outbox.retried 1" || got[1] != "outbox.dropped 2" {
		t.Errorf("%v", got)
	}
}
