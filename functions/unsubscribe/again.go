package main

import (
	"newsletter/shared/captcha"
	"newsletter/shared/catalog"
	"newsletter/shared/httpapi"
)

// again decides whether the page at the end offers to subscribe again.
type again struct{ form captcha.FormConfig }

// page returns the text and the form, which is sent to the route of sign-ups. A page without a script cannot show a CAPTCHA, so where one is asked for the way back
// is the site's own form.
func (a again) page(words *catalog.Translation, subscribe string) (catalog.Page, []httpapi.PageForm) {
	text := words.Pages.Unsubscribed
	if a.form.Provider != "" {
		return catalog.Page{Title: text.Title, Paragraphs: text.Paragraphs[:1]}, nil
	}
	return text, []httpapi.PageForm{{
		Action: subscribe, Button: text.Button,
		Hidden: []httpapi.Field{{Name: "ref", Value: "unsubscribe-page"}, {Name: "locale", Value: words.Lang}},
		Inputs: []httpapi.Field{addressField(text.Label)},
	}}
}
