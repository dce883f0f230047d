package devstack

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/mail"
	"regexp"
	"slices"
	"time"
)

// contactUpdate is the body of contacts/update, as far as it is used. Other members would be properties that the
// account has to know, so they are refused.
type contactUpdate struct {
	Email        *string         `json:"email"`
	UserID       *string         `json:"userId"`
	Source       *string         `json:"source"`
	Subscribed   *bool           `json:"subscribed"`
	MailingLists map[string]bool `json:"mailingLists"`
	properties   map[string]any
}

// readUpdate reads the body of contacts/update. Each member that is not listed is a property of the account, or one that every
// account has, with a value of its type; null resets it.
func (l *Loops) readUpdate(body []byte) (change contactUpdate, err error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return change, badRequest("", "the body is not as it should be: "+err.Error())
	}
	change.properties = map[string]any{}
	for name, member := range members {
		kind := l.properties[name]
		if name == "firstName" || name == "lastName" || name == "userGroup" {
			kind = "string"
		}
		if kind == "" {
			continue
		}
		var value any
		if err := json.Unmarshal(member, &value); err != nil || !fits(kind, value) {
			return change, badRequest(name, "has a value of another type")
		}
		change.properties[name] = value
		delete(members, name)
	}
	rest, err := json.Marshal(members)
	if err != nil {
		return change, err
	}
	return change, decodeStrictly(rest, &change)
}

// fits reports whether a value has the type of a property.
func fits(kind string, value any) bool {
	switch value := value.(type) {
	case nil:
		return true
	case bool:
		return kind == "boolean"
	case float64:
		return kind == "number" || kind == "date" // milliseconds
	case string:
		_, day := time.Parse(time.DateOnly, value)
		_, second := time.Parse(time.RFC3339, value)
		return kind == "string" || kind == "date" && (day == nil || second == nil)
	}
	return false
}

// update makes or changes a contact. "subscribed": true ends an unsubscription, as it does over there.
func (l *Loops) update(body []byte) (any, error) {
	change, err := l.readUpdate(body)
	if err != nil {
		return nil, err
	}
	var c *LoopsContact
	if change.Email != nil {
		if a, err := mail.ParseAddress(*change.Email); err != nil || a.Name != "" {
			return nil, badRequest("email", "is not an address")
		}
		c = l.find("email", *change.Email)
	}
	if change.UserID != nil {
		if *change.UserID == "" {
			return nil, badRequest("userId", "is empty")
		}
		same := l.find("userId", *change.UserID)
		if c != nil && same != nil && c != same {
			return nil, &refusal{http.StatusConflict, "userId", "belongs to another contact"}
		}
		if c == nil {
			c = same
		}
	}
	var before *LoopsContact
	if c == nil {
		if change.Email == nil {
			return nil, badRequest("email", "is missing")
		}
		c = &LoopsContact{Source: "API", Subscribed: true}
		l.add(c)
	} else {
		copied := *c
		copied.MailingLists = maps.Clone(c.MailingLists)
		before = &copied
	}
	change.apply(c)
	l.emitChange(before, c)
	return map[string]any{"success": true, "id": c.ID}, nil
}

func (u contactUpdate) apply(c *LoopsContact) {
	if u.Email != nil {
		c.Email = *u.Email
	}
	if u.UserID != nil {
		c.UserID = u.UserID
	}
	if u.Source != nil {
		c.Source = *u.Source
	}
	if u.Subscribed != nil {
		c.Subscribed = *u.Subscribed
	}
	for name, value := range u.properties {
		if c.Properties == nil {
			c.Properties = map[string]any{}
		}
		if c.Properties[name] = value; value == nil {
			delete(c.Properties, name)
		}
	}
	for id, on := range u.MailingLists {
		if on {
			c.MailingLists[id] = true
		} else {
			delete(c.MailingLists, id)
		}
	}
}

// propertyExists is the message for a property that the account has.
const propertyExists = "exists already"

// propertyName matches camelCase, which Loops asks for.
var propertyName = regexp.MustCompile(`^[a-z][A-Za-z0-9]*$`)

// createProperty makes a custom property of contacts.
func (l *Loops) createProperty(body []byte) (any, error) {
	var p struct{ Name, Type string }
	if err := decodeStrictly(body, &p); err != nil {
		return nil, err
	}
	switch {
	case !propertyName.MatchString(p.Name):
		return nil, badRequest("name", "is not in camelCase")
	case !slices.Contains([]string{"string", "number", "boolean", "date"}, p.Type):
		return nil, badRequest("type", "is none of the four")
	case l.properties[p.Name] != "":
		return nil, badRequest("name", propertyExists)
	case l.properties == nil:
		l.properties = map[string]string{}
	}
	l.properties[p.Name] = p.Type
	return map[string]any{"success": true}, nil
}

// transactional sends an email, once for each key.
func (l *Loops) transactional(body []byte, key string) (any, error) {
	var m struct {
		LoopsEmail
		AddToAudience bool `json:"addToAudience"`
	}
	if err := decodeStrictly(body, &m); err != nil {
		return nil, err
	}
	if a, err := mail.ParseAddress(m.To); err != nil || a.Name != "" {
		return nil, badRequest("email", "is not an address")
	}
	variables, known := l.templates[m.TransactionalID]
	switch {
	case !known:
		return nil, &refusal{http.StatusNotFound, "transactionalId", "Transactional email not found."}
	case key == "" || len(key) > 100:
		return nil, badRequest("Idempotency-Key", "is not of 1 to 100 letters")
	case l.keys[key]:
		return nil, &refusal{http.StatusConflict, "", "Idempotency key has been used."}
	}
	for _, name := range variables {
		if _, given := m.Variables[name]; !given {
			return nil, badRequest("dataVariables", name+" is missing")
		}
	}
	if l.keys == nil {
		l.keys = map[string]bool{}
	}
	l.keys[key] = true
	if m.AddToAudience && l.find("email", m.To) == nil {
		l.add(&LoopsContact{Email: m.To, Source: "API", Subscribed: true})
	}
	m.Key = key
	l.emails = append(slices.Clone(l.emails), m.LoopsEmail)
	return map[string]any{"success": true}, nil
}

func decodeStrictly(body []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return badRequest("", "the body is not as it should be: "+err.Error())
	}
	return nil
}
