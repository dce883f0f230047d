package subscription_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"newsletter/shared/config"
	"newsletter/shared/postgres"
	"newsletter/shared/pseudonym"
	"newsletter/shared/subscription"
	"newsletter/shared/token"
)

func ExampleParseAddress() {
	a, err := subscription.ParseAddress(" Jane.Doe+news@Bücher.example.com ")
	fmt.Println(a.Display, a.Normalized, a.MailboxKey, a.RegistrableDomain, a.Provider, err)

	_, err = subscription.ParseAddress("jane@localhost")
	var refused *subscription.AddressError
	if errors.As(err, &refused) {
		fmt.Println(refused.Reason, "–", refused.Detail)
	}
	// Output:
	// Jane.Doe+news@bücher.example.com jane.doe+news@xn--bcher-kva.example.com jane.doe@xn--bcher-kva.example.com example.com other <nil>
	// domain – The part after the @ is not a domain name that can receive email.
}

// A function makes the Store once and reuses it. Without a database, the example ends early.
func ExampleStore() {
	ctx := context.Background()
	env := config.FromMap(map[string]string{"DATABASE_URL": "", "PEPPER": ""})
	dbConfig, keyConfig := postgres.ReadConfig(env), config.Read[pseudonym.Config](env)
	ring := token.ReadRing(env, token.Confirm)
	if env.Err() != nil {
		fmt.Println("not configured")
		return
	}
	db, err := postgres.New(ctx, dbConfig)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	key, err := pseudonym.NewKey(keyConfig)
	if err != nil {
		fmt.Println(err)
		return
	}
	store := subscription.NewStore(db, key, time.Now)

	address, err := subscription.ParseAddress("jane@example.org")
	if err != nil {
		fmt.Println(err)
		return
	}
	outcome, err := store.Request(ctx, subscription.Request{Address: address, Locale: "en"})
	fmt.Println(outcome, err)

	claims, err := ring.Verify(ctx, "the token in the email", time.Now())
	if err != nil {
		fmt.Println(err)
		return
	}
	outcome, err = store.Confirm(ctx, claims.Link, subscription.Visit{})
	fmt.Println(outcome, errors.Is(err, subscription.ErrUnknown))
	// Output: not configured
}
