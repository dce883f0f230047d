package outbox

// The destinations besides Email. The outbox and pauses store these names, so they never change.
const (
	Journal = "journal"
	Loops   = "loops"
	GA4     = "ga4"
	Slack   = "slack"
	Discord = "discord"
	SNS     = "sns"
)

// WebhookPrefix begins the name of a webhook endpoint, of which there may be several.
const WebhookPrefix = "webhook-"

// Destinations lists every destination of this version: Email and those that receive change events or alerts. Webhook
// endpoints are not included; their names begin with WebhookPrefix.
func Destinations() []string { return []string{Email, Journal, Loops, GA4, Slack, Discord, SNS} }

// Kinds lists every kind of message that is enqueued, except emails. Expand adds the kinds of NotifyOf.
func Kinds() []Kind {
	return []Kind{None, Change, AlertFiring, AlertRepeated, AlertResolved, CheckLoops}
}
