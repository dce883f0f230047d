package outbox

// The destinations besides Email. The names stand in the outbox and in pauses: they are kept for ever.
const (
	Journal = "journal"
	Loops   = "loops"
	GA4     = "ga4"
	Slack   = "slack"
	Discord = "discord"
	SNS     = "sns"
)

// WebhookPrefix begins the name of an endpoint of the owner's, of which there may be several.
const WebhookPrefix = "webhook-"

// Destinations lists every destination of this version: Email and those that have changes or alerts told to them. Endpoints
// of the owner's have names of their own, which begin with WebhookPrefix.
func Destinations() []string { return []string{Email, Journal, Loops, GA4, Slack, Discord, SNS} }

// Kinds lists every kind of row that is queued. Expand turns announcements into further kinds: NotifyOf has their names.
func Kinds() []Kind {
	return []Kind{
		None, EmailConfirm, EmailReminder, EmailAlreadySubscribed, EmailUnsubscribeLink, EmailPrivacyExport, EmailPrivacyErase,
		Change, AlertFiring, AlertRepeated, AlertResolved,
	}
}
