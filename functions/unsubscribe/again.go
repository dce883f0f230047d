package main

import (
	"newsletter/shared/captcha"
	"newsletter/shared/catalog"
	"newsletter/shared/httpapi"
)

// again configures whether the last page offers to subscribe again.
type again struct{ form captcha.FormConfig }

// page returns the text and the form, which posts to the sign-up route. Our page has no script and cannot show a
// CAPTCHA, so if one is required, there is no form and the visitor uses the site's own.
func (a again) page(translation *catalog.Translation, subscribe string) (catalog.Page, []httpapi.PageForm) {
	text := translation.Pages.Unsubscribed
	if a.form.Provider != "" {
		return catalog.Page{Title: text.Title, Paragraphs: text.Paragraphs[:1]}, nil
	}
	return text, []httpapi.PageForm{{
		Action: subscribe, Button: text.Button,
		Hidden: []httpapi.Field{{Name: "ref", Value: "unsubscribe-page"}, {Name: "locale", Value: translation.Lang}},
		Inputs: []httpapi.Field{addressField(text.Label)},
	}}
}
