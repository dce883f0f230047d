package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"newsletter/internal/devstack"
	"newsletter/shared/config"
	"newsletter/shared/histogram"
	"newsletter/shared/redistls"
	"newsletter/shared/statistics"
	"newsletter/shared/telemetry"
)

// story is trouble that comes, is told, and goes, in one system.
type story struct {
	thresholds map[string]string
	alerts     []string // all that are opened, each once: "rule", or "rule/subject"
	happens    func(t *testing.T, w *watch)
}

var stories = map[string]story{
	"servers are lost": {
		map[string]string{"ALERTS_LIMITER_DOWN_MAX": "1s", "ALERTS_OBJECTIVE_PERCENT": "97"},
		[]string{"limiter", "database", "errors/fast", "errors/slow", "errors/creeping"}, serversAreLost,
	},
	"nobody hears of emails":  {nil, []string{"feedback_missing", "feedback_unreadable"}, nobodyHears},
	"mails fail":              {nil, []string{"bounces", "dead_letters", "mail_paused"}, mailsFail},
	"strangers are signed up": {map[string]string{"SIGNUP_DISPOSABLE_DOMAINS": "hold"}, []string{"signup_burst", "held/disposable", "bombing"}, strangersAreSignedUp},
	"work is left undone": {
		map[string]string{"ALERTS_OUTBOX_AGE_MAX": "2s"},
		[]string{"privacy_due", "check/migrations", "slower/subscribe POST", "trend/confirm GET", "outbox_age", "deliveries/loops"}, workIsLeftUndone,
	},
}

// Every alert is provoked by its cause, told once to every channel, told again while it lasts, and told to be over; and
// no other one is opened on the way.
func TestEveryAlertFiresAndResolves(t *testing.T) {
	t.Parallel()
	for name, s := range stories {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWatch(t, s.thresholds)
			w.become(nil)
			s.happens(t, w)
			w.become(nil)
			w.verify(s.alerts)
		})
	}
}

func TestEveryRuleHasAScenario(t *testing.T) {
	t.Parallel()
	told := map[string]bool{}
	for _, s := range stories {
		for _, about := range s.alerts {
			rule, _, _ := strings.Cut(about, "/")
			told[rule] = true
		}
	}
	if got, want := slices.Sorted(maps.Keys(told)), slices.Sorted(maps.Keys(pageOfAlerts(t))); !slices.Equal(got, want) {
		t.Errorf("stories of %q, rules %q", got, want)
	}
}

// serversAreLost loses Redis, and then PostgreSQL while visitors come.
func serversAreLost(t *testing.T, w *watch) {
	v := newVisitor(w.base, "127.60.1.1")
	v.subscribe(t, "jane@example.org")
	w.deliver(t)
	link := v.mail(t, "jane@example.org", 1).link(t, confirmPath)

	w.redis.Kill()
	w.opens("limiter")
	w.reminds()
	w.redis.Start()
	w.ends("limiter")

	w.allowConnections(t, false)
	for range 12 {
		if got := v.send(t, http.MethodPost, subscribePath, `{"email":"during@example.org"}`, asJSON); got.Status != http.StatusServiceUnavailable {
			t.Fatalf("without PostgreSQL: %d", got.Status)
		}
	}
	said := func(title string) bool {
		w.lookTwiceAtOnce()
		return slices.Contains(titles(w.Fakes.SNS.Messages()), title)
	}
	eventually(t, "the loss to be told", func() bool { return said("critical: The database does not answer") })
	eventually(t, "a reminder", func() bool { return said("critical: Still: The database does not answer") })
	if n := w.Lambda.Environments("health"); n < 2 {
		t.Errorf("%d environments looked", n)
	}
	w.allowConnections(t, true)
	eventually(t, "its end", func() bool {
		w.look() // with deliver, which tells it
		return said("good: Over: The database does not answer")
	})
	if n := w.count(t, "outbox where event_id in (select id from alerts where rule = 'database') and kind not like 'alert.resolved%'"); n != 0 {
		t.Errorf("%d deliveries tell what was told directly", n)
	}

	w.opens("errors/fast", "errors/slow", "errors/creeping")
	w.reminds()
	eventually(t, "enough good answers", func() bool {
		for range 100 {
			if got := v.send(t, http.MethodPost, link, ""); got.Status != http.StatusOK {
				t.Fatalf("confirm: %d", got.Status)
			}
		}
		return len(w.look()) == 0
	})
}

