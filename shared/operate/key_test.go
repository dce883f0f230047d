package operate

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"newsletter/shared/apikey"
)

// TestKeys checks that a key is created once, printed once, and revoked.
func TestKeys(t *testing.T) {
	f := setup(t)
	id := uuid.Must(uuid.NewV7())
	text := do(f, KeyCreate, NewKey{id, "website", []string{"read", "signup"}}).Text
	key, err := apikey.ReadRing(f.Env()).Verify(t.Context(), text, time.Now())
	if err != nil || key.ID != id || key.Scopes != apikey.SignUp|apikey.Read {
		t.Fatalf("%+v, %v", key, err)
	}
	refuse(f, KeyCreate, NewKey{id, "website", []string{"signup"}}, Refusal{false, "exists"})
	refuse(f, KeyCreate, NewKey{uuid.New(), "website", []string{"everything"}}, Refusal{true, "known: signup,suppressions,read"})
	refuse(f, KeyCreate, NewKey{uuid.New(), "website", nil}, Refusal{true, "scope"})
	refuse(f, KeyCreate, NewKey{uuid.New(), strings.Repeat("x", 65), []string{"read"}}, Refusal{true, "label"})
	refuse(f, KeyRevoke, KeyID{uuid.NewString()}, Refusal{false, "there is no key"})
	refuse(f, KeyRevoke, KeyID{"nlk"}, Refusal{true, "is not an id"})
	for _, now := range []bool{true, false} {
		if got := do(f, KeyRevoke, KeyID{id.String()}); got.Now != now {
			t.Errorf("revoked %v, want %v", got.Now, now)
		}
	}
	rows := do(f, KeyList, All{}).Rows
	if len(rows) != 1 || rows[0].ID != id || rows[0].Label != "website" || strings.Join(rows[0].Scopes, ",") != "signup,read" || rows[0].Revoked == nil {
		t.Errorf("listed %+v", rows)
	}
	got := f.Strings(`select kind || ' ' || actor || ' ' || (data ->> 'key_id') || coalesce(' ' || (data ->> 'scopes'), '') from ledger_events order by id`)
	want := []string{"key.created operator " + id.String() + ` ["signup", "read"]`, "key.revoked operator " + id.String()}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("ledger %q", got)
	}
	if all := strings.Join(f.Strings(`select to_jsonb(k)::text from api_keys k`), ""); strings.Contains(all, text) {
		t.Error("the key is stored")
	}
}
