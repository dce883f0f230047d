package e2e

import (
	"strings"
	"testing"
)

// TestValidateFindsDamage checks the validation with which every test of this package ends.
func TestValidateFindsDamage(t *testing.T) {
	t.Parallel()
	s := start(t, quiet())
	if err := s.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	const found = "data: 1 outbox rows whose alert does not exist"
	s.tampers(t, "to have a problem to find", found)
	if err := s.Validate(t.Context(), s.tampered...); err == nil || !strings.Contains(err.Error(), "not found, but expected") {
		t.Errorf("before the damage: %v", err)
	}
	s.exec(t, `insert into outbox (id, kind, due_at, created_at, event_id) values (gen_random_uuid(), 'alert.firing.slack', now() + interval '1 day', now(), gen_random_uuid())`)
	if err := s.Validate(t.Context()); err == nil || !strings.Contains(err.Error(), found) {
		t.Errorf("after the damage: %v", err)
	}
}
