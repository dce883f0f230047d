package outbox

// The destinations besides Mail. The names stand in the outbox and in pauses: they are kept for ever.
const (
	Journal = "journal"
	Loops   = "loops"
	GA4     = "ga4"
	Slack   = "slack"
	Discord = "discord"
	SNS     = "sns"
)

// Webhook begins the name of an endpoint of the owner's, of which there may be several.
const Webhook = "webhook-"

// Destinations lists every destination of this version: Mail and those that have changes or alerts told to them. Endpoints
// of the owner's have names of their own, which begin with Webhook.
func Destinations() []string { return []string{Mail, Journal, Loops, GA4, Slack, Discord, SNS} }

// Kinds lists every kind of row that is queued. Expand turns announcements into further kinds: TellOf has their names.
func Kinds() []Kind {
	return []Kind{
		None, MailConfirm, MailReminder, MailAlreadySubscribed, MailUnsubscribeLink, MailPrivacyExport, MailPrivacyErase,
		Announce, AlertOpened, AlertReminded, AlertClosed,
	}
}
