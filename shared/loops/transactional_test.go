package loops

import (
	"testing"
	"time"

	"newsletter/internal/local/devstack"
	"newsletter/shared/outbox"
)

func TestEmailIsSentOnce(t *testing.T) {
	b := setup(t)
	b.fake.Template("welcome", "name", "link")
	m := Email{To: jane, TransactionalID: "welcome", Key: "k1", Variables: map[string]string{"name": "Jane", "link": "https://example.org/a?b=c&d"}}
	b.fake.Fail(devstack.Fault{Lost: true}) // executed, but the response is lost
	if f := failure(t, b.Send(t.Context(), m)); f != (outbox.Failure{Cause: "unreachable"}) {
		t.Errorf("%+v", f)
	}
	for range 2 {
		if err := b.Send(t.Context(), m); err != nil {
			t.Error(err)
		}
	}
	emails := b.fake.Emails()
	if len(emails) != 1 || emails[0].To != jane || emails[0].Key != "k1" || emails[0].Variables["link"] != "https://example.org/a?b=c&d" {
		t.Errorf("%+v", emails)
	}
	if all := b.fake.Contacts(); len(all) != 0 {
		t.Errorf("an email created a contact: %+v", all)
	}
}

func TestTemplateNeedsOwner(t *testing.T) {
	notSetUp := outbox.Failure{Cause: "not_set_up", NeedsOwner: true}
	for name, test := range map[string]struct {
		body string
		want outbox.Failure
	}{
		"a variable":        {`{"success":false,"path":"dataVariables.name","message":"missing"}`, notSetUp},
		"nested":            {`{"success":false,"error":{"path":"dataVariables","message":"missing"},"transactionalId":"t"}`, notSetUp},
		"not published":     {`{"success":false,"path":"transactionalId","message":"not published"}`, notSetUp},
		"the address":       {`{"success":false,"path":"email","message":"x"}`, outbox.Failure{Cause: "bad_request", Permanent: true}},
		"a sentence":        {`{"error":"no"}`, outbox.Failure{Cause: "bad_request", Permanent: true}},
		"nothing to be had": {``, outbox.Failure{Cause: "bad_request", Permanent: true}},
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t)
			b.fake.Fail(devstack.Fault{Status: 400, Body: test.body})
			if got := failure(t, b.Send(t.Context(), Email{To: jane, TransactionalID: "t", Key: "k"})); got != test.want {
				t.Errorf("%+v", got)
			}
		})
	}
	t.Run("unknown", func(t *testing.T) {
		b := setup(t)
		if got := failure(t, b.Send(t.Context(), Email{To: jane, TransactionalID: "t", Key: "k"})); got != notSetUp {
			t.Errorf("%+v", got)
		}
	})
}

func TestThrottledEmail(t *testing.T) {
	b := setup(t)
	b.fake.Template("welcome")
	b.fake.Fail(devstack.Fault{Status: 429, RetryAfter: 2})
	got := failure(t, b.Send(t.Context(), Email{To: jane, TransactionalID: "welcome", Key: "k"}))
	if got != (outbox.Failure{Cause: "throttled", AffectsDestination: true, RetryAfter: 2 * time.Second}) {
		t.Errorf("%+v", got)
	}
}
