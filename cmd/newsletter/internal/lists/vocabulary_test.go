package lists

import (
	"fmt"
	"strings"
	"testing"

	"newsletter/shared/subscription"
)

// A column or member that may mean an end subscribes nobody, whatever the tool calls it, and however it writes the
// answer: it is understood, or the list is refused; a clear sign of a subscription does not.
func TestWhatMayMeanAnEnd(t *testing.T) {
	t.Parallel()
	refused := map[string][]string{ // headings, each with values of which every one refuses the list
		"true|yes|1|x|on|2024-01-02|2024-01-02T03:04:05Z|3/4/2024|Ja|oui|something else": {
			"unsubscribed", "Unsubscribed At", "UNSUB_TIME", "unsubscribe_date", "opt_out", "OptOut", "opted-out", "HasOptedOutOfEmail", "email_opt_out", "bounced", "hard_bounce",
			"bounceDate", "Complained", "spam_complaint", "deleted", "deleted_at", "isDeleted", "blocked", "BLOCKLISTED", "blacklisted", "disabled", "email_disabled", "cleaned",
			"CLEAN_TIME", "suppressed", "suppression_reason", "inactive", "do_not_email", "DoNotEmail", "Do Not Mail", "dont_contact", "no_email", "No Newsletter",
			"cancelled_at", "canceled", "expired", "removed_on", "rejected", "undeliverable", "invalid", "not_subscribed", "no longer subscribed", "left_at", "left",
			"end_date", "ended", "banned", "archived", "paused", "consent_withdrawn", "revoked_at", "objection", "churned_at",
			"abgemeldet", "Abgemeldet am", "Abmeldedatum", "ausgetragen", "gekündigt", "Kündigung", "gelöscht", "Löschdatum", "gesperrt", "Sperre", "inaktiv", "deaktiviert",
			"Widerruf", "widersprochen", "Widerspruch", "unzustellbar", "kein Newsletter", "Nicht anschreiben", "Beschwerde", "abbestellt",
			"désabonné", "Désabonnement", "désinscrit", "date de désinscription", "résilié", "supprimé", "bloqué", "désactivé", "inactif", "plainte", "refusé", "ne pas contacter", "opposition",
		},
		"false|no|0|off|nein|non|FALSE|never|not given|refused|unsubscribed": {
			"subscribed", "subscribed_to_emails", "isSubscribed", "active", "is_active", "enabled", "opt_in", "optIn", "confirmed", "marketing", "Accepts Marketing", "accepts_email_marketing",
			"newsletter", "Email permission", "consent", "gdpr", "receives_emails", "allow_email", "valid", "email_verified", "approved",
			"abonniert", "aktiv", "angemeldet", "bestätigt", "Einwilligung", "Zustimmung", "DSGVO",
			"abonné", "inscrit", "actif", "confirmé", "consentement", "RGPD",
		},
		"1|true|something|7|single": {"status", "Email Status", "subscription_status", "memberStatus", "statut"},
		"unsubscribed|Unsubscribed|bounced x|hard-bounced|x, unsubscribed|blacklisted|inactive|Gelöscht|désabonné|abgemeldet|pending": {"tags", "anything", "group", "Kategorie", "locale", "source"},
	}
	plain := map[string][]string{
		"|false|0|no|nein|non": {"unsubscribed", "unsubscribed_at", "email_disabled", "deleted_at", "opt_out", "bounces", "do_not_email", "gelöscht", "désabonné"},
		"true|1|yes|ja|oui|2024-01-02 03:04:05|active|subscribed": {"subscribed", "subscribed_to_emails", "active", "opt_in", "Accepts Marketing", "abonniert", "inscrit"},
		"|active|Subscribed|confirmed|opted-in|aktiv|abonné":      {"status", "Subscription Status", "Statut"},
		"|Rome|Blockley|0|no|Stop|End|Jane Left|the end of it all, unsubscribed from the rest of the world": {
			"name", "first_name", "Last Name", "city", "notes", "tags", "gender", "friend", "company", "phone", "member_rating", "LEID", "TIMEZONE", "attributes", "object_id", "Weekend", "about",
		},
		"|false|3/4/2022|https://www.example.org/x": {"subscriber_id", "subscription_date_text_id", "last_active_date", "consent_url", "newsletter_name"},
	}
	judge := func(heading, value string) (csv, json string) {
		outcome := func(list string) string {
			people, err := readAll(list)
			if err != nil {
				return err.Error()
			}
			return string(people[0].State)
		}
		return outcome(fmt.Sprintf("email,%q\njane@example.org,%q\n", heading, value)),
			outcome(fmt.Sprintf(`[{"email":"jane@example.org","x":{%q:[%q]}}]`, heading, value))
	}
	for values, headings := range refused {
		for _, heading := range headings {
			for value := range strings.SplitSeq(values, "|") {
				csv, json := judge(heading, value)
				for n, got := range []string{csv, json} {
					ofJSON := n == 1 && (heading == "consent" || heading == "locale" || heading == "source" || heading == "status")
					if got == string(subscription.ListIn) && !ofJSON {
						t.Errorf("%s = %s is taken as in", heading, value)
					}
				}
			}
		}
	}
	for values, headings := range plain {
		for _, heading := range headings {
			for value := range strings.SplitSeq(values, "|") {
				if csv, json := judge(heading, value); csv != string(subscription.ListIn) || json != csv {
					t.Errorf("%s = %s is refused: %v %v", heading, value, csv, json)
				}
			}
		}
	}
}