// mailsFail lets addresses bounce, Amazon SES refuse a mail for good, and the owner stop all mail.
func mailsFail(t *testing.T, w *watch) {
	v := newVisitor(w.base, "127.61.1.1")
	for i := range 5 {
		v.subscribe(t, fmt.Sprintf("bounce%d@example.org", i))
	}
	w.deliver(t)
	eventually(t, "the bounces to be recorded", func() bool { return w.count(t, "engagement_events where kind = 'bounce'") == 5 })
	w.opens("bounces")
	w.Fakes.SES.Fail(devstack.SESFault{Status: http.StatusBadRequest, Code: "MessageRejected"})
	v.subscribe(t, "refused@example.org")
	w.opens("dead_letters")
	w.operator(t, "destination", "pause", "email")
	w.opens("mail_paused")
	w.reminds()

	w.operator(t, "outbox", "retry", "--all")
	w.ends("dead_letters")
	if mails := v.inbox(t, "refused@example.org"); len(mails) != 0 {
		t.Errorf("%d mails left while all mail is paused", len(mails))
	}
	w.operator(t, "destination", "resume", "email") // what bounced before that was the owner's to judge
	w.ends("mail_paused", "bounces")
}

// nobodyHears turns the event destination of SES off, and lets SES say what nobody understands.
func nobodyHears(t *testing.T, w *watch) {
	v := newVisitor(w.base, "127.64.1.1")
	w.Fakes.SES.SetPublishing(false)
	for i := range 3 {
		v.subscribe(t, fmt.Sprintf("unheard%d@example.org", i))
	}
	w.deliver(t)
	w.become(nil) // they have left just now
	w.exec(t, "update outbox set finished_at = finished_at - interval '61 minutes' where outcome = 'sent'")
	w.opens("feedback_missing")
	w.reminds()
	w.Fakes.SES.SetPublishing(true)
	v.subscribe(t, "heard@example.org")
	w.ends("feedback_missing")

	event, err := os.ReadFile(filepath.Join(root, "events", "engagement", "unreadable.json"))
	if err != nil {
		t.Fatal(err)
	}
	w.invoke(t, "engagement", string(event))
	w.opens("feedback_unreadable")
	w.reminds()
	w.exec(t, "update engagement_events set at = at - interval '1 day' where kind = 'unreadable'") // as time passes
	w.ends("feedback_unreadable")
}

// strangersAreSignedUp lets one robot sign up people who do not confirm.
func strangersAreSignedUp(t *testing.T, w *watch) {
	v := newVisitor(w.base, "127.62.1.1")
	address := func(i int) string { return fmt.Sprintf("mia.schulz%03d@gmail.com", i) }
	signUps := 0
	eventually(t, "a wave to be held", func() bool {
		for range 10 {
			v.subscribe(t, address(signUps))
			signUps++
		}
		w.deliver(t)
		return w.count(t, "outbox where state = 'held' and hold_reason = 'signup_burst'") > 0
	})
	w.opens("signup_burst")
	v.subscribe(t, "away@mailinator.com")
	w.opens("held/disposable")
	w.exec(t, "update subscribers set requested_at = requested_at - interval '2 minutes'") // the last minute does not count yet
	w.exec(t, "update ledger_events set at = at - interval '2 minutes'")
	w.opens("bombing")
	w.reminds()

	w.operator(t, "hold", "reject", "--all")
	w.ends("signup_burst", "held/disposable")
	for i := range signUps / 5 {
		if got := v.send(t, http.MethodPost, v.mail(t, address(i), 1).link(t, confirmPath), ""); got.Status != http.StatusOK {
			t.Fatalf("confirm: %d", got.Status)
		}
	}
	w.ends("bombing")
}

