package lists

import (
	"slices"
	"strings"

	"newsletter/shared/subscription"
)

// The vocabulary is that of the field's tools (Mailchimp, Brevo, Kit, MailerLite, Ghost, Substack, beehiiv, Buttondown,
// Loops, listmonk, Mautic, HubSpot, Shopify) and of people who keep lists, in English, German and French. Words are
// written as joinWords returns them, and cut where their forms differ.
var (
	// subscribedValues are values of a status.
	subscribedValues = []string{
		"active", "subscribed", "confirmed", "optedin", "optin", "doubleoptin",
		"aktiv", "abonniert", "angemeldet", "eingetragen", "bestatigt", "bestaetigt",
		"actif", "abonne", "abonnee", "inscrit", "inscrite", "confirme", "confirmee",
	}
	// pendingValues are values of a status. "Enabled" is listmonk's for an account that is not blocked, whether or not it is
	// subscribed to anything.
	pendingValues = []string{
		"pending", "unconfirmed", "unactivated", "unverified", "notconfirmed", "waiting", "enabled",
		"ausstehend", "wartend", "unbestatigt", "unbestaetigt", "nichtbestatigt", "enattente", "nonconfirme", "nonconfirmee",
	}
	// endRoots are the roots of words that speak of an end: in headings and statuses anywhere, in other values at the
	// beginning.
	endRoots = []string{
		"unsub", "nonsub", "notsub", "neversub", "optout", "optedout", "signoff", "signedoff", "nolonger", "bounc", "hardbounc", "softbounc", "complain", "complaint", "spam", "suppress",
		"blocklist", "blacklist", "denylist", "undeliver", "donot", "dontemail", "dontmail", "dontcontact", "nomail", "noemail", "nocontact", "nomarketing", "nonewsletter",
		"unconfirm", "unactiv", "unverif", "unvalid", "nonconfirm",
		"abgemeldet", "abgemeld", "abmeld", "abbestell", "ausgetrag", "austrag", "widerruf", "widerspr", "unzustell", "unbestat", "unbestaet", "beschwer",
		"desabon", "desinscri", "resili", "nonabon", "noninscri", "plainte",
	}
	// endRootsOfStatus are roots of words that speak of an end in headings and statuses alone: elsewhere they may be a name.
	endRootsOfStatus = []string{
		"delet", "remov", "block", "deny", "denied", "disab", "clean", "cancel", "expir", "inactiv", "deactiv", "invalid", "reject", "refus", "declin", "exclu",
		"withdr", "revok", "revoc", "objection", "objected", "opposed", "churn", "laps", "archiv", "paus", "snooz", "muted", "abuse", "purge", "trash", "erase", "erasure",
		"forgot", "forget", "fail", "disallow", "unapprov", "disapprov", "dormant", "transactional",
		"inaktiv", "deaktiv", "losch", "loesch", "sperr", "kundig", "kuendig", "ungultig", "ungueltig", "entfern", "abgelehnt", "ablehn", "storn", "beend", "verlass", "austritt",
		"desactiv", "inactif", "supprim", "bloqu", "rejet", "retir", "annul", "oppos", "efface", "radie", "quitte",
	}
	// endWords are words that mean an end, and are parts of other words too.
	endWords = []string{
		"end", "ended", "ends", "ende", "left", "out", "off", "stop", "stopped", "dead", "gone", "ban", "banned", "quit", "hold", "dnc", "dne", "void", "fin",
	}
	// endValues are values that mean an end below any heading.
	endValues = []string{
		"inactive", "deleted", "disabled", "cancelled", "canceled", "removed", "blocked", "cleaned", "expired", "churned", "revoked", "withdrawn", "pending",
		"inaktiv", "deaktiviert", "geloscht", "geloescht", "gesperrt", "gekundigt", "gekuendigt", "widerrufen",
		"inactif", "inactive", "desactive", "supprime", "bloque", "annule",
	}
	// wishRoots are the roots of words for a wish in headings: "no" below them means an end.
	wishRoots = []string{
		"subscri", "optin", "optedin", "activ", "enabl", "confirm", "consent", "permission", "marketing", "newsletter", "verif", "valid", "deliverab", "allow",
		"agree", "accept", "approv", "gdpr", "receiv", "membership", "mailable", "sendable", "contactable", "optstat",
		"abon", "aktiv", "angemeld", "eingetrag", "bestatig", "bestaetig", "einwillig", "zustimm", "erlaub", "dsgvo",
		"inscri", "actif", "autoris", "rgpd",
	}
	// negations are words that reverse the meaning of a heading; wishNegations only together with one of wishRoots.
	negations     = []string{"not", "dont", "never", "without", "nicht", "kein", "keine", "pas", "sans"}
	wishNegations = []string{"no", "non", "former", "formerly", "ex", "ehemals", "ancien", "ancienne"}
	// detailWords are last words of headings without an answer to yes or no, such as "subscription_date" and "consent
	// ip".
	detailWords = []string{"at", "time", "date", "datum", "zeit", "on", "since", "seit", "ip", "id", "url", "link", "source", "version", "locale", "language", "name", "hash", "key", "token"}

	noValues  = []string{"", "false", "no", "n", "f", "0", "off", "none", "null", "never", "nein", "falsch", "nie", "non", "faux", "jamais"}
	yesValues = []string{"true", "yes", "y", "t", "x", "1", "on", "ja", "wahr", "oui", "vrai"}

	// endStates are the states that the roots of a status mean, the first that is found.
	endStates = []struct {
		state subscription.ListState
		roots []string
	}{
		{subscription.ListComplained, []string{"complain", "spam", "abuse", "plainte", "beschwer"}},
		{subscription.ListBounced, []string{"bounc", "undeliver", "unreach", "clean", "invalid", "unzustell", "ungultig", "ungueltig"}},
		{subscription.ListOther, []string{"nonsub", "notsub", "neversub", "transactional", "nonabon", "noninscri"}},
		{subscription.ListSuppressed, []string{"suppress", "blocklist", "blacklist", "denylist", "block", "denied", "sperr", "bloqu"}},
		{subscription.ListWaiting, []string{"unconfirm", "unactiv", "unverif", "nonconfirm", "unbestat", "unbestaet"}},
		{subscription.ListLeft, endRoots},
		{subscription.ListLeft, endRootsOfStatus},
	}
)

