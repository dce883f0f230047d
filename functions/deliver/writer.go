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
	claims := token.Claims{Purpose: token.Unsubscribe, Link: token.Link{SubscriberID: to.SubscriberID, Epoch: to.Epoch}}
	content := email.Content{
		Texts: texts.Emails[string(kind)], Lang: texts.Lang, Footer: w.catalog.Footer,
		UnsubscribeIntro: texts.UnsubscribeIntro, UnsubscribeTo: w.link(claims),
	}
	switch link := kind.Link(); link {
	case 0:
	case token.Unsubscribe: // once in the body
		content.Link, content.UnsubscribeIntro = content.UnsubscribeTo, ""
	default:
		claims.Purpose, claims.EventID, claims.Expires = link, d.EventID, link.Expiry(w.now())
		content.Link = w.link(claims)
	}
	message := email.Compose(content)
	message.To, message.DeliveryID = to.Mailbox, d.ID.String()
	return message, true
}

func (w writer) link(c token.Claims) string {
	return string(w.publicURL) + linkPaths[c.Purpose] + "?token=" + url.QueryEscape(w.rings[c.Purpose].Sign(c))
}