// workIsLeftUndone leaves a letter unanswered, routes slow, a migration undone, and the outbox full.
func workIsLeftUndone(t *testing.T, w *watch) {
	v := newVisitor(w.base, "127.63.1.1")
	const address = "letter@example.org"
	activate(t, w.stack, v, address)
	w.deliver(t)
	w.operator(t, "privacy", "open", "--received", time.Now().AddDate(0, 0, -25).Format(time.DateOnly), "export", address)
	w.opens("privacy_due")

	const history = `insert into request_stats select 3600, at, $1, 2, false, $2 + $3 * n, 100 from generate_series(1, $4::integer) as n, lateral (select `
	w.exec(t, history+`date_trunc('hour', now()) + make_interval(hours => hour) - n * interval '7 days' as at from generate_series(-1, 1) as hour) as times`,
		"subscribe POST", histogram.Bucket(20*time.Millisecond), 0, 6)
	eventually(t, "slow requests of the last minutes to be folded", func() bool {
		w.answersSlowly("subscribe POST", 300*time.Millisecond)
		w.look()
		return w.count(t, "request_stats where span = 300 and endpoint = 'subscribe POST' and requests >= 60") >= 5
	})
	w.opens("slower/subscribe POST")
	w.exec(t, history+`date_trunc('day', now(), 'UTC') - n * interval '1 day' as at) as times`,
		"confirm GET", histogram.Bucket(190*time.Millisecond), -1, 14)
	w.Lambda.Kill("health") // each environment looks at days once an hour
	w.opens("trend/confirm GET")
	const newest = "where version_id = (select max(version_id) from goose_db_version)"
	w.exec(t, "update goose_db_version set is_applied = false "+newest) // as if the functions were newer than the schema
	w.opens("check/migrations")
	w.reminds()

	w.exec(t, "update goose_db_version set is_applied = true "+newest)
	w.ends("check/migrations")
	w.exec(t, "update request_stats set slot = slot - interval '1 hour' where span < 3600") // as time passes
	w.ends("slower/subscribe POST")
	w.exec(t, "update request_stats set slot = slot - interval '241 hours' where endpoint = 'confirm GET' and slot < now() - interval '12 hours'")
	w.Lambda.Kill("health")
	w.ends("trend/confirm GET")
	w.operator(t, "privacy", "export", address)
	w.ends("privacy_due")

	w.asleep = true
	v.subscribe(t, "waits@example.org")
	w.opens("outbox_age")
	w.reminds()
	w.asleep = false
	w.ends("outbox_age")

	w.Fakes.Loops.Fail(slices.Repeat([]devstack.Fault{{Status: http.StatusServiceUnavailable}}, 20)...)
	activate(t, w.stack, v, "told-later@example.org")
	w.opens("deliveries/loops")
	w.reminds()
	w.Fakes.Loops.Heal()
	w.exec(t, "update outbox set due_at = now() where state = 'ready'") // as time passes
	w.ends("deliveries/loops")
}

// answersSlowly counts requests of the last five times five minutes, as other environments would have.
func (w *watch) answersSlowly(endpoint string, took time.Duration) {
	w.t.Helper()
	client, err := redistls.New(redistls.Config{URL: config.Seal(w.redis.URL), CAFile: w.redis.CAFile})
	if err != nil {
		w.t.Fatal(err)
	}
	defer client.Close()
	if err := redistls.Warm(w.t.Context(), client); err != nil {
		w.t.Fatal(err)
	}
	for i := range 5 {
		at := time.Now().Truncate(5 * time.Minute).Add(time.Duration(-1-i) * 5 * time.Minute)
		recorder := statistics.NewRecorder(client, func() time.Time { return at })
		for range 60 {
			recorder.Count(telemetry.Request{Endpoint: endpoint, Status: http.StatusAccepted, Duration: took})
		}
		recorder.Close(w.t.Context())
	}
}
