package lists

import (
	"fmt"
	"slices"
	"strings"
)

// Meaning is the meaning of a column, as layouts.toml and the flag --map name it.
type Meaning string

// The meanings. In a column of the first group, a value decides about the state of the person.
const (
	Status     Meaning = "status"     // a word
	Subscribed Meaning = "subscribed" // yes, no or a time
	Confirmed  Meaning = "confirmed"  // the same
	Left       Meaning = "left"       // empty or no, or yes, a time or a reason
	Bounced    Meaning = "bounced"    // the same
	Blocked    Meaning = "suppressed" // the same
	Complained Meaning = "complained" // the same

	Email        Meaning = "email"
	ConfirmedAt  Meaning = "confirmed_at"
	SubscribedAt Meaning = "subscribed_at"
	CreatedAt    Meaning = "created_at"
	EndedAt      Meaning = "ended_at" // a time; who has one left, unless a status says more
	ConfirmIP    Meaning = "confirm_ip"
	OptInIP      Meaning = "optin_ip"
	IP           Meaning = "ip"
	Locale       Meaning = "locale"
	Evidence     Meaning = "evidence"
	TextVersion  Meaning = "consent_version"
	Page         Meaning = "page"
	PageOrWord   Meaning = "source" // a page if it is a URL; other words, such as "API", are ignored
	Referrer     Meaning = "referrer"
	UTMSource    Meaning = "utm_source"
	UTMMedium    Meaning = "utm_medium"
	UTMCampaign  Meaning = "utm_campaign"
	UserAgent    Meaning = "user_agent"
	Ignored      Meaning = "ignored"
)

// Meanings returns all meanings.
func Meanings() []Meaning {
	return []Meaning{
		Status, Subscribed, Confirmed, Left, Bounced, Blocked, Complained, Email, ConfirmedAt, SubscribedAt, CreatedAt, EndedAt, ConfirmIP, OptInIP, IP, Locale, Evidence,
		TextVersion, Page, PageOrWord, Referrer, UTMSource, UTMMedium, UTMCampaign, UserAgent, Ignored,
	}
}

// fieldPrefix begins the meaning of a column with the values of a declared field.
const fieldPrefix = "field."

// field returns the name of the declared field whose values a column has; empty for none.
func (m Meaning) field() string {
	name, found := strings.CutPrefix(string(m), fieldPrefix)
	if !found {
		return ""
	}
	return name
}

// decides reports whether the values of a column decide about the state of a person.
func (m Meaning) decides() bool {
	return slices.Contains([]Meaning{Status, Subscribed, Confirmed, Left, Bounced, Blocked, Complained, EndedAt}, m)
}

// known are the headings whose meaning does not depend on a layout, as joinWords returns them.
var known = func() map[string]Meaning {
	all := map[string]Meaning{}
	for meaning, names := range map[Meaning]string{
		Email:        "email emailaddress emailadresse adresseemail adressemail courriel",
		Status:       "status",
		Subscribed:   "subscribed",
		Confirmed:    "confirmed",
		Left:         "unsubscribed unsubscribedat unsubscribetime unsubscribedate unsubscriptiondate dateunsubscribed unsubtime optout optedout optoutat optouttime optoutdate",
		Bounced:      "bounced bouncedat bouncedate hardbounced",
		Complained:   "complained complainedat",
		ConfirmedAt:  "confirmedat confirmedon confirmtime confirmdate confirmationtime confirmationdate",
		SubscribedAt: "subscribedat subscribedon subscribetime subscribedate subscriptiondate datesubscribed optintime optindate optinat requestedat signupat signuptime signupdate signedupat",
		CreatedAt:    "createdat created creationdate createdate createdtime datecreated timestamp date dateadded addedat addedtime datum",
		ConfirmIP:    "confirmip confirmedip confirmationip",
		OptInIP:      "optinip signupip subscribeip",
		IP:           "ip ipaddress",
		Locale:       "locale language lang",
		Evidence:     "evidence consent consenttext",
		TextVersion:  "consentversion",
		Page:         "page",
		PageOrWord:   "source url signupsource",
		Referrer:     "referrer",
		UTMSource:    "utmsource",
		UTMMedium:    "utmmedium",
		UTMCampaign:  "utmcampaign",
		UserAgent:    "useragent",
	} {
		for name := range strings.FieldsSeq(names) {
			all[name] = meaning
		}
	}
	return all
}()

// ParseMeaning returns the meaning of a name. The error lists all.
func ParseMeaning(name string) (Meaning, error) {
	if slices.Contains(Meanings(), Meaning(name)) {
		return Meaning(name), nil
	}
	if strings.HasPrefix(name, fieldPrefix) { // Open checks that it is declared
		return Meaning(name), nil
	}
	names := make([]string, 0, len(Meanings()))
	for _, m := range Meanings() {
		names = append(names, string(m))
	}
	return "", fmt.Errorf("unknown meaning %q; known: %s", name, strings.Join(append(names, fieldPrefix+"NAME of a declared field"), ", "))
}
