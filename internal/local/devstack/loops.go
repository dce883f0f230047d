package devstack

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/mail"
	"net/url"
	"slices"
	"strings"

	"newsletter/internal/fixtures/canary"
)

// LoopsKey is the key that the fake of Loops takes.
const LoopsKey = "local-loops-key"

// LoopsContact is a contact as the fake of Loops keeps it.
type LoopsContact struct {
	ID           string          `json:"id"`
	Email        string          `json:"email"`
	UserID       *string         `json:"userId"`
	Source       string          `json:"source"`
	Subscribed   bool            `json:"subscribed"`
	MailingLists map[string]bool `json:"mailingLists"`
	OptInStatus  *string         `json:"optInStatus"`
	// Properties are the custom properties.
	Properties map[string]any `json:"-"`
	Suppressed bool           `json:"-"`
}

// LoopsEmail is a transactional mail that the fake sent.
type LoopsEmail struct {
	To              string            `json:"email"`
	TransactionalID string            `json:"transactionalId"`
	Variables       map[string]string `json:"dataVariables"`
	Key             string            `json:"-"`
}

// Loops is a fake of Loops (loops.so, API v1): contacts and transactional mails. It checks what the service checks,
// keeps what it is sent, and fails as Fail requests. It is safe for concurrent use.
type Loops struct {
	faults
	contacts  []*LoopsContact
	templates map[string][]string // transactional id: its data variables
	emails    []LoopsEmail
	keys      map[string]bool
	events    []LoopsEvent
	// properties are the custom properties of contacts by name, with their type.
	properties map[string]string
}

// Contacts returns all contacts, in the order of arrival.
func (l *Loops) Contacts() []LoopsContact {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []LoopsContact
	for _, c := range l.contacts {
		copied := *c
		copied.MailingLists = maps.Clone(c.MailingLists)
		all = append(all, copied)
	}
	return all
}

// Put makes or replaces a contact, as its owner or the person does over there.
func (l *Loops) Put(c LoopsContact) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remove(l.find("email", c.Email))
	l.add(&c)
}

// Remove deletes a contact, as its owner does over there.
func (l *Loops) Remove(email string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.find("email", email); c != nil {
		l.remove(c)
		l.emitChange(c, nil)
	}
}

// Template makes a transactional mail known.
func (l *Loops) Template(id string, variables ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.templates == nil {
		l.templates = map[string][]string{}
	}
	l.templates[id] = variables
}

// Emails returns the emails that were sent.
func (l *Loops) Emails() []LoopsEmail {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.emails)
}

// refusal is an answer that says no.
type refusal struct {
	status        int
	path, message string
}

func (r *refusal) Error() string { return fmt.Sprintf("%d %s %s", r.status, r.path, r.message) }

func badRequest(path, message string) error {
	return &refusal{http.StatusBadRequest, path, message}
}

// ServeHTTP implements http.Handler.
func (l *Loops) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.serve(canary.Loops, w, r, l.answer)
}

func (l *Loops) answer(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	var answer any
	if err = checkLoopsRequest(r, body); err == nil {
		answer, err = l.act(r, body)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Ratelimit-Limit", "10")
	w.Header().Set("X-Ratelimit-Remaining", "9")
	if no, refused := errors.AsType[*refusal](err); refused {
		if no.status != http.StatusNotFound && no.status != http.StatusConflict && no.message != propertyExists {
			l.problem(r.Method + " " + r.URL.Path + ": " + no.Error())
		}
		w.WriteHeader(no.status)
		answer = map[string]any{"success": false, "path": no.path, "message": no.message}
	}
	_ = json.NewEncoder(w).Encode(answer) // the client may have disconnected
}

// act performs the request.
func (l *Loops) act(r *http.Request, body []byte) (any, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch r.Method + " " + r.URL.Path {
	case "GET /api/v1/contacts/find":
		return l.findContact(r.URL.Query())
	case "GET /api/v1/contacts/suppression":
		return l.suppression(r.URL.Query())
	case "PUT /api/v1/contacts/update":
		return l.update(body)
	case "POST /api/v1/contacts/delete":
		return l.delete(body)
	case "POST /api/v1/contacts/properties":
		return l.createProperty(body)
	case "POST /api/v1/transactional":
		return l.transactional(body, r.Header.Get("Idempotency-Key"))
	}
	return nil, &refusal{http.StatusMethodNotAllowed, "", "no such call"}
}

func checkLoopsRequest(r *http.Request, body []byte) error {
	switch {
	case r.Header.Get("Authorization") != "Bearer "+LoopsKey:
		return &refusal{http.StatusUnauthorized, "", "Invalid API key"}
	case len(body) > 0 && r.Header.Get("Content-Type") != "application/json":
		return badRequest("", "the body is not declared as JSON")
	}
	return nil
}

// find returns the contact whose member name ("email" or "userId") is value.
func (l *Loops) find(name, value string) *LoopsContact {
	for _, c := range l.contacts {
		if name == "email" && strings.EqualFold(c.Email, value) || name == "userId" && c.UserID != nil && *c.UserID == value {
			return c
		}
	}
	return nil
}

func (l *Loops) add(c *LoopsContact) {
	if c.ID == "" {
		c.ID = fmt.Sprintf("local%08d", len(l.contacts)+1)
	}
	if c.MailingLists == nil {
		c.MailingLists = map[string]bool{}
	}
	l.contacts = append(l.contacts, c)
}

func (l *Loops) remove(c *LoopsContact) {
	l.contacts = slices.DeleteFunc(l.contacts, func(other *LoopsContact) bool { return other == c })
}

// findOne finds the contact that exactly one of "email" and "userId" names; there may be none.
func (l *Loops) findOne(names map[string]string) (*LoopsContact, error) {
	if len(names) != 1 {
		return nil, badRequest("", "exactly one of email and userId is needed")
	}
	for name, value := range names {
		if name != "email" && name != "userId" || value == "" {
			return nil, badRequest(name, "is not email or userId, or empty")
		}
		if _, err := mail.ParseAddress(value); name == "email" && err != nil {
			return nil, badRequest(name, "is not an address")
		}
		return l.find(name, value), nil
	}
	return nil, nil
}

func firstValues(query url.Values) map[string]string {
	names := map[string]string{}
	for name := range query {
		names[name] = query.Get(name)
	}
	return names
}

func (l *Loops) findContact(query url.Values) (any, error) {
	c, err := l.findOne(firstValues(query))
	if c == nil || err != nil {
		return []LoopsContact{}, err
	}
	return []LoopsContact{*c}, nil
}

func (l *Loops) suppression(query url.Values) (any, error) {
	c, err := l.findOne(firstValues(query))
	switch {
	case err != nil:
		return nil, err
	case c == nil:
		return nil, &refusal{http.StatusNotFound, "", "Contact not found."}
	}
	return map[string]any{
		"contact":      map[string]any{"id": c.ID, "email": c.Email, "userId": c.UserID},
		"isSuppressed": c.Suppressed, "removalQuota": map[string]int{"limit": 100, "remaining": 4},
	}, nil
}

func (l *Loops) delete(body []byte) (any, error) {
	var names map[string]string
	if err := json.Unmarshal(body, &names); err != nil {
		return nil, badRequest("", "is not JSON")
	}
	c, err := l.findOne(names)
	switch {
	case err != nil:
		return nil, err
	case c == nil:
		return nil, &refusal{http.StatusNotFound, "", "Contact not found."}
	}
	l.remove(c)
	l.emitChange(c, nil)
	return map[string]any{"success": true, "message": "Contact deleted."}, nil
}
