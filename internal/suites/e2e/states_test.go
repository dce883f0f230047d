package e2e

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"newsletter/internal/local/devstack"
)

// prepare maps each state to a function that brings an address into it through the API.
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
	"complaint": func(t *testing.T, s *stack, v *visitor, address string) { // the fake SES derives events from the local part
		v.subscribe(t, address)
		s.deliver(t)
		eventually(t, "the complaint", func() bool { return s.status(t, address) == "suppressed" })
		// Five on one day would open the circuit breaker of the visitor's network if they are a fifth of its requests.
		s.exec(t, "update engagement_events set at = at - interval '2 days' where kind = 'complaint'")
	},
	"erased": func(t *testing.T, s *stack, v *visitor, address string) {
		activate(t, s, v, address)
		if got := v.send(t, http.MethodPost, privacyPath, `{"email":"`+address+`","request":"erase"}`, asJSON); got.Status != http.StatusAccepted {
			t.Fatalf("ask for the link: %d %s", got.Status, got.Body)
		}
		s.deliver(t)
		erase := v.mail(t, address, 2).link(t, privacyPath)
		if got := v.send(t, http.MethodPost, erase, `{"email":"`+address+`","object":true}`, asJSON); got.Status != http.StatusOK {
			t.Fatalf("erase: %d %s", got.Status, got.Body)
		}
	},
}

func activate(t *testing.T, s *stack, v *visitor, address string) {
	t.Helper()
	v.subscribe(t, address)
	s.deliver(t)
	confirm := v.mail(t, address, 1).link(t, confirmPath)
	if got := v.send(t, http.MethodPost, confirm, agree, asForm); got.Status != http.StatusOK {
		t.Fatalf("confirm: %d %s", got.Status, got.Body)
	}
}

// An observer cannot tell from an answer who subscribes: whatever the state of the address, JSON and HTML, sign-up and
// request for a link, the answers are the same byte by byte, but for what names the request and counts it.
func TestAnswersAreTheSameInEveryState(t *testing.T) {
	t.Parallel()
	variables := withoutBursts(generous)
	maps.Copy(variables, map[string]string{
		"DELIVERY_LINGER": "0s", "MAIL_DOMAIN_RATE_PER_MINUTE": "0", "MAIL_COMPLAINT_PERCENT": "100",
	})
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
		"unsubscribe link, form": func(v *visitor, address string) answer {
			return v.send(t, http.MethodPost, unsubscribePath, "email="+address, asForm, "Accept: text/html")
		},
		"export link": func(v *visitor, address string) answer {
			return v.send(t, http.MethodPost, privacyPath, `{"email":"`+address+`","request":"export"}`, asJSON)
		},
		"erase link, form": func(v *visitor, address string) answer {
			return v.send(t, http.MethodPost, privacyPath, "request=erase&email="+address, asForm, "Accept: text/html")
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
			events := s.count(t, "ledger_events")
			got := comparable(ask(v, address))
			if i == 0 {
				first = got
			} else if got != first {
				t.Errorf("%s: the answer for %s is\n%s\nbut for %s\n%s", way, state, got, states[0], first)
			}
			if n := s.count(t, "ledger_events") - events; n != 1 {
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
