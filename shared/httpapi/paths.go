package httpapi

// The paths of the visitors' routes, and of the events of Loops.
const (
	SubscribePath   = "/api/newsletter/subscribe"
	ConfirmPath     = "/api/newsletter/confirm"
	UnsubscribePath = "/api/newsletter/unsubscribe"
	PrivacyPath     = "/api/newsletter/privacy"
	LoopsPath       = "/api/newsletter/engagement/loops"
)
