package e2e

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"newsletter/internal/devstack"
)

// prepare brings an address into a state, by the ways that lead there.
var prepare = map[string]func(t *testing.T, s *stack, v *visitor, address string){
	"none":    func(*testing.T, *stack, *visitor, string) {},
	"pending": func(t *testing.T, s *stack, v *visitor, address string) { v.subscribe(t, address); s.deliver(t) },
	"active":  activate,
	"unsubscribed": func(t *testing.T, s *stack, v *visitor, address string) {
		activate(t, s, v, address)
		leave := v.inbox(t, address)[0].link(t, unsubscribePath)
		if got := v.send(t, http.MethodPost, leave, "", "Accept: application/json"); got.Status != http.StatusOK {
			t.Fatalf("unsubscribe: %d", got.Status)
		}
	},
	// What a provider's report and an erasure will do is done by hand: those functions do not exist yet.
	"suppressed": func(t *testing.T, s *stack, v *visitor, address string) {
		activate(t, s, v, address)
		s.exec(t, `with gone as (update subscribers set status = 'suppressed', epoch = epoch + 1, ended_at = now() where email_norm = $1 returning id)
			insert into suppressions (email_hmac, key_id, reason, created_at)
			select email_hmac, key_id, 'complaint', now() from identities join gone on gone.id = subscriber_id`, address)
	},
	"erased": func(t *testing.T, s *stack, v *visitor, address string) {
		activate(t, s, v, address)
		s.exec(t, `with gone as (delete from subscribers where email_norm = $1 returning id)
			insert into suppressions (email_hmac, key_id, reason, created_at)
			select email_hmac, key_id, 'objection', now() from identities join gone on gone.id = subscriber_id`, address)
	},
}

func activate(t *testing.T, s *stack, v *visitor, address string) {
	t.Helper()
	v.subscribe(t, address)
	s.deliver(t)
	confirm := v.mail(t, address, 1).link(t, confirmPath)
	if got := v.send(t, http.MethodPost, confirm, ""); got.Status != http.StatusOK {
		t.Fatalf("confirm: %d %s", got.Status, got.Body)
	}
}

// An observer cannot tell from an answer who subscribes: whatever the state of the address, JSON and HTML, sign-up and
// request for an unsubscribe link, the answers are the same byte by byte, but for what names the request and counts it.
func TestAnswersAreTheSameInEveryState(t *testing.T) {
	t.Parallel()
	variables := maps.Clone(generous)
	variables["DELIVER_LINGER"] = "0s"
	s := start(t, devstack.Options{Variables: variables, NoSchedules: true})
	ways := map[string]func(v *visitor, address string) answer{
		"subscribe, JSON": func(v *visitor, address string) answer {
			return v.send(t, http.MethodPost, subscribePath, `{"email":"`+address+`"}`, asJSON)
		},
		"subscribe, form": func(v *visitor, address string) answer {
			return v.send(t, http.MethodPost, subscribePath, "email="+address, asForm, "Accept: text/html")
		},
		"unsubscribe link": func(v *visitor, address string) answer {
			return v.send(t, http.MethodPost, unsubscribePath, `{"email":"`+address+`"}`, asJSON)
		},
	}
	states := slices.Sorted(maps.Keys(prepare))
	for way, ask := range ways {
		var first string
		for i, state := range states {
			address := strings.ReplaceAll(state+"."+way, ", ", "-")
			address = strings.ReplaceAll(address, " ", "-") + "@example.org"
			address = strings.ToLower(address)
			v := newVisitor(s.base, "127.30.1.1")
			prepare[state](t, s, v, address)
			events := s.count(t, "audit_events")
			got := comparable(ask(v, address))
			if i == 0 {
				first = got
			} else if got != first {
				t.Errorf("%s: the answer for %s is\n%s\nand for %s\n%s", way, state, got, states[0], first)
			}
			if n := s.count(t, "audit_events") - events; n != 1 {
				t.Errorf("%s, %s: %d ledger events, want 1", way, state, n)
			}
		}
	}
}

// comparable is an answer without what names the request and what the limiter counts.
func comparable(a answer) string {
	for _, name := range []string{"Apigw-Requestid", "Date", "Ratelimit"} {
		a.Header.Del(name)
	}
	var lines []string
	for name, values := range a.Header {
		lines = append(lines, name+": "+strings.Join(values, ", "))
	}
	slices.Sort(lines)
	return http.StatusText(a.Status) + "\n" + strings.Join(lines, "\n") + "\n\n" + a.Body
}
