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
	gate := admission.New(ratelimit.New(nil, key, time.Now), admission.Subscribe, limits.Policies, time.Now)

	attempt := admission.Attempt{Client: netip.MustParseAddr("192.0.2.1")}
	person := gate.Admit(context.Background(), attempt)
	fmt.Println(person.Outcome)

	attempt.Honeypot = "https://spam.example"
	robot := gate.Admit(context.Background(), attempt)
	fmt.Println(robot.Outcome, robot.Reasons)

	refused := gate.Admit(context.Background(), attempt)
	fmt.Println(refused.Outcome, refused.Limit.Violated())
	// Output:
	// accept
	// drop [honeypot]
	// refuse [host-10m]
}
