package subscription

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
)

// Another session holds a lock that the operation waits for, while the clock advances. The operation must record the
// time at which it got the lock, so that it does not appear older than what the other session wrote.
func TestTimeIsReadUnderTheLock(t *testing.T) {
	const (
		person     = `select from subscribers for update`
		pseudonym  = `select from identities for update`
		readPerson = `select from identities for key share` // as an export does
		mailbox    = `select pg_advisory_xact_lock(hashtextextended(encode(mailbox_hmac, 'hex'), 0)) from identities`
		heldRow    = `select from outbox where state = 'held' for update`
	)
	signUp := func(b *fixture) { b.request(jane, ConfirmationQueued) }
	subscribe := func(b *fixture) { b.activate(jane) }
	hold := func(b *fixture) { b.requestHeld(jane, ConfirmationQueued) }
	suppressed := func(b *fixture) {
		b.activate(jane)
		b.suppress(Suppression{Address: address(b, jane), Reason: Complaint, Actor: ledger.Operator}, SuppressedNow)
	}
	outcome := func(_ Outcome, err error) error { return err }
	checkSend := func(b *fixture) func() error {
		claimed, err := outbox.NewWorker(b.db, b.now).Claim(b.Context(), outbox.Limits{Due: 10}, time.Minute)
		if err != nil || len(claimed) != 1 {
			b.Fatal(len(claimed), err)
		}
		return func() error {
			_, _, c, err := b.store.CheckSend(b.Context(), claimed[0])
			if c != (SendDecision{}) {
				b.Errorf("%+v", c)
			}
			return err
		}
	}
	for name, tc := range map[string]struct {
		holds   string
		prepare func(*fixture)
		act     func(*fixture) func() error
	}{
		"request": {person, subscribe, func(b *fixture) func() error {
			return func() error {
				return outcome(b.store.Request(b.Context(), Request{Address: address(b, jane), Visit: visit}))
			}
		}},
		"request for a link": {person, subscribe, func(b *fixture) func() error {
			return func() error {
				return outcome(b.store.RequestLink(b.Context(), LinkRequest{Address: address(b, jane), Email: ExportLinkEmail, Visit: visit}))
			}
		}},
		"confirm": {person, signUp, func(b *fixture) func() error {
			link := b.link(jane)
			return func() error { return outcome(b.store.Confirm(b.Context(), link, visit)) }
		}},
		"unsubscribe": {person, subscribe, func(b *fixture) func() error {
			link := b.unsubscribeLink(jane)
			return func() error { return outcome(b.store.Unsubscribe(b.Context(), link, visit)) }
		}},
		"decline": {pseudonym, signUp, func(b *fixture) func() error {
			link := b.link(jane)
			return func() error { return outcome(b.decline(b.Context(), link, visit)) }
		}},
		"suppress": {person, subscribe, func(b *fixture) func() error {
			id := b.row(jane).ID
			return func() error {
				return outcome(b.store.Suppress(b.Context(), Suppression{SubscriberID: id, Reason: Bounce, Actor: ledger.Provider, Visit: visit}))
			}
		}},
		"remove suppression": {person, suppressed, func(b *fixture) func() error {
			return func() error { return outcome(b.store.RemoveSuppression(b.Context(), address(b, jane), operator)) }
		}},
		"erase": {person, subscribe, func(b *fixture) func() error {
			return func() error {
				return outcome(b.eraser().Erase(b.Context(), Erasure{Address: address(b, jane), Object: true, Visit: visit}))
			}
		}},
		"erase during a read": {readPerson, subscribe, func(b *fixture) func() error {
			return func() error {
				return outcome(b.eraser().Erase(b.Context(), Erasure{Address: address(b, jane), Visit: visit}))
			}
		}},
		"export": {pseudonym, subscribe, func(b *fixture) func() error {
			return func() error {
				_, err := b.store.ExportByLetter(b.Context(), address(b, jane), operator)
				return err
			}
		}},
		"remind": {person, signUp, func(b *fixture) func() error {
			b.deliver()
			b.advance(time.Hour)
			list, err := b.store.ListUnconfirmed(b.Context(), 0, uuid.Nil, 1)
			if err != nil || len(list) != 1 {
				b.Fatal(list, err)
			}
			return func() error {
				queued, err := b.store.Remind(b.Context(), list[0])
				if !queued {
					b.Error("no reminder")
				}
				return err
			}
		}},
		"release": {person, hold, func(b *fixture) func() error {
			id := b.held().ID
			return func() error { return b.store.ReleaseHeld(b.Context(), id, operator) }
		}},
		"reject": {heldRow, hold, func(b *fixture) func() error {
			id := b.held().ID
			return func() error { return b.store.RejectHeld(b.Context(), id, operator) }
		}},
		"check an email to a mailbox": {mailbox, signUp, checkSend},
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t)
			tc.prepare(b)
			b.advance(time.Hour)
			act := tc.act(b)
			b.advance(time.Hour)
			before := b.now()
			holder := b.server.Conn(t)
			if _, err := holder.Exec(t.Context(), "begin; "+tc.holds); err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { done <- act() }()
			b.blockedOr(done)
			b.advance(time.Minute)
			if _, err := holder.Exec(t.Context(), "commit"); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if found := b.columnsWith(before); len(found) > 0 {
				t.Errorf("%v have the time before the lock", found)
			}
			if found := b.columnsWith(b.now()); len(found) == 0 {
				t.Error("no column has the time under the lock: the test is void")
			}
		})
	}
}

// columnsWith returns the columns that contain a time, or the end of a period that begins at it.
func (b *fixture) columnsWith(at time.Time) (found []string) {
	b.Helper()
	times := []time.Time{at}
	for _, period := range []time.Duration{mutePeriod, identityGrace, answerWithin} {
		times = append(times, at.Add(period))
	}
	for _, column := range b.strings(`
select quote_ident(table_name) || '.' || quote_ident(column_name) from information_schema.columns
where table_schema = 'public' and data_type = 'timestamp with time zone'`) {
		table, _, _ := strings.Cut(column, ".")
		if b.count(table+" where "+column+" = any($1)", times) > 0 {
			found = append(found, column)
		}
	}
	return found
}

// TestEveryTransactionTakesItsTimeFromTransact checks that the package begins transactions in transact only.
func TestEveryTransactionTakesItsTimeFromTransact(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]int{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(content), ".Transact("); n > 0 {
			calls[file] = n
		}
	}
	if want := map[string]int{"store.go": 1}; !maps.Equal(calls, want) {
		t.Errorf("transactions are begun in %v, want %v", calls, want)
	}
}
