package main

import (
	"cmp"
	"net/url"
	"strings"
	"unicode"

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
	httpapi.BotSignals
}

type consent struct {
	Granted     *bool  `json:"granted"` // nil if the form has no consent field
	TextVersion string `json:"text_version"`
}

// read returns the sign-up and its channel.
func read(r *httpapi.Request) (form signUp, channel string, err error) {
	return visitor.ReadBody(r, func(fields url.Values, signals httpapi.BotSignals) signUp {
		form := signUp{
			Email: fields.Get("email"), Locale: fields.Get("locale"), BotSignals: signals,
			Consent: consent{TextVersion: fields.Get("text_version")},
			Source: ledger.SentSource{
				Page: fields.Get("page"), Referrer: fields.Get("referrer"), Ref: fields.Get("ref"), Origin: fields.Get("utm_source"),
				Medium: fields.Get("utm_medium"), Campaign: fields.Get("utm_campaign"), Term: fields.Get("utm_term"), Content: fields.Get("utm_content"),
			},
			// Each widget uses its own field name; a script may use ours.
			CaptchaToken: cmp.Or(fields.Get("captcha_token"), fields.Get("cf-turnstile-response"), fields.Get("h-captcha-response")),
		}
		if form.Source.Page == "" { // a form without a script does not know its URL; the browser sends it
			form.Source.Page = cut(r.Header.Get("Referer"), maxURL)
		}
		if fields.Has("granted") {
			granted := ticked(fields.Get("granted"))
			form.Consent.Granted = &granted
		}
		return form
	}, "email", "granted", "text_version", "page", "referrer", "ref", "utm_source", "utm_medium", "utm_campaign", "utm_term",
		"utm_content", "locale", "captcha_token", "cf-turnstile-response", "h-captcha-response")
}

// ticked reports whether a check box was ticked. Browsers send "on" or the box's own value.
func ticked(value string) bool {
	switch strings.ToLower(value) {
	case "", "0", "false", "off", "no":
		return false
	}
	return true
}

// The maximum lengths in bytes. Longer page and referrer URLs carry state that must not be stored; utm values are short
// names.
const (
	maxURL         = 2048
	maxAttribution = 256
	maxVersion     = 64
	maxToken       = 8192 // Turnstile's have at most 2,048 bytes; hCaptcha documents no limit
)

// request validates the sign-up and returns all mistakes at once.
func (f signUp) request(r *httpapi.Request, channel string, sources ledger.Declarations) (subscription.Request, error) {
	var mistakes []httpapi.FieldError
	wrong := func(pointer, detail string) {
		mistakes = append(mistakes, httpapi.FieldError{Detail: detail, Pointer: fieldPointer(pointer, channel)})
	}
	address, mistake := visitor.ParseAddress(f.Email)
	if mistake != nil {
		mistakes = append(mistakes, *mistake)
	}
	if f.Consent.Granted != nil && !*f.Consent.Granted {
		wrong("consent/granted", "We need your consent: this must be true, or be left out.")
	}
	for _, limit := range []struct {
		pointer, value string
		most           int
	}{
		{"consent/text_version", f.Consent.TextVersion, maxVersion}, {"captcha_token", f.CaptchaToken, maxToken},
		{"source/page", f.Source.Page, maxURL}, {"source/referrer", f.Source.Referrer, maxURL}, {"source/ref", f.Source.Ref, maxAttribution},
		{"source/utm_source", f.Source.Origin, maxAttribution}, {"source/utm_medium", f.Source.Medium, maxAttribution},
		{"source/utm_campaign", f.Source.Campaign, maxAttribution}, {"source/utm_term", f.Source.Term, maxAttribution},
		{"source/utm_content", f.Source.Content, maxAttribution},
	} {
		if len(limit.value) > limit.most {
			wrong(limit.pointer, "This is too long.")
		} else if strings.ContainsFunc(limit.value, unicode.IsControl) {
			wrong(limit.pointer, "Control characters are not allowed.")
		}
	}
	locale, err := ledger.ParseLocale(f.Locale)
	if err != nil {
		wrong("locale", `This must be a language tag such as "de" or "pt-BR".`)
	}
	if len(mistakes) > 0 {
		return subscription.Request{}, httpapi.Invalid(mistakes...)
	}
	visit := visitor.Visit(r, channel)
	visit.Sent = f.Source
	return subscription.Request{
		Address: address, Locale: locale, Source: sources.Reduce(f.Source), Visit: visit,
		Consent: subscription.Consent{Granted: f.Consent.Granted != nil, TextVersion: f.Consent.TextVersion},
	}, nil
}

// fieldPointer returns the JSON pointer of a member. Forms are not nested.
func fieldPointer(member, channel string) string {
	if channel == "form" {
		member = member[strings.LastIndexByte(member, '/')+1:]
	}
	return "#/" + member
}

func cut(s string, n int) string { return strings.ToValidUTF8(s[:min(len(s), n)], "") }
