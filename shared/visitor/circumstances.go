package visitor

import (
	"net/url"
	"slices"
	"strings"

	"newsletter/shared/httpapi"
	"newsletter/shared/ledger"
	"newsletter/shared/subscription"
)

// Circumstances are what a page, a browser or a tool fills in, in contrast to the claims of a visitor: the address, the
// consent, the CAPTCHA, the kind of request and the token. Only a claim can refuse a request (docs/adr/0041). A
// circumstance is cleaned, and the names of the fields that were cleaned are recorded, so that the owner sees which page
// is at fault. The zero Circumstances has cleaned nothing.
type Circumstances struct {
	cleaned []string
}

// Cleaned returns the names of the fields that were cleaned, each once, as a form has them.
func (c *Circumstances) Cleaned() []string { return c.cleaned }

func (c *Circumstances) note(name string, cleaned bool) {
	if cleaned && !slices.Contains(c.cleaned, name) {
		c.cleaned = append(c.cleaned, name)
	}
}

// Text returns the visible characters of a field, at most limit bytes, without the white space around them.
func (c *Circumstances) Text(name, sent string, limit int) string {
	text := ledger.Printable(strings.TrimSpace(sent), limit)
	c.note(name, text != sent)
	return text
}

// LeaveOut records that the value of a field was left out.
func (c *Circumstances) LeaveOut(name string) { c.note(name, true) }

// URL returns the URL of a field without its query, in which pages keep state of any length; empty for what is no URL.
func (c *Circumstances) URL(name, sent string) string {
	sent, _, _ = strings.Cut(sent, "?")
	text := c.Text(name, sent, len(sent))
	if _, err := url.Parse(text); err != nil {
		c.note(name, true)
		return ""
	}
	return text
}

// Locale returns the language of a field; empty if it is none.
func (c *Circumstances) Locale(name, sent string) ledger.Locale {
	locale := ledger.CleanLocale(sent)
	c.note(name, string(locale) != sent)
	return locale
}

// Address parses the address that a visitor entered in the field "email". What surrounds it is cleaned.
func (c *Circumstances) Address(typed string) (subscription.Address, *httpapi.FieldError) {
	c.note("email", subscription.TrimAddress(typed) != typed)
	return ParseAddress(typed)
}

// Fields are those of a form.
type Fields struct {
	url.Values
	*Circumstances
}

// Get returns the value of a field. If a page sends it repeatedly, as for another layout, it is the first one that is not
// empty.
func (f Fields) Get(name string) string {
	value := ""
	for _, sent := range f.Values[name] {
		if value == "" {
			value = sent
		}
		f.note(name, sent != "" && sent != value)
	}
	return value
}

// Email returns the address of a form. Different addresses in one form are all returned, which is no address, because only
// the visitor knows which one counts.
func (f Fields) Email() string {
	var different []string
	for _, sent := range f.Values["email"] {
		if address := subscription.TrimAddress(sent); address != "" && !slices.ContainsFunc(different, func(d string) bool { return subscription.TrimAddress(d) == address }) {
			different = append(different, sent)
		}
	}
	return strings.Join(different, ",")
}

// Ticked reports whether a check box was ticked. Browsers send "on" or the box's own value; pages often send a hidden
// field of the same name for a box that is not ticked.
func (f Fields) Ticked(name string) bool {
	return slices.ContainsFunc(f.Values[name], func(sent string) bool {
		return !slices.Contains([]string{"", "0", "false", "off", "no"}, strings.ToLower(strings.TrimSpace(sent)))
	})
}

// ReadBody reads the body as JSON, or as a form with fields and bot signals, and returns its channel.
func ReadBody[T interface{ Signals() httpapi.BotSignals }](
	r *httpapi.Request, fromForm func(Fields, httpapi.BotSignals) T, fields ...string,
) (body T, c *Circumstances, channel string, err error) {
	c, channel = &Circumstances{}, "api"
	if httpapi.IsForm(r) {
		channel = "form"
		var values url.Values
		if values, err = httpapi.Form(r, append(fields, "website", "started_at")...); err == nil {
			form := Fields{values, c}
			body = fromForm(form, httpapi.BotSignals{
				Website: strings.Join(values["website"], ""), StartedAt: httpapi.ParseMoment(form.Get("started_at")),
			})
		}
	} else {
		body, err = httpapi.DecodeJSON[T](r)
	}
	c.note("started_at", body.Signals().StartedAt.Unreadable)
	return body, c, channel, err
}
