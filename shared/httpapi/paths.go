package httpapi

import "net/url"

// The paths of the routes for visitors, servers and Loops.
const (
	SubscribePath   = "/api/newsletter/subscribe"
	ConfirmPath     = "/api/newsletter/confirm"
	UnsubscribePath = "/api/newsletter/unsubscribe"
	PrivacyPath     = "/api/newsletter/privacy"
	LoopsPath       = "/api/newsletter/engagement/loops"
	// For servers with a key.
	SuppressionsPath = "/api/newsletter/suppressions"
	SubscriberPath   = "/api/newsletter/subscribers" + pathID
)

// Link returns the link in an email to a path, with a token.
func (p PublicURL) Link(path, token string) string {
	return string(p) + path + "?token=" + url.QueryEscape(token)
}
