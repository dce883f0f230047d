package subscription

import (
	"slices"
	"testing"

	"newsletter/shared/outbox"
)

// The table is the only place that names the states of an email, so the expected ones are repeated here.
func TestEmailsAreAcceptedInTheirStates(t *testing.T) {
	accepting := map[Email][]State{
		ConfirmEmail:           {Pending},
		ReminderEmail:          {Pending},
		RectifyEmail:           {Pending},
		AlreadySubscribedEmail: {Active},
		UnsubscribeLinkEmail:   {Pending, Active},
		ExportLinkEmail:        {Pending, Active, Unsubscribed},
		EraseLinkEmail:         {Pending, Active, Unsubscribed},
		NewConfirmEmail:        {Pending},
		NewExportEmail:         {Pending, Active, Unsubscribed},
		NewEraseEmail:          {Pending, Active, Unsubscribed},
		ReconfirmEmail:         {Pending},
	}
	const epoch = 3
	for _, e := range Emails() {
		want, found := accepting[e]
		if !found {
			t.Errorf("%s: no states are expected", e)
		}
		for _, state := range states() {
			r := Recipient{State: state, Epoch: epoch}
			if got := r.Accepts(e.Kind(), epoch); got != slices.Contains(want, state) {
				t.Errorf("%s in %s: %v", e, state, got)
			}
			if r.Accepts(e.Kind(), epoch-1) && slices.Contains([]Email{ConfirmEmail, ReminderEmail, RectifyEmail, AlreadySubscribedEmail, NewConfirmEmail, NewExportEmail, NewEraseEmail, ReconfirmEmail}, e) {
				t.Errorf("%s of an older epoch is accepted in %s", e, state)
			}
			r.Suppressed = true
			if r.Accepts(e.Kind(), epoch) {
				t.Errorf("%s to a suppressed address is accepted in %s", e, state)
			}
			r.Restricted = true
			if asked := !slices.Contains(SignUpKinds(), e.Kind()); r.Accepts(e.Kind(), epoch) != (asked && slices.Contains(want, state)) {
				t.Errorf("%s during a restriction, in %s: %v", e, state, !asked)
			}
		}
	}
}

func TestEmailsAreComplete(t *testing.T) {
	for _, r := range emailRows {
		if (r.budget == nil) != (r.renews || r.imported) || r.imported && r.email.Kind() != outbox.Reconfirm || r.loggedAs.row().budget != r.budget || r.loggedAs.row().repeat != r.repeat {
			t.Errorf("%s: %+v", r.email, r)
		}
		if kind := r.email.Kind(); EmailOf(kind) != r.email || !kind.IsEmail() {
			t.Errorf("%s: the kind %s sends %q", r.email, kind, EmailOf(kind))
		}
	}
	for _, kind := range append(outbox.Kinds(), "email.newer", "confirm", "email.") {
		if e := EmailOf(kind); e != NoEmail {
			t.Errorf("%s sends %s", kind, e)
		}
	}
}
