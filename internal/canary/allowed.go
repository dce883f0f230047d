package canary

import (
	"regexp"
	"slices"
)

// allowance permits values in some sinks: all of some shapes, or what a pattern matches, which is not inspected.
type allowance struct {
	sinks  []Sink
	place  *regexp.Regexp // nil: all places in the sinks
	from   string         // the package of the tests; empty: all
	shapes []Shape
	text   *regexp.Regexp
	why    string
}

var allowances = []allowance{
	{sinks: []Sink{SES, Loops}, shapes: []Shape{Address},
		why: "the email service receives recipient and sender, and Loops its contacts: both are named as recipients"},
	{sinks: []Sink{SES, Loops}, shapes: []Shape{Token},
		why: "emails contain the links, addressed to the subscriber they are about"},
	{sinks: []Sink{SES, Loops, Answer, Problem, Slack, Discord, GA4}, text: regexp.MustCompile(`\b127\.0\.0\.1(\\*:|%3A)\d+`),
		why: "SITE_PUBLIC_URL, SITE_URL and the page with the form belong to the local stack, which has a port and no name"},
	{sinks: []Sink{Answer, Problem}, text: regexp.MustCompile(`'sha256-[A-Za-z0-9+/]{43}='`),
		why: "the hash of our style sheet in Content-Security-Policy"},
	{sinks: []Sink{Answer}, place: regexp.MustCompile(`^POST /api/newsletter/privacy 200$`), shapes: []Shape{Address, Network},
		text: regexp.MustCompile(`"sha256": ?"[0-9a-f]{64}"`),
		why:  "the copy of a subscriber's data, for the holder of the link, with the hash of the consent text"},
	{sinks: []Sink{Log, Metrics}, text: regexp.MustCompile(`"seal":"[0-9a-f]{64}"`),
		why: "the hash over the ledger, outside of the database"},
	{sinks: []Sink{Result}, place: regexp.MustCompile(`^health\b`), text: regexp.MustCompile(`\bdial tcp 127\.0\.0\.1:\d+`),
		why: "health names the unreachable server to the operator"},
	{sinks: []Sink{Sentry}, text: regexp.MustCompile(`"dsn":"[^"]*"`),
		why: "an envelope begins with its project"},
	{sinks: []Sink{GA4}, text: regexp.MustCompile(`\bapi_secret=[^&\s]*`),
		why: "the Measurement Protocol expects the secret of the stream in the query"},
	{sinks: []Sink{Queue}, text: regexp.MustCompile(`"QueueUrl":"[^"]*"`),
		why: "a message names its queue"},
	{sinks: []Sink{Redis}, shapes: []Shape{Key},
		why: "the limiter counts by keyed hashes of networks"},
	{sinks: []Sink{Captcha}, shapes: []Shape{Network, Key},
		why: "the verifier receives its secret, the widget's answer and, with CAPTCHA_SEND_IP, the visitor's address"},
	{sinks: []Sink{Webhook, GA4}, from: "internal/devstack", shapes: []Shape{Address},
		why: "the tests of the fakes send what the fakes must refuse"},
	{sinks: []Sink{Journal, Vector}, shapes: []Shape{Key},
		why: "both store keyed hashes (docs/privacy.md)"},
	{sinks: []Sink{Database}, place: regexp.MustCompile(`^subscribers\.email(_norm)?\b`), shapes: []Shape{Address},
		why: "the only columns with addresses (docs/privacy.md)"},
	{sinks: []Sink{Database}, place: regexp.MustCompile(`^event_context\.ip\b`), shapes: []Shape{Network},
		why: "evidence with a short retention (docs/privacy.md)"},
	{sinks: []Sink{Database}, place: regexp.MustCompile(`^event_context\.user_agent\b`), shapes: []Shape{Address, Network, Token, Key},
		why: "likewise; the client chooses the text"},
	{sinks: []Sink{Database}, place: regexp.MustCompile(`^(subscribers|ledger_events)\.source\b`), text: regexp.MustCompile(`https?://127\.0\.0\.1(:\d+)?`),
		why: "the page of the form; the local stack's has no name"},
	{sinks: []Sink{Database}, place: regexp.MustCompile(`^migration_checksums\.`), shapes: []Shape{Key},
		why: "hashes of our own files"},
}

func (a allowance) covers(e Entry) bool {
	return slices.Contains(a.sinks, e.Sink) && (a.place == nil || a.place.MatchString(e.Place)) && (a.from == "" || a.from == e.Package)
}

// allows reports whether every value of a shape is permitted at an entry's place.
func allows(e Entry, shape Shape) bool {
	return slices.ContainsFunc(allowances, func(a allowance) bool { return a.covers(e) && slices.Contains(a.shapes, shape) })
}

// strip returns an entry's text without the permitted matches.
func strip(e Entry) string {
	text := e.Text
	for _, a := range allowances {
		if a.text != nil && a.covers(e) {
			text = a.text.ReplaceAllString(text, " ")
		}
	}
	return text
}
