package token_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"newsletter/shared/config"
	"newsletter/shared/token"
)

// Deliver signs a link when it sends the email; confirm verifies it.
func Example() {
	env := config.FromMap(map[string]string{"TOKEN_KEYS_CONFIRM": "2026-01:" + strings.Repeat("c2VjcmV0", 6)})
	ring := token.ReadRing(env, token.Confirm)
	if err := env.Err(); err != nil {
		fmt.Println(err)
		return
	}
	now := time.Now()
	text := ring.Sign(token.Claims{Link: token.Link{SubscriberID: uuid.New(), EventID: uuid.New(), Epoch: 1}, Expires: now.Add(token.ConfirmLifetime)})

	claims, err := ring.Verify(context.Background(), text, now)
	fmt.Println(claims.Epoch, err)
	_, err = ring.Verify(context.Background(), text, now.Add(49*time.Hour))
	fmt.Println(errors.Is(err, token.ErrInvalid), token.Reason(err))
	// Output:
	// 1 <nil>
	// true link_expired
}
