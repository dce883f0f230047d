package httpapi

// The paths of the visitors' routes.
const (
	SubscribePath   = "/api/newsletter/subscribe"
	ConfirmPath     = "/api/newsletter/confirm"
	UnsubscribePath = "/api/newsletter/unsubscribe"
	PrivacyPath     = "/api/newsletter/privacy"
)
