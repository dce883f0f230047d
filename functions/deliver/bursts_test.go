package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"newsletter/internal/local/devstack"
	"newsletter/shared/burst"
	"newsletter/shared/config"
	"newsletter/shared/lambdafn"
	"newsletter/shared/outbound"
	"newsletter/shared/pseudonym"
	"newsletter/shared/subscription"
)

// vectors configures a fake of the vector index for burst detection.
func (b *bundle) vectors() *devstack.Vector {
	b.Helper()
	fake := &devstack.Vector{}
	b.Fake("/vector/", http.StripPrefix("/vector", fake))
	b.Variables["UPSTASH_VECTOR_REST_URL"], b.Variables["UPSTASH_VECTOR_REST_TOKEN"] = b.Variables["FAKES_URL"]+"/vector", devstack.VectorToken
	b.Variables["MAIL_DOMAIN_RATE_PER_MINUTE"], b.Variables["LIMITS_EXEMPT_DOMAINS"] = "0", "attack-mail.org"
	b.Cleanup(func() {
		for _, problem := range fake.Problems() {
			b.Errorf("the service would refuse: %s", problem)
		}
	})
	return fake
}

// openForFew opens the function with a lower burst threshold and smaller batches than the defaults.
func (b *bundle) openForFew() lambdafn.Function {
	b.Helper()
	env := b.Env()
	cfg := config.Read[burst.Config](env)
	cfg.Neighbors = 8
	key, err := pseudonym.NewKey(config.Read[pseudonym.Config](env))
	if err := errors.Join(err, env.Err()); err != nil {
		b.Fatal(err)
	}
	return b.openWith(func(h *handler) {
		h.config.Batch, h.bursts = 10, burst.New(cfg, key, outbound.New(config.Read[outbound.Config](env), nil), time.Now)
	})
}

// signUpFrom signs an address up from an IP address with a user agent.
func (b *bundle) signUpFrom(address, ip, agent, page string) {
	b.Helper()
	r := subscription.Request{Address: b.Address(address), Visit: subscription.Visit{
		Client: subscription.Client{IP: netip.MustParseAddr(ip), UserAgent: agent}, RequestID: "r", Channel: "api",
	}}
	r.Source.Page = page
	if _, err := b.Store.Request(b.Context(), r); err != nil {
		b.Fatal(err)
	}
}

// signUpBurst mixes forty sign-ups of a bot with ten of people.
func (b *bundle) signUpBurst() {
	b.Helper()
	for i := range 40 {
		b.signUpFrom(fmt.Sprintf("bot%d@attack-mail.org", i), fmt.Sprintf("192.0.%d.7", i), "curl/8.5", "/")
		if i%4 == 0 {
			b.signUpFrom(fmt.Sprintf("%s@people%d.org", []string{"anna.w", "jo", "m-k", "info", "zoe99"}[i/4%5], i), fmt.Sprintf("198.51.%d.7", i),
				fmt.Sprintf("Browser/%d", i), fmt.Sprintf("/page/%d", i))
		}
	}
}

// The first emails of a burst are sent and the others held; people receive theirs; an email that the owner releases is
// sent and not held again.
func TestBurstIsHeld(t *testing.T) {
	b := setup(t)
	b.vectors()
	b.signUpBurst()
	f := b.openForFew()
	b.run(t.Context(), f)
	count := func(condition string) string {
		return b.Strings(`select count(*)::text from outbox join subscribers s on s.id = subscriber_id where kind = 'email.confirm' and ` + condition)[0]
	}
	for condition, want := range map[string]string{
		"state = 'done' and outcome = 'sent' and email like '%@people%.org'":    "10",
		"state = 'held' and hold_reason = 'signup_burst' and email like 'bot%'": "27",
	} {
		// Concurrent checks do not see each other: up to a batch more may be sent.
		if got := count(condition); got != want && (want != "27" || got <= "20" || got > "32") {
			t.Errorf("%s: %s, want %s", condition, got, want)
		}
	}
	holds, err := b.Store.ListHeld(t.Context(), 100)
	if err != nil || len(holds) == 0 || holds[0].Reason != "signup_burst" {
		t.Fatalf("%v %+v", err, holds)
	}
	for _, h := range holds[:3] {
		if err := b.Store.ReleaseHeld(t.Context(), h.ID, subscription.Visit{RequestID: "operator", Channel: "operator"}); err != nil {
			t.Fatal(err)
		}
	}
	sent := len(b.ses.Emails())
	b.run(t.Context(), f)
	if got := len(b.ses.Emails()) - sent; got != 3 {
		t.Errorf("%d of 3 released emails were sent", got)
	}
}

// TestABurstCountsSignUpsOfSubscribers as those of strangers, so that who is held does not tell who subscribes.
func TestABurstCountsSignUpsOfSubscribers(t *testing.T) {
	held := map[bool]string{}
	for _, subscribed := range []bool{false, true} {
		b := setup(t)
		b.vectors()
		bot := func(i int) string { return fmt.Sprintf("bot%d@attack-mail.org", i) }
		if subscribed {
			for i := range 20 {
				b.Activate(bot(i))
			}
			b.Exec("delete from outbox") // the index must know only the later sign-ups
		}
		for i := range 20 {
			b.signUpFrom(bot(i), fmt.Sprintf("192.0.%d.7", i), "curl/8.5", "/")
		}
		f := b.openForFew()
		b.run(t.Context(), f)
		for i := range 5 {
			b.signUpFrom(bot(20+i), fmt.Sprintf("192.0.%d.7", 20+i), "curl/8.5", "/")
		}
		b.run(t.Context(), f)
		held[subscribed] = b.Strings(`select count(*)::text from outbox join subscribers s on s.id = subscriber_id
			where kind = 'email.confirm' and state = 'held' and email ~ '^bot2[0-4]@'`)[0]
	}
	if held[true] != "5" || held[false] != "5" {
		t.Errorf("after sign-ups of strangers, %s of 5 are held; after those of subscribers, %s", held[false], held[true])
	}
}

// While the index is down, slow or loses calls, every email is sent without much delay.
func TestEmailsAreSentWithoutTheIndex(t *testing.T) {
	for name, fault := range map[string]devstack.Fault{
		"down": {Status: http.StatusBadGateway, Body: "<html>"}, "slow": {Delay: 2 * time.Second}, "lost": {Lost: true},
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t)
			fake := b.vectors()
			for range 200 {
				fake.Fail(fault)
			}
			b.signUpBurst()
			began := time.Now()
			b.run(t.Context(), b.openForFew())
			if got := len(b.ses.Emails()); got != 50 {
				t.Errorf("%d of 50 emails were sent", got)
			}
			calls := 0
			for _, n := range fake.Calls() {
				calls += n
			}
			if calls == 0 || calls > 10 { // three failures, and the calls concurrent with them
				t.Errorf("%d calls of a failing index", calls)
			}
			t.Logf("it took %v", time.Since(began))
		})
	}
}
