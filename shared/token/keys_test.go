package token

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// TestKeyWithoutID is how a stack's keys begin (44 letters and digits) and how an operator changes them.
func TestKeyWithoutID(t *testing.T) {
	made := strings.Repeat("AbCdEfGhIj1", 4)
	first, err := parseRing(Unsubscribe, made, nil)
	if err != nil {
		t.Fatal(err)
	}
	claims := Claims{Link: Link{SubscriberID: uuid.New(), Epoch: 1}}
	link := first.Sign(claims)

	changed, err := parseRing(Unsubscribe, "2:"+strings.Repeat("ZyXwVuTsRq9", 4)+","+made, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := changed.Verify(t.Context(), link, time.Now()); err != nil {
		t.Errorf("a link of the old key: %v", err)
	}
	if _, err := first.Verify(t.Context(), changed.Sign(claims), time.Now()); err == nil {
		t.Error("the new key signs with the old one's id")
	}
	if _, err := parseRing(Unsubscribe, made+","+made, nil); err == nil {
		t.Error("the same key twice is taken")
	}
}
