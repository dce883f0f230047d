package main

import (
	"net/url"
	"time"

	"newsletter/shared/catalog"
	"newsletter/shared/email"
	"newsletter/shared/httpapi"
	"newsletter/shared/outbox"
	"newsletter/shared/subscription"
	"newsletter/shared/token"
)

const (
	confirmPath     = "/api/newsletter/confirm"
	unsubscribePath = "/api/newsletter/unsubscribe"
	privacyPath     = "/api/newsletter/privacy"
)

// writer composes the email of a delivery, with newly signed links.
type writer struct {
	rings     map[token.Purpose]*token.Ring
	catalog   *catalog.Catalog
	publicURL httpapi.PublicURL
	now       func() time.Time
}

// compose returns the email of a delivery, or false for an unknown kind of email.
func (w writer) compose(d outbox.Delivery, to subscription.Recipient) (email.Message, bool) {
	words := w.catalog.For(to.Locale)
	leave := w.link(unsubscribePath, token.Claims{Purpose: token.Unsubscribe, SubscriberID: to.SubscriberID, Epoch: to.Epoch})
	letter := email.Content{Lang: words.Lang, Leave: words.Mails.Leave, UnsubscribeTo: leave, Footer: w.catalog.Footer}
	privacy := token.Claims{
		SubscriberID: to.SubscriberID, EventID: d.EventID, Epoch: to.Epoch, Expires: w.now().Add(token.PrivacyLifetime),
	}
	switch d.Kind {
	case outbox.EmailConfirm, outbox.EmailReminder:
		letter.Phrases = words.Mails.Confirm
		if d.Kind == outbox.EmailReminder {
			letter.Phrases = words.Mails.Reminder
		}
		letter.Link = w.link(confirmPath, token.Claims{
			Purpose: token.Confirm, SubscriberID: to.SubscriberID, EventID: d.EventID, Epoch: to.Epoch,
			Expires: w.now().Add(token.ConfirmLifetime),
		})
	case outbox.EmailAlreadySubscribed:
		letter.Phrases = words.Mails.AlreadySubscribed
	case outbox.EmailUnsubscribeLink:
		letter.Phrases, letter.Link, letter.Leave = words.Mails.UnsubscribeLink, leave, ""
	case outbox.EmailPrivacyExport:
		privacy.Purpose = token.Export
		letter.Phrases, letter.Link = words.Mails.PrivacyExport, w.link(privacyPath, privacy)
	case outbox.EmailPrivacyErase:
		privacy.Purpose = token.Erase
		letter.Phrases, letter.Link = words.Mails.PrivacyErase, w.link(privacyPath, privacy)
	default:
		return email.Message{}, false
	}
	message := email.Compose(letter)
	message.To, message.DeliveryID = to.Mailbox, d.ID.String()
	return message, true
}

func (w writer) link(path string, c token.Claims) string {
	return string(w.publicURL) + path + "?token=" + url.QueryEscape(w.rings[c.Purpose].Sign(c))
}
