package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/internal/local/devstack"
	"newsletter/internal/suites/fullstack"
	"newsletter/shared/config"
	"newsletter/shared/httpapi"
	"newsletter/shared/redistls"
)

// A stage is a running system whose time the attackers can let pass. Its functions run as deployed; deliver runs when it
// is called.
type stage struct {
	*fullstack.Stack
	passed   time.Duration // since the start
	inbox    []letter
	networks int // used so far
	shift    []string

	mu       sync.Mutex
	statuses map[int]int
}

// letter is an email, with the time on the stage's clock at which it was sent.
type letter struct {
	to, kind string
	at       time.Duration
	links    []string
}

// request is a request from a network of its own, unless it names one.
type request struct {
	path, body string
	network    int // 0: a new one
}

func subscribe(address string) request {
	return request{path: httpapi.SubscribePath, body: fmt.Sprintf(`{"email":%q}`, address)}
}

func linkTo(path, address, right string) request {
	body := map[string]string{"email": address}
	if right != "" {
		body["request"] = right
	}
	text, _ := json.Marshal(body) // cannot fail
	return request{path: path, body: string(text)}
}

// columnsSQL lists the times of the database that move. Those of the statistics are keys and decide nothing here.
const columnsSQL = `
select format('update %I set %s', c.table_name, string_agg(format('%I = %I - $1::interval', column_name, column_name), ', '))
from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
where table_schema = 'public' and table_type = 'BASE TABLE' and data_type = 'timestamp with time zone'
  and c.table_name not like 'goose%' and c.table_name not like 'migrat%' and c.table_name not in ('request_stats', 'health_samples', 'ledger_seals')
group by c.table_name`

func newStage(ctx context.Context) (*stage, error) {
	stack, err := fullstack.Start(ctx, "attackers", 6, func(o *devstack.Options) {
		// Burst detection is optional and holds look-alike sign-ups for the owner, who takes no part here. All rounds of the
		// neighbor share the rate of all email, which would blur what each of them sees.
		o.NoSchedules, o.Variables = true, map[string]string{
			"DELIVERY_LINGER": "0s", "MAIL_RATE_PER_MINUTE": "10000", "UPSTASH_VECTOR_REST_URL": "", "UPSTASH_VECTOR_REST_TOKEN": "",
		}
	})
	if err != nil {
		return nil, err
	}
	s := &stage{Stack: stack, statuses: map[int]int{}}
	rows, err := s.Admin.Query(ctx, columnsSQL)
	if err == nil {
		s.shift, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	if err != nil {
		stack.Stop()
		return nil, err
	}
	return s, nil
}

// pass lets time pass: everything that the database knows becomes older, and the limiter forgets.
func (s *stage) pass(ctx context.Context, d time.Duration) error {
	s.passed += d
	for _, sql := range s.shift {
		if _, err := s.Admin.Exec(ctx, sql, d); err != nil {
			return fmt.Errorf("let time pass: %w", err)
		}
	}
	client, err := redistls.New(redistls.Config{URL: config.Seal(s.Redis.URL), CAFile: s.Redis.CAFile})
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	return client.FlushAll(ctx).Err()
}

// deliver sends what may leave now, waits until SES has reported it, and collects the emails.
func (s *stage) deliver(ctx context.Context) error {
	result, err := s.Lambda.Invoke(ctx, "deliver", []byte(`{"scheduled":true}`))
	if err != nil || result.FunctionError != "" {
		return fmt.Errorf("deliver: %w %s", err, result.Payload)
	}
	kinds := map[string]string{}
	rows, err := s.Admin.Query(ctx, `select id::text, kind from outbox where kind like 'email.%' and state = 'done'`)
	if err != nil {
		return err
	}
	var id, kind string
	if _, err := pgx.ForEachRow(rows, []any{&id, &kind}, func() error { kinds[id] = kind; return nil }); err != nil {
		return err
	}
	for _, m := range s.Fakes.SES.Since(len(s.inbox)) {
		s.inbox = append(s.inbox, letter{m.To, kinds[m.Tags["delivery"]], s.passed, m.Links})
	}
	for range 600 {
		var reported int
		if err := s.Admin.QueryRow(ctx, `select count(distinct delivery_id) from engagement_events`).Scan(&reported); err != nil || reported >= len(s.inbox) {
			return err
		}
		pause(ctx, 50*time.Millisecond)
	}
	return fmt.Errorf("SES's reports of %d emails did not arrive", len(s.inbox))
}

// settle delivers until nothing waits for the rate of a minute.
func (s *stage) settle(ctx context.Context) error {
	for {
		if err := s.deliver(ctx); err != nil {
			return err
		}
		var left int
		if err := s.Admin.QueryRow(ctx, `select count(*) from outbox where state = 'ready' and (waits_for in ('rate', 'domain') or due_at <= now())`).Scan(&left); err != nil || left == 0 {
			return err
		}
		if err := s.pass(ctx, time.Minute); err != nil {
			return err
		}
	}
}

// from returns a visitor of a network; of a new one for 0.
func (s *stage) from(network int) *visitor {
	s.mu.Lock()
	defer s.mu.Unlock()
	if network == 0 {
		s.networks++
		network = 1000 + s.networks
	}
	return newVisitor(s.BaseURL, fmt.Sprintf("127.%d.%d.7", 1+network/250%250, 1+network%250), agents[network%len(agents)])
}

// send sends requests concurrently and returns their answers, as "status text".
func (s *stage) send(ctx context.Context, requests ...request) []string {
	answers := make([]string, len(requests))
	var sending sync.WaitGroup
	slots := make(chan struct{}, side)
	for i, r := range requests {
		slots <- struct{}{}
		sending.Go(func() {
			defer func() { <-slots }()
			v := s.from(r.network)
			defer v.client.CloseIdleConnections()
			status, text := v.exchange(ctx, r.path, r.body)
			s.mu.Lock()
			s.statuses[status]++
			s.mu.Unlock()
			answers[i] = fmt.Sprint(status, " ", text)
		})
	}
	sending.Wait()
	return answers
}

// received returns the emails to an address since a time.
func (s *stage) received(address string, since time.Duration) (all []letter) {
	for _, l := range s.inbox {
		if l.to == address && l.at >= since {
			all = append(all, l)
		}
	}
	return all
}

// confirm presses the confirm button of the newest email to an address, and reports whether there is one that works.
func (s *stage) confirm(ctx context.Context, address string) bool {
	letters := s.received(address, 0)
	for i := len(letters) - 1; i >= 0; i-- {
		for _, link := range letters[i].links {
			if u, err := url.Parse(link); err == nil && u.Path == httpapi.ConfirmPath {
				return strings.HasPrefix(s.send(ctx, request{path: u.RequestURI(), body: "agree=yes"})[0], "200")
			}
		}
	}
	return false
}
