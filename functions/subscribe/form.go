package main

import (
	"cmp"
	"strings"

	"newsletter/shared/apikey"
	"newsletter/shared/catalog"
	"newsletter/shared/field"
	"newsletter/shared/httpapi"
	"newsletter/shared/ledger"
	"newsletter/shared/subscription"
	"newsletter/shared/visitor"
)

// signUp is the JSON body of a sign-up. A form sends the same names without nesting.
type signUp struct {
	Email        string            `json:"email"`
	Consent      consent           `json:"consent"`
	Source       ledger.SentSource `json:"source"`
	Locale       string            `json:"locale"`
	CaptchaToken string            `json:"captcha_token"`
	Visitor      *namedVisitor     `json:"visitor"` // only with a server's key
	Fields       map[string]any    `json:"fields"`  // of a form, texts
	httpapi.BotSignals
}

type consent struct {
	Granted     *bool  `json:"granted"` // nil if the form has no consent field
	TextVersion string `json:"text_version"`
}

// read returns the sign-up, its circumstances and its channel. declared are the declared fields of a form. Servers send JSON.
func read(r *httpapi.Request, declared field.Declarations, byServer bool) (signUp, *visitor.Circumstances, string, error) {
	if byServer {
		form, err := httpapi.DecodeJSON[signUp](r)
		return form, new(visitor.Circumstances), "api", err
	}
	return visitor.ReadBody(r, func(fields visitor.Fields, signals httpapi.BotSignals) signUp {
		form := signUp{
			Email: fields.Email(), Locale: fields.Get("locale"), BotSignals: signals,
			Consent: consent{TextVersion: fields.Get("text_version")},
			Source: ledger.SentSource{
				Page: fields.Get("page"), Referrer: fields.Get("referrer"), Ref: fields.Get("ref"), Origin: fields.Get("utm_source"),
				Medium: fields.Get("utm_medium"), Campaign: fields.Get("utm_campaign"), Term: fields.Get("utm_term"), Content: fields.Get("utm_content"),
			},
			// Each widget uses its own field name; a script may use ours.
			CaptchaToken: cmp.Or(fields.Get("captcha_token"), fields.Get("cf-turnstile-response"), fields.Get("h-captcha-response")),
		}
		if fields.Has("granted") {
			granted := fields.Ticked("granted")
			form.Consent.Granted = &granted
		}
		form.Fields = readFields(fields, declared)
		return form
	}, append(formNames(declared), "email", "granted", "text_version", "page", "referrer", "ref", "utm_source", "utm_medium", "utm_campaign",
		"utm_term", "utm_content", "locale", "captcha_token", "cf-turnstile-response", "h-captcha-response")...)
}

// The maximum lengths in bytes; longer values are cut. Attributions and versions are short names.
const (
	maxAttribution = 256
	maxVersion     = 64
	maxToken       = 8192 // Turnstile's have at most 2,048 bytes; hCaptcha documents no limit
)

// request validates the claims of a sign-up, returns all mistakes at once, and cleans its circumstances.
func (f signUp) request(
	r *httpapi.Request, c *visitor.Circumstances, channel string, key *apikey.Key, declared declarations,
) (subscription.Request, error) {
	var mistakes []httpapi.FieldError
	if mistake := f.actFor(r, key); mistake != nil {
		mistakes = append(mistakes, *mistake)
	}
	address, mistake := c.Address(f.Email)
	if mistake != nil {
		mistakes = append(mistakes, *mistake)
	}
	if f.Consent.Granted != nil && !*f.Consent.Granted {
		mistakes = append(mistakes, httpapi.FieldError{
			Detail: "We need your consent: this must be true, or be left out.", Pointer: fieldPointer("consent/granted", channel), Code: "consent",
		})
	}
	values, wrong := f.values(c, declared.fields)
	if mistakes = append(mistakes, wrong...); len(mistakes) > 0 {
		return subscription.Request{}, httpapi.Invalid(mistakes...)
	}
	visit := visitor.Visit(r, channel)
	visit.Key = key
	visit.Sent = f.source(r, c, channel)
	return subscription.Request{
		Address: address, Locale: c.Locale("locale", f.Locale), Source: declared.sources.Reduce(visit.Sent), Visit: visit,
		Consent: subscription.Consent{Granted: f.Consent.Granted != nil, TextVersion: c.Text("text_version", f.Consent.TextVersion, maxVersion)},
		Fields:  values, Cleaned: c.Cleaned(),
	}, nil
}

// source returns the cleaned source.
func (f signUp) source(r *httpapi.Request, c *visitor.Circumstances, channel string) ledger.SentSource {
	short := func(name, sent string) string { return c.Text(name, sent, maxAttribution) }
	s := ledger.SentSource{
		Page: c.URL("page", f.Source.Page), Referrer: c.URL("referrer", f.Source.Referrer), Ref: short("ref", f.Source.Ref),
		Origin: short("utm_source", f.Source.Origin), Medium: short("utm_medium", f.Source.Medium), Campaign: short("utm_campaign", f.Source.Campaign),
		Term: short("utm_term", f.Source.Term), Content: short("utm_content", f.Source.Content),
	}
	if s.Page == "" && channel == "form" { // a form without a script does not know its URL; the browser sends it
		s.Page = new(visitor.Circumstances).URL("page", r.Header.Get("Referer"))
	}
	return s
}

// again returns the form with what was sent, for the page of an error.
func (f signUp) again(t *catalog.Translation, declared field.Declarations) []httpapi.PageForm {
	source := f.Source.Clean() // without addresses and secrets, which no page repeats
	flagged := ""
	if f.Website != "" {
		flagged = "filled in"
	}
	form := httpapi.PageForm{Button: t.Pages.MuteEnded.Button, Inputs: []httpapi.Field{visitor.AddressField(t.Pages.MuteEnded.Label)}}
	for _, hidden := range []httpapi.Field{
		{Name: "page", Value: source.Page}, {Name: "referrer", Value: source.Referrer}, {Name: "ref", Value: source.Ref},
		{Name: "utm_source", Value: source.Origin}, {Name: "utm_medium", Value: source.Medium}, {Name: "utm_campaign", Value: source.Campaign},
		{Name: "utm_term", Value: source.Term}, {Name: "utm_content", Value: source.Content}, {Name: "locale", Value: string(ledger.CleanLocale(f.Locale))},
		{Name: "text_version", Value: ledger.Printable(f.Consent.TextVersion, maxVersion)}, {Name: "website", Value: flagged},
	} {
		if hidden.Value != "" {
			form.Hidden = append(form.Hidden, hidden)
		}
	}
	form.Hidden = append(form.Hidden, f.hiddenFields(declared)...)
	switch granted := f.Consent.Granted; {
	case granted != nil && *granted:
		form.Hidden = append(form.Hidden, httpapi.Field{Name: "granted", Value: "true"})
	case granted != nil:
		form.Inputs = append(form.Inputs, httpapi.Field{Name: "granted", Value: "true", Label: t.Pages.Confirm.Box, Type: "checkbox", Required: true})
	}
	return visitor.Retyped([]httpapi.PageForm{form}, f.Email)
}

// fieldPointer returns the JSON pointer of a member. Forms are not nested.
func fieldPointer(member, channel string) string {
	if channel == "form" {
		member = member[strings.LastIndexByte(member, '/')+1:]
	}
	return "#/" + member
}
