package httpapi

import "net/url"

// The paths of the visitors' routes, and of the events of Loops.
const (
	SubscribePath   = "/api/newsletter/subscribe"
	ConfirmPath     = "/api/newsletter/confirm"
	UnsubscribePath = "/api/newsletter/unsubscribe"
	PrivacyPath     = "/api/newsletter/privacy"
	LoopsPath       = "/api/newsletter/engagement/loops"
)

// Link returns the link in an email to a path, with a token.
func (p PublicURL) Link(path, token string) string {
	return string(p) + path + "?token=" + url.QueryEscape(token)
}
