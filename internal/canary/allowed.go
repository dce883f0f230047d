package canary

import (
	"regexp"
	"slices"
)

// allowance says what rightly stands in some sinks: everything of some shapes, or what a pattern describes, which is then
// not looked at.
type allowance struct {
	sinks  []Sink
	place  *regexp.Regexp // nil: everywhere in the sinks
	from   string         // the package of the tests; empty: all
	shapes []Shape
	text   *regexp.Regexp
	why    string
}

var allowances = []allowance{
	{sinks: []Sink{SES, Loops}, shapes: []Shape{Address},
		why: "the mail service gets who a mail is for and from, and Loops its contacts: they are named as recipients"},
	{sinks: []Sink{SES, Loops}, shapes: []Shape{Token},
		why: "mails hold the links, to the person whom the links are about"},
	{sinks: []Sink{SES, Loops, Answer, Problem, Slack, Discord, GA4}, text: regexp.MustCompile(`\b127\.0\.0\.1(\\*:|%3A)\d+`),
		why: "SITE_PUBLIC_URL, SITE_URL and the page with the form are the local stack's, which has a port and no name"},
	{sinks: []Sink{Answer, Problem}, text: regexp.MustCompile(`'sha256-[A-Za-z0-9+/]{43}='`),
		why: "the hash of our style sheet in Content-Security-Policy"},
	{sinks: []Sink{Answer}, place: regexp.MustCompile(`^POST /api/newsletter/privacy 200$`), shapes: []Shape{Address, Network},
		text: regexp.MustCompile(`"sha256": ?"[0-9a-f]{64}"`),
		why:  "the copy of one's data, to the holder of the link; with the hash of the text that was agreed to"},
	{sinks: []Sink{Log, Metrics}, text: regexp.MustCompile(`"seal":"[0-9a-f]{64}"`),
		why: "the hash over the ledger, outside of the database"},
	{sinks: []Sink{Result}, place: regexp.MustCompile(`^health\b`), text: regexp.MustCompile(`\bdial tcp 127\.0\.0\.1:\d+`),
		why: "health names to the operator the server that it cannot reach"},
	{sinks: []Sink{Sentry}, text: regexp.MustCompile(`"dsn":"[^"]*"`),
		why: "an envelope begins with the project that it is for"},
	{sinks: []Sink{GA4}, text: regexp.MustCompile(`\bapi_secret=[^&\s]*`),
		why: "the Measurement Protocol takes the secret of the stream in the query"},
	{sinks: []Sink{Queue}, text: regexp.MustCompile(`"QueueUrl":"[^"]*"`),
		why: "a message names the queue that it is for"},
	{sinks: []Sink{Redis}, shapes: []Shape{Key},
		why: "limits count under keyed hashes of networks"},
	{sinks: []Sink{Captcha}, shapes: []Shape{Network, Key},
		why: "the verifier gets its secret, the widget's answer and, with CAPTCHA_SEND_IP, the visitor's address"},
	{sinks: []Sink{Webhook, GA4}, from: "internal/devstack", shapes: []Shape{Address},
		why: "the tests of the doubles send them what they must refuse"},
	{sinks: []Sink{Journal, Vector}, shapes: []Shape{Key},
		why: "keyed hashes are what these keep (docs/privacy.md)"},
	{sinks: []Sink{Database}, place: regexp.MustCompile(`^subscribers\.email(_norm)?\b`), shapes: []Shape{Address},
		why: "the one place where addresses stand (docs/privacy.md)"},
	{sinks: []Sink{Database}, place: regexp.MustCompile(`^event_context\.ip\b`), shapes: []Shape{Network},
		why: "the evidence with a short life (docs/privacy.md)"},
	{sinks: []Sink{Database}, place: regexp.MustCompile(`^event_context\.user_agent\b`), shapes: []Shape{Address, Network, Token, Key},
		why: "likewise, and it is whatever the program calls itself"},
	{sinks: []Sink{Database}, place: regexp.MustCompile(`^(subscribers|ledger_events)\.source\b`), text: regexp.MustCompile(`https?://127\.0\.0\.1(:\d+)?`),
		why: "the page that the form stands on; the local stack's has no name"},
	{sinks: []Sink{Database}, place: regexp.MustCompile(`^migration_checksums\.`), shapes: []Shape{Key},
		why: "hashes of our own files"},
}

func (a allowance) covers(e Entry) bool {
	return slices.Contains(a.sinks, e.Sink) && (a.place == nil || a.place.MatchString(e.Place)) && (a.from == "" || a.from == e.Package)
}

// allows says whether everything of a shape may stand where an entry does.
func allows(e Entry, shape Shape) bool {
	return slices.ContainsFunc(allowances, func(a allowance) bool { return a.covers(e) && slices.Contains(a.shapes, shape) })
}

// strip gives an entry's text without what rightly stands there.
func strip(e Entry) string {
	text := e.Text
	for _, a := range allowances {
		if a.text != nil && a.covers(e) {
			text = a.text.ReplaceAllString(text, " ")
		}
	}
	return text
}