// smell is the meaning that an unknown heading may have for the end of a subscription.
type smell int

const (
	isOther     smell = iota // nothing, but for values that speak of an end by themselves
	isStatus                 // a word for the state
	isEnding                 // yes, or a time, means an end
	isWish                   // anything but yes, or a time, may mean an end
	isAmbiguous              // one or the other
)

// smellOf judges the words of a heading that is not known.
func smellOf(words []string) smell {
	name := strings.Join(words, "")
	if strings.HasSuffix(name, "status") || strings.HasSuffix(name, "statut") || name == "subscriptionstate" || name == "subscriberstate" {
		return isStatus
	}
	rest, ends := removeRoots(name, endRoots)
	rest, more := removeRoots(rest, endRootsOfStatus)
	ends = ends || more || containsAny(words, endWords)
	_, wish := removeRoots(rest, wishRoots)
	negated := containsAny(words, negations) || wish && containsAny(words, wishNegations)
	switch {
	case ends && negated && !strings.Contains(name, "donot") && !strings.Contains(name, "dont"):
		return isAmbiguous
	case ends || negated:
		return isEnding
	case wish && !slices.Contains(detailWords, words[len(words)-1]):
		return isWish
	}
	return isOther
}

// removeRoots removes roots from a name, and reports whether there were any.
func removeRoots(name string, roots []string) (rest string, found bool) {
	rest = name
	for _, root := range roots {
		rest = strings.ReplaceAll(rest, root, "·")
	}
	return rest, rest != name
}

func containsAny(words, of []string) bool {
	return slices.ContainsFunc(words, func(word string) bool { return slices.Contains(of, word) })
}

// stateOf parses the value of a status; empty for none, or for a word that is not understood.
func stateOf(value string) subscription.ListState {
	words := splitWords(value)
	name := strings.Join(words, "")
	switch {
	case slices.Contains(subscribedValues, name):
		return subscription.ListIn
	case slices.Contains(pendingValues, name):
		return subscription.ListWaiting
	}
	for _, state := range endStates {
		if _, found := removeRoots(name, state.roots); found {
			return state.state
		}
	}
	if containsAny(words, endWords) {
		return subscription.ListLeft
	}
	return ""
}

// maxAnswerWords is the maximum number of words in an answer. A longer value is free text.
const maxAnswerWords = 3

// meansEnd reports whether a value, or one of several as in a list of tags, means an end by itself.
func meansEnd(value string) bool {
	for part := range strings.FieldsFuncSeq(value, func(r rune) bool { return strings.ContainsRune(",;|", r) }) {
		words := splitWords(part)
		if len(words) > maxAnswerWords {
			continue
		}
		name := strings.Join(words, "")
		begins := slices.ContainsFunc(endRoots, func(root string) bool { return strings.HasPrefix(name, root) })
		if begins || slices.Contains(endValues, name) {
			return true
		}
	}
	return false
}
