package subscription

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// Whatever people and lists do, in whatever order: no list makes anyone active who left, is suppressed or was erased since
// they last confirmed here, and a list that states that someone left never leaves them active, unless it is older than
// their consent.
func TestNoListBringsBackWhoLeft(t *testing.T) {
	b := setup(t)
	random := rand.New(rand.NewPCG(3, 42))
	const people = 20
	gone := map[string]bool{} // left, suppressed or erased since the last confirmation here
	for step := range 1500 {
		typed := fmt.Sprintf("p%d@example.org", random.IntN(people))
		b.advance(time.Duration(1+random.IntN(48)) * time.Hour)
		before := b.row(typed)
		if random.IntN(3) > 0 {
			list := ListImport{Entries: entries(typed + " " + string(ListStates()[random.IntN(len(ListStates()))]))}
			e := &list.Entries[0]
			list.Confirmed = random.IntN(3) == 0
			list.Reconfirm = !list.Confirmed && random.IntN(2) == 0
			if random.IntN(2) == 0 {
				e.EndedAt = b.now().Add(-time.Duration(random.IntN(500)) * time.Hour)
			}
			result := b.importList(list)
			after := b.row(typed)
			if after.state() == Active && before.state() != Active && gone[typed] {
				t.Fatalf("step %d: %s in a list revived them: %q\n%s", step, e.State, result, strings.Join(b.history(typed), "\n"))
			}
			ended := e.State == ListLeft || e.State.reason() != ""
			if ended && after.state() == Active && (e.EndedAt.IsZero() || !strings.Contains(result, becauseNewer)) {
				t.Fatalf("step %d: %s in a list left them active: %q", step, e.State, result)
			}
			gone[typed] = gone[typed] || ended && !strings.Contains(result, becauseNewer)
			continue
		}
		switch random.IntN(20) {
		case 0, 1, 2, 3, 4, 5, 6, 7, 8, 9:
			request := Request{Address: address(t, typed), Visit: visit}
			outcome, err := b.store.Request(t.Context(), request)
			if err != nil {
				t.Fatal(err)
			}
			if outcome == ConfirmationQueued && random.IntN(2) == 0 {
				b.click(b.store.Confirm, b.link(typed), ConfirmedNow)
				gone[typed] = false
			}
		case 10, 11, 12, 13:
			if before.state() == Active {
				b.click(b.store.Unsubscribe, b.unsubscribeLink(typed), UnsubscribedNow)
				gone[typed] = true
			}
		case 14, 15, 16, 17, 18:
			outcome, err := b.store.RemoveSuppression(t.Context(), address(t, typed), visit)
			if err != nil {
				t.Fatal(err)
			}
			if outcome == SuppressionRemoved && !before.exists { // the owner's word; nobody had left
				gone[typed] = false
			}
		case 19:
			if _, err := b.eraser().Erase(t.Context(), Erasure{Address: address(t, typed), Visit: visit}); err != nil {
				t.Fatal(err)
			}
			gone[typed] = true
		}
	}
	if n := b.count("ledger_events where channel = 'import'"); n < 100 {
		t.Errorf("only %d changes by lists", n)
	}
}

// history returns the events of an address.
func (b *fixture) history(typed string) []string {
	b.Helper()
	return b.strings(`select e.at || ' ' || e.channel || ' ' || e.kind || ' ' || (e.data->>'outcome') || ' ' || coalesce(e.data->>'from', '') || ' > ' || coalesce(e.data->>'to', '')
		from ledger_events e join identities i using (subscriber_id) where i.email_hmac = $1 order by e.at`, b.store.key.Address(address(b, typed).Normalized))
}
