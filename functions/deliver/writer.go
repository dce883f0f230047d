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
	texts := w.catalog.For(to.Locale)
	unsubscribe := w.link(unsubscribePath, token.Claims{Purpose: token.Unsubscribe, SubscriberID: to.SubscriberID, Epoch: to.Epoch})
	content := email.Content{Lang: texts.Lang, UnsubscribeIntro: texts.Emails.UnsubscribeIntro, UnsubscribeTo: unsubscribe, Footer: w.catalog.Footer}
	privacy := token.Claims{
		SubscriberID: to.SubscriberID, EventID: d.EventID, Epoch: to.Epoch, Expires: w.now().Add(token.PrivacyLifetime),
	}
	switch d.Kind {
	case outbox.EmailConfirm, outbox.EmailReminder:
		content.Texts = texts.Emails.Confirm
		if d.Kind == outbox.EmailReminder {
			content.Texts = texts.Emails.Reminder
		}
		content.Link = w.link(confirmPath, token.Claims{
			Purpose: token.Confirm, SubscriberID: to.SubscriberID, EventID: d.EventID, Epoch: to.Epoch,
			Expires: w.now().Add(token.ConfirmLifetime),
		})
	case outbox.EmailAlreadySubscribed:
		content.Texts = texts.Emails.AlreadySubscribed
	case outbox.EmailUnsubscribeLink:
		content.Texts, content.Link, content.UnsubscribeIntro = texts.Emails.UnsubscribeLink, unsubscribe, ""
	case outbox.EmailPrivacyExport:
		privacy.Purpose = token.Export
		content.Texts, content.Link = texts.Emails.PrivacyExport, w.link(privacyPath, privacy)
	case outbox.EmailPrivacyErase:
		privacy.Purpose = token.Erase
		content.Texts, content.Link = texts.Emails.PrivacyErase, w.link(privacyPath, privacy)
	default:
		return email.Message{}, false
	}
	message := email.Compose(content)
	message.To, message.DeliveryID = to.Mailbox, d.ID.String()
	return message, true
}

func (w writer) link(path string, c token.Claims) string {
	return string(w.publicURL) + path + "?token=" + url.QueryEscape(w.rings[c.Purpose].Sign(c))
}
