package admission_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"newsletter/shared/admission"
	"newsletter/shared/config"
	"newsletter/shared/pseudonym"
	"newsletter/shared/ratelimit"
)

// A route admits each request before it works for it.
func Example() {
	env := config.FromMap(map[string]string{
		"PEPPER":           base64.StdEncoding.EncodeToString([]byte(strings.Repeat("example.", 4))),
		"LIMITS_SUBSCRIBE": "4/10m@host",
	})
	limits, pepper := config.Read[admission.SubscribeLimits](env), config.Read[pseudonym.Config](env)
	if err := env.Err(); err != nil {
		fmt.Println(err)
		return
	}
	key, err := pseudonym.NewKey(pepper)
	if err != nil {
		fmt.Println(err)
		return
	}
	a := admission.New(ratelimit.New(nil, key, time.Now), admission.Subscribe, limits.Policies, time.Now)

	request := admission.Request{Client: netip.MustParseAddr("192.0.2.1")}
	person := a.Admit(context.Background(), request)
	fmt.Println(person.Outcome)

	request.Honeypot = "https://spam.example"
	bot := a.Admit(context.Background(), request)
	fmt.Println(bot.Outcome, bot.Reasons)

	refused := a.Admit(context.Background(), request)
	fmt.Println(refused.Outcome, refused.Limit.Violated())
	// Output:
	// accept
	// hold [honeypot]
	// refuse [host-10m]
}
