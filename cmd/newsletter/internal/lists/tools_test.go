package lists

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Lists as the field's tools write them: people who left there are not active here, and nobody's line is lost unseen.
func TestListsOfOtherTools(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		refused string   // parts of the error of the file, separated by |
		totals  string   // without an error
		active  []string // "address time-of-consent network"
	}{
		"beehiiv.csv":           {refused: `"unsubscribed_at": "2024-03-13 11:33:53 UTC" in line 3`},
		"buttondown.csv":        {refused: `"subscriber_type": "regular" in line 2|"unsubscription_date": "2024-05-06 07:08:09+00:00" in line 4`},
		"excel-german-ansi.csv": {refused: "line 2|save the list as UTF-8"},
		"excel-sep-line.csv":    {refused: `line 1: "sep="`},
		"excel-utf16.txt":       {refused: "line 1: the list is UTF-16"},
		"ghost.csv":             {refused: `"subscribed_to_emails": "false" in line 3|"deleted_at": "2023-01-01T00:00:00.000Z" in line 4`},
		"loops.csv":             {refused: `"subscribed": "FALSE" in line 3`},
		"mac-cr.csv":            {refused: "line 1: a carriage return without a line feed"},
		"mailchimp-unsubscribed.csv": {
			refused: `"UNSUB_TIME": "2022-07-08 09:10:11" in line 2|"UNSUB_REASON": "NORMAL"|"UNSUB_CAMPAIGN_ID"|"UNSUB_CAMPAIGN_TITLE"`,
		},
		"mailerlite.csv": {refused: `"Subscriber"`},
		"substack.csv":   {refused: `"email_disabled": "true" in line 4|"active_subscription": ""`},
		"excel-us-date.csv": {
			totals: "imported:1 times unreadable:1", active: []string{"xl.us@example.org - -"},
		},
		"kit.csv": {
			totals: "imported:1 refused: not_active:1", active: []string{"kt.on@example.org 2022-01-02T03:04:05Z -"},
		},
		"listmonk.csv": {totals: "refused: not_active:3"}, // "enabled" people may have left every list
		"mailchimp-german.csv": {
			totals: "imported:1", active: []string{"mc.german@example.org 2018-03-04T18:06:58Z 192.0.2.13"},
		},
		"mailchimp-no-address.csv": {
			totals: "imported:2", active: []string{"mcn.both@example.org 2021-05-04T08:12:00Z 192.0.2.11", "mcn.confirm@example.org 2021-06-04T08:12:00Z 192.0.2.12"},
		},
		"mailchimp-subscribed.csv": {
			totals: "imported:2", active: []string{"mc.blank@example.org 2021-06-04T08:12:00Z 192.0.2.12", "mc.full@example.org 2021-05-04T08:12:00Z 192.0.2.11"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			list, err := os.Open(filepath.Join("testdata", "tools", name))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = list.Close() }()
			totals, err := New(b.db, b.key, Options{}, time.Now).Run(t.Context(), list)
			active := b.Strings(`select s.email || ' ' || coalesce(e.data->>'original_at', '-') || ' ' || coalesce(host(c.ip), '-')
				from subscribers s join ledger_events e on e.id = s.request_event_id left join event_context c on c.event_id = e.id
				where s.status = 'active' order by s.email`)
			if strings.Join(active, "\n") != strings.Join(want.active, "\n") {
				t.Errorf("active: %q, want %q", active, want.active)
			}
			if want.refused == "" {
				if err != nil {
					t.Fatal(err)
				}
				b.expect(totals, want.totals)
				return
			}
			for part := range strings.SplitSeq(want.refused, "|") {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("%v, which lacks %q", err, part)
				}
			}
			if rows := b.CountRows(); rows["ledger_events"] != 0 || len(totals) != 0 {
				t.Errorf("something was written: %v %v", rows, totals)
			}
		})
	}
}

// With the owner's word lines that listmonk calls "enabled" are imported, and none that it blocked.
func TestTheOwnersWordDoesNotReviveAnybody(t *testing.T) {
	t.Parallel()
	b := setup(t)
	list, err := os.ReadFile(filepath.Join("testdata", "tools", "listmonk.csv"))
	if err != nil {
		t.Fatal(err)
	}
	b.expect(b.run(string(list), Options{Confirmed: true}), "imported:2 refused: not_active:1")
	got := b.Strings(`select s.email || ' ' || (e.data->>'original_at') from subscribers s join ledger_events e on e.id = s.request_event_id order by 1`)
	if fmt.Sprint(got) != "[lm.on@example.org 2023-05-01T10:20:30.123456Z lm.zone@example.org 2023-05-01T10:20:30.5Z]" {
		t.Errorf("%v", got)
	}
}

// A column or member that may mean an end refuses the list, whatever the tool calls it, and however it writes the
// answer; a clear sign of a subscription does not.
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
	judge := func(heading, value string) (csv, json error) {
		_, csv = readAll(fmt.Sprintf("email,%q\njane@example.org,%q\n", heading, value))
		_, json = readAll(fmt.Sprintf(`[{"email":"jane@example.org","x":{%q:[%q]}}]`, heading, value))
		return csv, json
	}
	for values, headings := range refused {
		for _, heading := range headings {
			for value := range strings.SplitSeq(values, "|") {
				csv, json := judge(heading, value)
				for _, err := range []error{csv, json} {
					ofJSON := errors.Is(err, json) && (heading == "consent" || heading == "locale" || heading == "source" || heading == "status")
					if (err == nil || !strings.Contains(err.Error(), heading)) && !ofJSON {
						t.Errorf("%s = %s is taken: %v", heading, value, err)
					}
				}
			}
		}
	}
	for values, headings := range plain {
		for _, heading := range headings {
			for value := range strings.SplitSeq(values, "|") {
				if csv, json := judge(heading, value); csv != nil || json != nil {
					t.Errorf("%s = %s is refused: %v %v", heading, value, csv, json)
				}
			}
		}
	}
}
