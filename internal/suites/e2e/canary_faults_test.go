package e2e

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"newsletter/internal/fixtures/canary"
	"newsletter/internal/local/devstack"
)

// refused makes every service, and PostgreSQL, refuse at least once, with answers that quote the request.
func (f *flight) refused() {
	v := f.visitor("Jim", "127.66.3.3")
	quote := func(email string) string { return `{"message":"` + email + ` is not known, nor is 127.66.3.3"}` }
	refusals := []devstack.SESFault{
		{Status: 400, Code: "MessageRejected"}, {Status: 400, Code: "BadRequestException"}, {Status: 403, Code: "AccessDeniedException"},
		{Status: 400, Code: "AccountSuspendedException"}, {Status: 400, Code: "MailFromDomainNotVerifiedException"}, {Status: 500, Code: "InternalFailure"},
	}
	for i, refusal := range refusals {
		email := f.addressWith("Refused", []string{"", "+tag", "='o", "%x", "/a", ""}[i])
		quoted := []string{email, email, url.QueryEscape(email), url.QueryEscape(url.QueryEscape(email)), "<" + email + ">", email}[i]
		refusal.Message = "Email address is not verified: " + quoted + ", asked for by 127.66.3.3 and " + f.network("a refusal", "2001:db8:67:1::1")
		f.Fakes.SES.Fail(refusal)
		f.send(v, http.StatusAccepted, http.MethodPost, subscribePath, f.signUp(email, "refused"), asJSON)
		f.invoke("deliver", `{"scheduled":true}`) // fails if the refusal needs the owner
	}
	f.Fakes.SES.Heal()
	for _, status := range []int{http.StatusInternalServerError, http.StatusBadRequest, http.StatusForbidden} {
		jim := f.address("Jim")
		fault := devstack.Fault{Status: status, Body: quote(jim)}
		f.Fakes.Loops.Fail(fault, fault, fault)
		f.Fakes.Slack.Fail(fault)
		f.Fakes.Discord.Fail(fault)
		f.Fakes.Webhooks.Fail(fault)
		f.Fakes.GA4.Fail(fault)
		f.Fakes.Vector.Fail(fault, fault)
		f.Fakes.S3.Fail(fault, fault)
		f.Fakes.SNS.Fail(fault)
		f.Fakes.Captcha.Fail(devstack.CaptchaAnswer{Status: status, Body: quote(jim)})
		f.send(v, http.StatusAccepted, http.MethodPost, subscribePath, f.signUp(jim, "Jim"), asJSON)
		f.everySchedule()
		f.send(v, http.StatusOK, http.MethodPost, f.mailed("Jim's", v.mail(f.t, jim, 1).link(f.t, confirmPath)), agree, asForm)
		f.everySchedule()
	}
	f.tampers(f.t, "to make statements fail", "schema: not of a migration: function refuse() ",
		"schema: not of a migration: trigger subscribers.refuse ", "schema: not of a migration: constraint subscribers.nobody ")
	f.exec(f.t, `create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no row for %', new.email; end $$`)
	f.exec(f.t, `create trigger refuse before insert on subscribers for each row when (new.email_norm like 'cnry.raised%') execute function refuse()`)
	f.exec(f.t, `alter table subscribers add constraint nobody check (email_norm not like 'cnry.failing%')`)
	for _, name := range []string{"Raised", "Failing"} {
		f.send(v, http.StatusInternalServerError, http.MethodPost, subscribePath, f.signUp(f.addressWith(name, "='o"), name), asJSON)
	}
}

// withoutPostgres calls all routes while the database is unavailable.
func (f *flight) withoutPostgres() {
	v := f.visitor("Joan", "127.66.4.4")
	joan := f.address("Joan")
	leave := f.activate(v, joan, "Joan")
	f.send(v, http.StatusAccepted, http.MethodPost, privacyPath, `{"email":"`+joan+`","request":"erase"}`, asJSON)
	f.deliver(f.t)
	erase := f.mailed("Joan's to erase", v.mail(f.t, joan, 2).link(f.t, privacyPath))
	f.allowConnections(f.t, false)
	for path, body := range map[string]string{
		subscribePath: f.signUp(f.address("Lost"), "lost"), unsubscribePath: `{"email":"` + joan + `"}`, privacyPath: `{"email":"` + joan + `","request":"export"}`,
	} {
		f.send(v, http.StatusServiceUnavailable, http.MethodPost, path, body, asJSON)
	}
	f.send(v, http.StatusServiceUnavailable, http.MethodPost, erase, "email="+joan, asForm)
	f.send(v, http.StatusOK, http.MethodPost, leave, "List-Unsubscribe=One-Click", asForm)
	f.Fakes.Slack.Fail(devstack.Fault{Status: 500, Body: joan})
	for _, function := range []string{"health", "deliver", "maintain"} {
		f.invoke(function, `{"scheduled":true}`)
	}
	f.feedback()
	f.allowConnections(f.t, true)
	eventually(f.t, "the queued unsubscription to be applied", func() bool {
		return f.count(f.t, "subscribers where email_norm = lower($1) and status = 'unsubscribed'", joan) == 1
	})
	f.everySchedule()
}

// withoutRedis calls the rate-limited routes while Redis is unavailable.
func (f *flight) withoutRedis() {
	if err := f.redis.Record(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	f.redis.Kill()
	v := f.visitor("Jack", "127.66.5.5")
	f.send(v, http.StatusAccepted, http.MethodPost, subscribePath, f.signUp(f.address("Jack"), "Jack"), asJSON)
	f.send(v, http.StatusAccepted, http.MethodPost, unsubscribePath, `{"email":"`+f.address("Jack")+`"}`, asJSON)
	f.everySchedule()
	f.redis.Start()
}

// land stops the system and scans all of its output and stored data.
func (f *flight) land(dir string) {
	f.everySchedule()
	for _, record := range []error{f.redis.Record(f.t.Context()), f.db.Record(f.t.Context(), true)} {
		if record != nil {
			f.t.Fatal(record)
		}
	}
	f.finish(f.t)
	report, err := canary.Read(dir, f.values)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Logf("%d values planted; %s", len(f.values), report)
	for _, finding := range report.Findings {
		f.t.Error(finding)
	}
	for _, sink := range []canary.Sink{
		canary.Log, canary.Metrics, canary.Problem, canary.Answer, canary.Result, canary.Sentry, canary.Slack, canary.Discord, canary.Webhook,
		canary.GA4, canary.SNS, canary.SES, canary.Loops, canary.Captcha, canary.Vector, canary.Queue, canary.Journal, canary.Database, canary.Redis,
	} {
		if report.Entries[sink] == 0 {
			f.t.Errorf("%s received nothing, so nothing was scanned", sink)
		}
	}
	var titles []string
	for _, event := range f.Fakes.Sentry.Events() {
		titles = append(titles, string(event))
	}
	for _, cause := range []string{"no row for", "violates check constraint", "MessageRejected", "postgres: unavailable"} {
		if !slices.ContainsFunc(titles, func(event string) bool { return strings.Contains(event, cause) }) {
			f.t.Errorf("no report contains %q, so its quotes were not scanned", cause)
		}
	}
}
