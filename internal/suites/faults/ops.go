package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/shared/httpapi"
	"newsletter/shared/ledger"
	"newsletter/shared/subscription"
	"newsletter/shared/token"
)

// The names of operations in the checks.
const (
	opSubscribe = "subscribe"
	opConfirm   = "confirm"
	opNotMe     = "not-me"
	opLeave     = "one-click"
	opAskLeave  = "ask-leave"
	opAskExport = "ask-export"
	opAskErase  = "ask-erase"
	opExport    = "export"
	opErase     = "erase"
	opMistyped  = "erase-mistyped"
	opLook      = "look"
	opBad       = "bad-input"
	opSuppress  = "suppress"
	opExpire    = "expire"
)

// weights are the relative frequencies of operations.
var weights = []struct {
	op     string
	weight int
}{
	{opSubscribe, 300}, {opConfirm, 180}, {opNotMe, 25}, {opLeave, 120}, {opAskLeave, 40}, {opAskExport, 30}, {opAskErase, 60},
	{opExport, 30}, {opErase, 70}, {opMistyped, 10}, {opLook, 60}, {opBad, 60}, {opSuppress, 4}, {opExpire, 4},
}

// rivals are operations on one person that run at the same time.
var rivals = [][2]string{
	{opSubscribe, opErase}, {opConfirm, opLeave}, {opConfirm, opErase}, {opConfirm, opConfirm}, {opSubscribe, opSubscribe},
	{opLeave, opSubscribe}, {opNotMe, opConfirm}, {opErase, opErase}, {opErase, opLeave}, {opSubscribe, opSuppress}, {opErase, opNotMe},
	{opConfirm, opExpire}, {opExport, opErase},
}

func choose(random *rand.Rand) string {
	total := 0
	for _, w := range weights {
		total += w.weight
	}
	n := random.IntN(total)
	for _, w := range weights {
		if n -= w.weight; n < 0 {
			return w.op
		}
	}
	return opSubscribe
}

// people creates the addresses: most are independent, some are spellings of one mailbox.
func people(n int) []string {
	all := make([]string, n)
	for i := range all {
		switch i % 10 {
		case 7:
			all[i] = fmt.Sprintf("p.%d@gmail.com", i)
		case 8:
			all[i] = fmt.Sprintf("p%d@gmail.com", i-1) // the same mailbox as the previous one
		case 9:
			all[i] = fmt.Sprintf("p%d+list@example.net", i)
		default:
			all[i] = fmt.Sprintf("p%d@example.org", i)
		}
	}
	return all
}

// spell returns one of the spellings of an address that people type.
func spell(random *rand.Rand, address string) string {
	switch random.IntN(5) {
	case 0:
		return strings.ToUpper(address)
	case 1:
		return " " + address + " "
	case 2:
		return strings.ToUpper(address[:1]) + address[1:]
	}
	return address
}

// act is an operation that was chosen: a request, or something without a route.
type act struct {
	call    call
	request request
	direct  func(ctx context.Context, requestID string) error
}

// plan chooses an operation on an address. It becomes a sign-up if the required link is missing.
func (r *run) plan(random *rand.Rand, op, address string) act {
	a := act{call: call{Op: op, Typed: address}}
	fields := map[string]string{"email": spell(random, address)}
	form := random.IntN(3) == 0
	post := func(path string) act {
		kind, body := encoded(form, fields)
		a.request = request{http.MethodPost, path, kind, body}
		return a
	}
	switch op {
	case opAskLeave:
		return post(httpapi.UnsubscribePath)
	case opAskExport, opAskErase:
		fields["request"] = strings.TrimPrefix(op, "ask-")
		return post(httpapi.PrivacyPath)
	case opBad:
		return r.planBad(random)
	case opExpire:
		return act{call: call{Op: op}, direct: r.expire}
	case opSuppress:
		a.direct = func(ctx context.Context, requestID string) error { return r.suppress(ctx, address, requestID) }
		return a
	case opSubscribe:
	default:
		if planned, found := r.planLink(random, op, address); found {
			return planned
		}
		a.call.Op = opSubscribe
	}
	switch random.IntN(20) {
	case 0:
		fields["website"] = "https://spam.example"
	case 1:
		fields["locale"] = "de"
	case 2:
		fields["locale"], fields["started_at"] = "en_US", "yesterday"
	}
	return post(httpapi.SubscribePath)
}

