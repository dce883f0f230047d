package loops

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"newsletter/shared/outbox"
)

// Subscriber is a subscriber as sent to Loops.
type Subscriber struct {
	// Email is the address as typed.
	Email string
	// SubscriberID becomes the contact's user id, unless the contact has one already.
	SubscriberID string
	// Source is where the subscriber signed up, such as "footer"; empty keeps Loops' default ("API").
	Source string
	// UnsubscribeURL becomes the contact's property unsubscribeUrl, for the issues that the owner sends by Loops.
	UnsubscribeURL string
	// Properties are further properties of the contact.
	Properties []Property
	// Returning reports that the subscriber unsubscribed and later confirmed a new sign-up. That ends an unsubscribe at
	// Loops too; otherwise it remains.
	Returning bool
}

// Contact is a contact in Loops.
type Contact struct {
	ID           string          `json:"id"`
	Email        string          `json:"email"`
	UserID       string          `json:"userId"`
	Source       string          `json:"source"`
	Subscribed   bool            `json:"subscribed"`
	MailingLists map[string]bool `json:"mailingLists"`
	// OptInStatus is the answer to Loops' own double opt-in: "pending", "accepted", "rejected", or empty if it never
	// asked.
	OptInStatus string `json:"optInStatus"`
}

// update is the body of contacts/update. Subscribed is omitted where it would change nothing: true would end a
// concurrent unsubscribe at Loops.
type update struct {
	Email        string          `json:"email"`
	UserID       string          `json:"userId,omitempty"`
	Source       string          `json:"source,omitempty"`
	Subscribed   *bool           `json:"subscribed,omitempty"`
	MailingLists map[string]bool `json:"mailingLists,omitempty"`

	properties []Property // beside the members above
}

// Find returns the contact with an address, or nil.
func (l *Client) Find(ctx context.Context, email string) (*Contact, error) {
	var found []Contact
	err := l.call(ctx, call{method: http.MethodGet, path: "/api/v1/contacts/find?" + url.Values{"email": {email}}.Encode(), response: &found})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

// Subscribe creates or updates a contact that receives emails. The error is a *outbox.Failure.
func (l *Client) Subscribe(ctx context.Context, p Subscriber) (outbox.Outcome, error) {
	contact, err := l.Find(ctx, p.Email)
	if err != nil {
		return "", err
	}
	change := update{Email: p.Email, UserID: p.SubscriberID, Source: p.Source, MailingLists: l.lists(true), properties: p.properties()}
	if contact != nil {
		refusal, err := l.refusal(ctx, contact, p.Returning)
		if err != nil || refusal != "" {
			return refusal, err
		}
		change.Source = "" // keep the first source
		if contact.UserID != "" {
			change.UserID = ""
		}
		switch {
		case !contact.Subscribed:
			change.Subscribed = new(true)
		case !p.Returning && l.onAnyList(contact): // the subscriber may have left one of the others
			change.MailingLists = nil
		}
	}
	if err := l.createProperties(ctx, change.properties); err != nil {
		return "", err
	}
	if err := l.update(ctx, change); err != nil {
		return "", err
	}
	return outbox.Subscribed, nil
}

// refusal returns why a contact cannot be subscribed, or "" if it can.
func (l *Client) refusal(ctx context.Context, contact *Contact, returning bool) (outbox.Outcome, error) {
	switch suppressed, err := l.suppressed(ctx, contact.Email); {
	case err != nil:
		return "", err
	case suppressed:
		return outbox.RefusedSuppressed, nil
	case returning:
		return "", nil
	case contact.OptInStatus == "rejected":
		return outbox.RefusedDeclined, nil
	case !contact.Subscribed && contact.OptInStatus != "pending": // a confirmation here answers a pending opt-in
		return outbox.RefusedUnsubscribed, nil
	}
	return "", nil
}

// suppressed reports whether Loops suppresses a contact.
func (l *Client) suppressed(ctx context.Context, email string) (bool, error) {
	var status struct {
		IsSuppressed *bool `json:"isSuppressed"`
	}
	found, err := l.found(ctx, call{method: http.MethodGet, path: "/api/v1/contacts/suppression?" + url.Values{"email": {email}}.Encode(), response: &status})
	if err != nil || !found { // deleted meanwhile
		return false, err
	}
	if status.IsSuppressed == nil {
		return false, badResponse(errNoStatus)
	}
	return *status.IsSuppressed, nil
}

// Unsubscribe stops emails to a contact. It creates no contact. The error is a *outbox.Failure.
func (l *Client) Unsubscribe(ctx context.Context, p Subscriber) (outbox.Outcome, error) {
	contact, err := l.Find(ctx, p.Email)
	if err != nil {
		return "", err
	}
	if contact == nil { // an update would create one
		return outbox.Absent, nil
	}
	err = l.update(ctx, update{Email: p.Email, Subscribed: new(false), MailingLists: l.lists(false)})
	if err != nil {
		return "", err
	}
	return outbox.Unsubscribed, nil
}

// Check returns what Loops has of an address: Subscribed, Unsubscribed (from all email, or from every configured mailing
// list), or Absent. The error is a *outbox.Failure.
func (l *Client) Check(ctx context.Context, email string) (outbox.Outcome, error) {
	contact, err := l.Find(ctx, email)
	switch {
	case err != nil:
		return "", err
	case contact == nil:
		return outbox.Absent, nil
	case !contact.Subscribed:
		return outbox.Unsubscribed, nil
	case len(l.config.MailingLists) == 0 || l.onAnyList(contact):
		return outbox.Subscribed, nil
	}
	return outbox.Unsubscribed, nil
}

// onAnyList reports whether a contact is on a configured mailing list.
func (l *Client) onAnyList(contact *Contact) bool {
	return slices.ContainsFunc(l.config.MailingLists, func(id string) bool { return contact.MailingLists[id] })
}

// Delete deletes a contact by address, or by subscriber id if Email is empty. The error is a *outbox.Failure.
func (l *Client) Delete(ctx context.Context, p Subscriber) (outbox.Outcome, error) {
	body := map[string]string{"email": p.Email} // Loops accepts one of the two, not both
	if p.Email == "" {
		body = map[string]string{"userId": p.SubscriberID}
	}
	switch found, err := l.found(ctx, call{method: http.MethodPost, path: "/api/v1/contacts/delete", body: body}); {
	case err != nil:
		return "", err
	case !found:
		return outbox.Absent, nil
	}
	return outbox.Deleted, nil
}

func (l *Client) update(ctx context.Context, change update) error {
	return l.call(ctx, call{method: http.MethodPut, path: "/api/v1/contacts/update", body: change})
}

func (l *Client) lists(on bool) map[string]bool {
	lists := map[string]bool{}
	for _, id := range l.config.MailingLists {
		lists[id] = on
	}
	return lists
}
