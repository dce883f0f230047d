package main

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"newsletter/shared/token"
)

// call is a request and its answer.
type call struct {
	Number int
	Op     string // the operation: "subscribe", "confirm" and so on
	Typed  string // the normalized address that was sent; empty if none was
	// claims and delivery are those of the link that was used and of its email.
	Claims     token.Claims
	Delivery   string
	Start, End time.Time
	Status     int    // 0: no answer
	RequestID  string // empty without an answer
	RetryAfter bool   // the answer has Retry-After
	Gateway    bool   // the gateway answered, because the function did not
	Repeats    int    // the number of the call with an unknown outcome that this one repeats; 0 for none
	Input      string // the name of a bad input
	Quiet      bool   // made alone, after all faults had ended
}

// unknown reports whether the outcome of the call is unknown.
func (c call) unknown() bool { return c.Status == 0 || c.Status >= 500 }

// fault is something that was broken on purpose.
type fault struct {
	Name       string
	Target     string // "postgres", "redis", "mail", "loops", or the function whose processes were killed
	Start, End time.Time
	Delivery   string // the email whose answer was lost; empty for other faults
}

// overlaps reports whether the fault was active between two times.
func (f fault) overlaps(from, to time.Time) bool { return f.Start.Before(to) && f.End.After(from) }

// event is a row of the ledger with its commit time.
type event struct {
	ID, SubscriberID, RequestEvent     uuid.UUID
	Kind, Outcome, From, To, RequestID string
	Channel                            string
	Purpose                            string // the email that a link was requested by
	Returning                          bool
	Objected                           bool // an erasure combined with an objection to all email
	At, Committed                      time.Time
	Transaction                        int64 // numbers transactions on one person in commit order
}

// before reports whether e's transaction came before other's. Both must be events of one person.
func (e event) before(other event) bool {
	if e.Committed.Equal(other.Committed) {
		return e.Transaction < other.Transaction
	}
	return e.Committed.Before(other.Committed)
}

// Row is a row of subscribers.
type row struct {
	ID          uuid.UUID
	Email, Norm string
	Status      string
	Epoch       int
}

// delivery is a row of the outbox.
type delivery struct {
	ID, SubscriberID, EventID uuid.UUID
	Kind, State, Outcome      string
	Attempts                  int
	Created, Finished         time.Time
	Erased                    bool // deleted by an erasure and restored from its email: state and attempts are unknown
}

// email is an email that the email service accepted.
type email struct {
	Delivery string // its tag
	To       string
	At       time.Time
}

// emailCount is the count of a purpose for a canonical mailbox in email_log.
type emailCount struct {
	Mailbox, Purpose string
	Count            int
}

// history is everything that the checks read. It has no connection to its sources, so that tests can write invalid
// histories.
type history struct {
	Calls      []call
	Faults     []fault
	Days       int // how often a day passed in email_log
	Refused    int // emails that the email service refused permanently, as instructed
	Events     []event
	Rows       []row
	Deliveries []delivery
	Emails     []email
	Feedback   map[string]int // recorded events of deliveries, by email.Delivery
	EmailLog   []emailCount
	// Leftovers describes what is left of erased people, by id.
	Leftovers map[uuid.UUID]string
	Journal   map[uuid.UUID]bool // ledger events in the journal
	Contacts  map[string]bool    // by address in Loops: whether it is subscribed
	Problems  []string           // malformed requests that a fake refused
	Ledger    []string           // findings of the verification of the seals
	Invalid   []string           // problems found by migrate's validate
	Broken    []string           // failures of this program itself
}

// recorder collects calls and faults as they happen. It is safe for concurrent use.
type recorder struct {
	mu     sync.Mutex
	calls  []call
	faults []fault
	days   int
	broken []string    // failures of this program
	open   map[int]act // calls with an unknown outcome that were not repeated
}

// call records and numbers a call, and remembers it if its outcome is unknown.
func (r *recorder) call(c call, a act) call {
	r.mu.Lock()
	defer r.mu.Unlock()
	c.Number = len(r.calls) + 1
	r.calls = append(r.calls, c)
	delete(r.open, c.Repeats)
	if c.unknown() {
		if r.open == nil {
			r.open = map[int]act{}
		}
		r.open[c.Number] = a
	}
	return c
}

// unfinished returns the calls with an unknown outcome in order, for repetition.
func (r *recorder) unfinished() []act {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []act
	for _, number := range slices.Sorted(maps.Keys(r.open)) {
		a := r.open[number]
		a.call.Repeats, a.call.Quiet = number, true
		all = append(all, a)
	}
	return all
}

func (r *recorder) fault(f fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = append(r.faults, f)
}

func (r *recorder) dayPassed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.days++
}

func (r *recorder) problem(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broken = append(r.broken, text)
}

func (r *recorder) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.calls)
}
