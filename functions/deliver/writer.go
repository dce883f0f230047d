package main

import (
	"time"

	"newsletter/shared/catalog"
	"newsletter/shared/email"
	"newsletter/shared/httpapi"
	"newsletter/shared/outbox"
	"newsletter/shared/subscription"
	"newsletter/shared/token"
)

const (
	confirmPath     = httpapi.ConfirmPath
	unsubscribePath = httpapi.UnsubscribePath
	privacyPath     = httpapi.PrivacyPath
)

// writer composes the email of a delivery, with newly signed links.
type writer struct {
	rings     map[token.Purpose]*token.Ring
	catalog   *catalog.Catalog
	publicURL httpapi.PublicURL
	now       func() time.Time
}

// linkPaths are the paths of links by what they allow.
var linkPaths = map[token.Purpose]string{
	token.Confirm: confirmPath, token.Unsubscribe: unsubscribePath, token.Export: privacyPath, token.Erase: privacyPath,
}

// compose returns the email of a delivery, or false for an unknown kind of email.
func (w writer) compose(d outbox.Delivery, to subscription.Recipient) (email.Message, bool) {
	kind := subscription.EmailOf(d.Kind)
	if kind == subscription.NoEmail {
		return email.Message{}, false
	}
	texts := w.catalog.For(string(to.Locale))
	content := email.Content{
		Texts: texts.Emails[string(kind)], Lang: texts.Lang, Footer: w.catalog.Footer,
		UnsubscribeIntro: texts.UnsubscribeIntro, UnsubscribeTo: w.unsubscribeLink(to),
	}
	switch link := kind.Link(); link {
	case 0:
	case token.Unsubscribe: // once in the body
		content.Link, content.UnsubscribeIntro = content.UnsubscribeTo, ""
	default:
		content.Link = w.link(token.Claims{
			Purpose: link, Link: token.Link{SubscriberID: to.SubscriberID, Epoch: to.Epoch, EventID: d.EventID}, Expires: link.Expiry(w.now()),
		})
	}
	message := email.Compose(content)
	message.To, message.DeliveryID = to.Mailbox, d.ID.String()
	return message, true
}

// unsubscribeLink returns the link by which a subscriber unsubscribes, for any sender's emails. It never expires.
func (w writer) unsubscribeLink(to subscription.Recipient) string {
	return w.link(token.Claims{Purpose: token.Unsubscribe, Link: token.Link{SubscriberID: to.SubscriberID, Epoch: to.Epoch}})
}

func (w writer) link(c token.Claims) string {
	return w.publicURL.Link(linkPaths[c.Purpose], w.rings[c.Purpose].Sign(c))
}
