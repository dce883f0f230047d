package visitor

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"newsletter/shared/catalog"
	"newsletter/shared/httpapi"
	"newsletter/shared/ledger"
)

// A correctable is an error whose page shows the form again.
type correctable struct {
	error
	language string
	forms    func(*catalog.Translation) []httpapi.PageForm
}

func (c *correctable) Unwrap() error { return c.error }

// WithForms returns err with the forms that its page shows, so that the visitor can correct what they entered or repeat
// the request. language is that of the form; empty for that of the browser. It returns nil for no error.
func WithForms(err error, language string, forms func(*catalog.Translation) []httpapi.PageForm) error {
	if err == nil {
		return nil
	}
	return &correctable{err, language, forms}
}

// maxRetyped is the maximum length in bytes of an address that a page shows again; longer ones are cut.
const maxRetyped = 320

// Retyped returns forms with the address that the visitor entered.
func Retyped(forms []httpapi.PageForm, email string) []httpapi.PageForm {
	for i := range forms {
		forms[i].Inputs = slices.Clone(forms[i].Inputs)
		for j := range forms[i].Inputs {
			if forms[i].Inputs[j].Name == "email" {
				forms[i].Inputs[j].Value = ledger.Printable(email, maxRetyped)
			}
		}
	}
	return forms
}

// problemPage renders a problem in the visitor's language.
func (s *Service) problemPage(r *httpapi.Request, p *httpapi.Problem, err error) *httpapi.Response {
	c, _ := errors.AsType[*correctable](err)
	if c == nil {
		c = &correctable{}
	}
	t := s.Translations.For(cmp.Or(c.language, language(r)))
	text := problemText(t, p)
	page := httpapi.Page{
		Lang: t.Lang, Title: text.Title, Items: mistakes(t, p.Errors), Footer: append(slices.Clone(s.Translations.Footer), t.Reference+" "+r.RequestID),
	}
	for _, paragraph := range text.Paragraphs {
		page.Paragraphs = append(page.Paragraphs, strings.ReplaceAll(paragraph, "{minutes}", strconv.Itoa(minutes(p))))
	}
	if c.forms != nil {
		page.Forms = c.forms(t)
	}
	if len(page.Forms) == 0 && r.Method == http.MethodPost {
		page.Paragraphs = append(page.Paragraphs, t.GoBack)
	}
	return httpapi.HTML(p.Status, page)
}

func problemText(t *catalog.Translation, p *httpapi.Problem) catalog.Page {
	switch p.Status {
	case http.StatusUnprocessableEntity:
		return t.Pages.Refused
	case http.StatusTooManyRequests:
		if len(p.ViolatedPolicies) > 0 {
			return t.Pages.Limited
		}
		return t.Pages.Busy
	case http.StatusBadRequest, http.StatusUnsupportedMediaType:
		return t.Pages.Unreadable
	case http.StatusRequestEntityTooLarge:
		return t.Pages.TooLarge
	case http.StatusInternalServerError, http.StatusServiceUnavailable:
		return t.Pages.Unavailable
	}
	return t.Pages.NothingHere
}

// mistakes translates the errors of a problem.
func mistakes(t *catalog.Translation, all []httpapi.FieldError) (texts []string) {
	for _, mistake := range all {
		texts = append(texts, cmp.Or(t.Mistakes[mistake.Code], mistake.Detail))
	}
	return texts
}

// minutes returns the time until a retry is allowed, rounded up.
func minutes(p *httpapi.Problem) int {
	seconds, _ := strconv.Atoi(p.Header.Get("Retry-After")) // 0 for none
	return max(1, (seconds+59)/60)
}
