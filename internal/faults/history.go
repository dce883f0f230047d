package faults

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"newsletter/shared/token"
)

// Call is one request and its answer.
type Call struct {
	Number int
	Op     string // what was meant by it: "subscribe", "confirm" and so on
	Typed  string // the address that was sent, as it is known by: lower case, without spaces; empty if none was
	// Claims and Delivery are of the link that was used, and of the mail that it stood in.
	Claims     token.Claims
	Delivery   string
	Start, End time.Time
	Status     int    // 0: no answer came
	RequestID  string // empty without an answer
	RetryAfter bool   // the answer says when to come again
	Gateway    bool   // the answer is the gateway's own, for a function that gave none
	Repeats    int    // the number of the call whose end is not known and that this one repeats; 0 for none
	Input      string // of bad input: which
	Quiet      bool   // it was made after all faults had ended, alone
}

// unknown says that nobody can tell whether the call did what it was to do.
func (c Call) unknown() bool { return c.Status == 0 || c.Status >= 500 }

// Fault is something that was broken on purpose.
type Fault struct {
	Name       string
	Target     string // "postgres", "redis", "mail", "loops", or the function whose processes were killed
	Start, End time.Time
	Delivery   string // the mail whose answer was lost; empty for other faults
}

// overlaps says whether the fault was in force between two times.
func (f Fault) overlaps(from, to time.Time) bool { return f.Start.Before(to) && f.End.After(from) }

// Event is a row of the ledger, and when its transaction committed.
type Event struct {
	ID, SubscriberID, RequestEvent     uuid.UUID
	Kind, Outcome, From, To, RequestID string
	Channel                            string
	Returning                          bool
	Objected                           bool // an erasure by somebody who wants no mail ever after
	At, Committed                      time.Time
	Transaction                        int64 // transactions on one person are numbered in the order of their commits
}

// before says whether e's transaction came before other's. It is meant for events of one person.
func (e Event) before(other Event) bool {
	if e.Committed.Equal(other.Committed) {
		return e.Transaction < other.Transaction
	}
	return e.Committed.Before(other.Committed)
}

// Row is a row of subscribers.
type Row struct {
	ID          uuid.UUID
	Email, Norm string
	Status      string
	Epoch       int
}

// Delivery is a row of the outbox.
type Delivery struct {
	ID, SubscriberID, EventID uuid.UUID
	Kind, State, Outcome      string
	Attempts                  int
	Created, Finished         time.Time
}

// Mail is a mail that the mail service took.
type Mail struct {
	Delivery string // its tag
	To       string
	At       time.Time
}

// Mailed is how often the mail log counts a purpose for a folded address.
type Mailed struct {
	Fold, Purpose string
	Count         int
}

// History is everything that the checks look at. It holds no connection to what it was read from, so that tests can make
// histories that are wrong.
type History struct {
	Calls      []Call
	Faults     []Fault
	Days       int // how often a day was made to pass in the mail log
	Refused    int // mails that the mail service refused for good, as told
	Events     []Event
	Rows       []Row
	Deliveries []Delivery
	Mails      []Mail
	MailLog    []Mailed
	// Leftovers are ids of erased people of which something is kept, and what.
	Leftovers map[uuid.UUID]string
	Journal   map[uuid.UUID]bool // ledger events that the journal tells of
	Contacts  map[string]bool    // by address at the audience provider: whether it gets the newsletter
	Problems  []string           // requests that a double refused for their form
	Ledger    []string           // what the verification of the seals found
	Invalid   []string           // what migrate's validate found
	Broken    []string           // what went wrong with the tools of this program itself
}

// recorder collects calls and faults while they happen. It is safe for concurrent use.
type recorder struct {
	mu     sync.Mutex
	calls  []Call
	faults []Fault
	days   int
	broken []string    // what was wrong with the tools of this program
	open   map[int]act // calls whose end is not known and that nobody has repeated
}

// call keeps a call, numbers it, and remembers what it was if its end is not known.
func (r *recorder) call(c Call, a act) Call {
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

// unfinished gives the calls whose end is not known, as they are to be repeated, in their order.
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

func (r *recorder) fault(f Fault) {
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
