package operate

import (
	"context"
	"errors"
	"time"

	"newsletter/shared/privacy"
	"newsletter/shared/subscription"
)

// The commands on privacy requests received by letter. The operator has identified the sender.
var (
	PrivacyExport   = record("privacy export", exportPerson)
	PrivacyErase    = record("privacy erase", erasePerson)
	PrivacyRestrict = record("privacy restrict", restrictPerson)
	PrivacyRectify  = record("privacy rectify", rectifyPerson)
	PrivacyOpen     = record("privacy open", openRequest)
	PrivacyList     = read("privacy list", listRequests)
)

// exportPerson returns all data stored about the holder of an address, and records that it did.
func exportPerson(ctx context.Context, i *Installation, p Person) (d privacy.Document, err error) {
	address, err := parseAddress(p.Email)
	if err != nil {
		return d, err
	}
	uses, err := privacy.Uses(ctx, i.db)
	if err != nil {
		return d, err
	}
	record, err := i.store.ExportByLetter(ctx, address, visit("letter"))
	if err != nil {
		return d, err
	}
	return i.privacy.Describe(privacy.Document{
		Profile: record.Profile, Events: record.Events, Deliveries: record.Deliveries, Engagement: record.Engagement,
		Suppressions: record.Suppressions, PrivacyRequests: record.PrivacyRequests, Identities: record.Identities,
		EmailLog: record.EmailLog, Erasures: record.Erasures, RequestedFields: record.RequestedFields, Fields: i.fields,
	}, i.controller, uses, i.now()), nil
}

// PersonToErase is a request to erase the data of the holder of an address.
type PersonToErase struct {
	Email  string `json:"email"`
	Object bool   `json:"object,omitempty"` // keep a pseudonym of the address, so that it is never emailed again
}

// erasePerson erases all data. The outcome is "unchanged" if no data is kept.
func erasePerson(ctx context.Context, i *Installation, p PersonToErase) (Outcome, error) {
	address, err := parseAddress(p.Email)
	if err != nil {
		return Outcome{}, err
	}
	outcome, err := i.eraser.Erase(ctx, subscription.Erasure{Address: address, Object: p.Object, Visit: visit("letter")})
	return Outcome{outcome}, err
}

// restrictPerson restricts the use of the data. The outcome is "unchanged" if the address is suppressed already.
func restrictPerson(ctx context.Context, i *Installation, p Person) (Outcome, error) {
	address, err := parseAddress(p.Email)
	if err != nil {
		return Outcome{}, err
	}
	outcome, err := i.store.RestrictByLetter(ctx, address, visit("letter"))
	return Outcome{outcome}, explain(err)
}

// PersonToRectify names a subscriber and what replaces their data: another address, or values of declared fields.
type PersonToRectify struct {
	Email string `json:"email"`
	To    string `json:"to,omitempty"`
	// Fields are values by the names of their fields; an empty one removes the value, also of a field that is no longer
	// declared.
	Fields map[string]string `json:"fields,omitempty"`
}

// rectifyFields changes values of declared fields.
func rectifyFields(ctx context.Context, i *Installation, p PersonToRectify) (Outcome, error) {
	address, err := parseAddress(p.Email)
	if err != nil {
		return Outcome{}, err
	}
	changes := map[string]any{}
	for name, typed := range p.Fields {
		if changes[name] = nil; typed == "" {
			continue
		}
		if changes[name], err = i.fieldValue(name, typed); err != nil {
			return Outcome{}, err
		}
	}
	outcome, err := i.store.RectifyFields(ctx, address, changes, visit("letter"))
	return Outcome{outcome}, explain(err)
}

// rectifyPerson sends an email with a link to the new address, which moves the subscription when it is confirmed; or it
// changes values.
func rectifyPerson(ctx context.Context, i *Installation, p PersonToRectify) (Outcome, error) {
	switch {
	case (p.To == "") == (len(p.Fields) == 0):
		return Outcome{}, Wrong("name either the new address or fields")
	case p.To == "":
		return rectifyFields(ctx, i, p)
	}
	from, fromErr := parseAddress(p.Email)
	to, toErr := parseAddress(p.To)
	if err := errors.Join(fromErr, toErr); err != nil {
		return Outcome{}, err
	}
	outcome, err := i.eraser.RectifyByLetter(ctx, from, to, visit("letter"))
	switch {
	case err != nil:
		return Outcome{}, explain(err)
	case outcome == subscription.LinkUnknown:
		return Outcome{outcome}, Failed("the subscription is not active; nothing changed")
	case outcome == subscription.LinkOverBudget:
		return Outcome{outcome}, Failed("the link was sent before, and may be sent again later: once in 15 minutes, three times a day")
	}
	return Outcome{outcome}, nil
}

// explain returns the Refusal for an error about a person.
func explain(err error) error {
	switch {
	case errors.Is(err, subscription.ErrUnknown):
		return Failed("no data about this address; answer the letter with that")
	case errors.Is(err, subscription.ErrSameAddress):
		return Wrong("the new address is the present one")
	}
	return err
}

// LetterReceived is a request by letter whose due date is monitored.
type LetterReceived struct {
	Right    subscription.Right `json:"right"`
	Email    string             `json:"email"`
	Received time.Time          `json:"received"` // the day
}

// Due is when a request must be answered.
type Due struct {
	At time.Time `json:"at"`
}

// openRequest records a request. It is closed when the request is answered by its command.
func openRequest(ctx context.Context, i *Installation, l LetterReceived) (Due, error) {
	if err := CheckKnown("right", l.Right, subscription.Rights()); err != nil {
		return Due{}, err
	}
	address, err := parseAddress(l.Email)
	if err != nil {
		return Due{}, err
	}
	if l.Received.IsZero() || l.Received.After(i.now()) {
		return Due{}, Wrong("the date of receipt must not be in the future")
	}
	due, err := i.store.RecordPrivacyRequest(ctx, address, l.Right, l.Received)
	return Due{due}, explain(err)
}

// RequestFilter selects privacy requests.
type RequestFilter struct {
	Answered bool `json:"answered,omitempty"` // also answered ones
}

// PrivacyRequests are requests, the earliest due first.
type PrivacyRequests struct {
	List[subscription.PrivacyRequest]
	Overdue int `json:"overdue"`
}

func listRequests(ctx context.Context, i *Installation, f RequestFilter) (r PrivacyRequests, err error) {
	rows, err := i.store.ListPrivacyRequests(ctx, f.Answered)
	if err != nil {
		return r, err
	}
	for _, request := range rows {
		if request.DoneAt == nil && i.now().After(request.DueAt) {
			r.Overdue++
		}
	}
	r.List, err = list(rows)
	return r, err
}