// planLink plans an operation that needs a link from an email.
func (r *run) planLink(random *rand.Rand, op, address string) (act, bool) {
	purpose := map[string]token.Purpose{
		opConfirm: token.Confirm, opNotMe: token.Confirm, opLeave: token.Unsubscribe, opExport: token.Export, opErase: token.Erase,
		opMistyped: token.Erase, opLook: []token.Purpose{token.Confirm, token.Unsubscribe, token.Export, token.Erase}[random.IntN(4)],
	}[op]
	used, found := r.mailbox.pick(random, purpose, address)
	if !found {
		return act{}, false
	}
	a := act{
		call:    call{Op: op, Typed: used.To, Claims: used.Claims, Delivery: used.Delivery},
		request: request{method: http.MethodPost, path: used.Path},
	}
	form := random.IntN(2) == 0
	switch op {
	case opLook:
		a.request.method = []string{http.MethodGet, http.MethodHead}[random.IntN(2)]
	case opConfirm:
		a.request.kind, a.request.body = encoded(true, map[string]string{"agree": "yes"})
	case opNotMe:
		a.request.kind, a.request.body = encoded(true, map[string]string{"action": "decline", "email": spell(random, used.To)})
	case opLeave:
		a.request.kind, a.request.body = oneClick(random)
	case opMistyped:
		a.request.kind, a.request.body = encoded(form, map[string]string{"email": "another.person@example.org"})
	case opErase:
		a.request.kind, a.request.body = asJSON, fmt.Sprintf(`{"email":%q,"object":%t}`, spell(random, address), random.IntN(12) == 0)
		if form {
			a.request.kind, a.request.body = encoded(true, map[string]string{"email": spell(random, address)})
		}
	}
	return a, true
}

// oneClick returns the body of a one-click request as email programs send it.
func oneClick(random *rand.Rand) (kind, body string) {
	switch random.IntN(3) {
	case 0:
		return asForm, "List-Unsubscribe=One-Click"
	case 1:
		return "multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n"
	}
	return "", ""
}

func (r *run) suppress(ctx context.Context, address, requestID string) error {
	parsed, err := subscription.ParseAddress(address)
	if err != nil {
		return err
	}
	_, err = r.system.store.Suppress(ctx, subscription.Suppression{
		Address: parsed, Reason: subscription.Complaint, Actor: ledger.Provider, Visit: subscription.Visit{RequestID: requestID, Channel: "faults"},
	})
	return err
}

// expire expires a pending request, as the schedule does.
func (r *run) expire(ctx context.Context, _ string) error {
	err := r.system.admin(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `update subscribers set requested_at = requested_at - interval '8 days'
			where id = (select id from subscribers where status = 'pending' order by id limit 1 for update skip locked)`)
		return err
	})
	if err != nil {
		return err
	}
	result, err := r.system.Lambda.Invoke(ctx, "maintain", []byte(`{"scheduled":true}`))
	if err == nil && result.FunctionError != "" {
		err = errors.New(string(result.Payload))
	}
	return err
}

// directs numbers the operations without a route.
type directs struct{ n atomic.Int64 }

func (d *directs) id() string { return fmt.Sprintf("faults-%d", d.n.Add(1)) }

// do performs an operation and records the result.
func (r *run) do(ctx context.Context, v *visitor, a act) call {
	if a.direct == nil {
		return r.recorder.call(v.send(ctx, a.call, a.request), a)
	}
	done := a.call
	done.RequestID, done.Start = r.directs.id(), time.Now()
	if err := a.direct(ctx, done.RequestID); err == nil {
		done.Status = http.StatusOK
	}
	done.End = time.Now()
	return r.recorder.call(done, a)
}
