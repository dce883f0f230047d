package visitor

import (
	"cmp"
	"context"
	"errors"
	"net/http"

	"newsletter/shared/catalog"
	"newsletter/shared/httpapi"
	"newsletter/shared/subscription"
	"newsletter/shared/telemetry"
	"newsletter/shared/token"
)

// State is the JSON form of a response.
type State struct {
	Status  string `json:"status"`
	Message string `json:"message,omitempty"`
}

// Page is the HTML form of a response.
type Page struct {
	Text  catalog.Page
	Quote string // shown verbatim, such as a consent text
	Forms []httpapi.PageForm
}

// Translate returns a Page in a language.
type Translate func(*catalog.Translation) Page

// Respond returns state as JSON, or a page in the browser's language if the client wants HTML.
func (s *Service) Respond(r *httpapi.Request, status int, state State, page Translate) *httpapi.Response {
	return s.RespondIn(language(r), r, status, state, page)
}

// RespondIn returns state as JSON, or a page in the first available language of wanted, a BCP 47 tag or an
// Accept-Language header.
func (s *Service) RespondIn(wanted string, r *httpapi.Request, status int, state State, page Translate) *httpapi.Response {
	if !httpapi.WantsHTML(r) {
		return httpapi.JSON(status, state)
	}
	translation := s.Translations.For(wanted)
	p := page(translation)
	return httpapi.HTML(status, httpapi.Page{
		Lang: translation.Lang, Title: p.Text.Title, Paragraphs: p.Text.Paragraphs, Quote: p.Quote, Forms: p.Forms, Footer: s.Translations.Footer,
	})
}

// Language returns the visitor's languages: those of the browser, or else fallback.
func Language(r *httpapi.Request, fallback string) string { return cmp.Or(language(r), fallback) }

func language(r *httpapi.Request) string { return r.Header.Get("Accept-Language") }

// InvalidLink returns the response to a link that is invalid or no longer valid, the same for every cause: a 404, as a
// page with the paragraphs and forms of page. It returns any other error unchanged.
func (s *Service) InvalidLink(ctx context.Context, r *httpapi.Request, err error, page Translate) (*httpapi.Response, error) {
	if !errors.Is(err, token.ErrInvalid) && !errors.Is(err, subscription.ErrUnknown) {
		return nil, err
	}
	telemetry.SecurityEvent(ctx, token.Reason(err))
	if !httpapi.WantsHTML(r) {
		return nil, httpapi.NotFound()
	}
	return s.Respond(r, http.StatusNotFound, State{}, func(t *catalog.Translation) Page {
		p := page(t)
		p.Text.Title = t.Pages.InvalidLink.Title
		return p
	}).WithOutcome("not-found"), nil
}

// AddressField returns the input of an address form.
func AddressField(label string) httpapi.Field {
	return httpapi.Field{Name: "email", Label: label, Type: "email", Autocomplete: "email", Required: true}
}

// SignUpPage returns a page with a form to sign up again, which posts to the sign-up route. ref is the source that the
// sign-up records. Our pages have no script and cannot show a CAPTCHA, so if one is required, there is only the first
// paragraph, and the visitor uses the site's own form.
func SignUpPage(r *httpapi.Request, t *catalog.Translation, text catalog.Page, ref string, captcha bool) Page {
	if captcha {
		return Page{Text: catalog.Page{Title: text.Title, Paragraphs: text.Paragraphs[:1]}}
	}
	return Page{Text: text, Forms: []httpapi.PageForm{{
		Action: r.Sibling("subscribe"), Button: text.Button,
		Hidden: []httpapi.Field{{Name: "ref", Value: ref}, {Name: "locale", Value: t.Lang}},
		Inputs: []httpapi.Field{AddressField(text.Label)},
	}}}
}
