package httpapi

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"html"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Page is a small HTML page: text and at most a few forms, no script. Every value is escaped. It is readable without
// the style, on a phone, by keyboard and by a screen reader.
type Page struct {
	Lang       string // BCP 47; defaults to "en"
	Title      string // also the heading
	Paragraphs []string
	Items      []string // a list below the paragraphs
	Quote      string   // a longer text that is shown verbatim, such as a consent text
	Forms      []PageForm
	Footer     []string // the owner's name and postal address
}

// PageForm is a form of a page. It is sent by POST.
type PageForm struct {
	// Action is relative to the page, because only the browser knows the base path. Empty posts back to the page's own
	// URL, with the token of its link; "?" omits the query.
	Action    string
	Button    string
	Secondary bool // the secondary choice: shown as a link-like button
	Hidden    []Field
	Inputs    []Field
}

// Field is a form field. Label is shown for an input and unused for a hidden field.
type Field struct {
	Name, Value, Label string
	Type               string // of the input; defaults to "text". The label of a "checkbox" follows it.
	Autocomplete       string // e.g. "email"
	Required           bool
}

const style = `:root{color-scheme:light dark}` +
	`body{font:1.125rem/1.6 system-ui,sans-serif;max-width:34rem;margin:0 auto;padding:2rem 1.25rem}` +
	`body{overflow-wrap:anywhere}h1{font-size:1.6rem;line-height:1.25}` +
	`blockquote{margin:1.5rem 0;padding:.25rem 1rem;border-left:.25rem solid #767676;white-space:pre-line}` +
	`form{margin:1.5rem 0}label{display:block;margin-bottom:.25rem}` +
	`input{font:inherit;width:100%;box-sizing:border-box;padding:.6rem;margin-bottom:1rem}` +
	`label.box{display:flex;gap:.75rem;align-items:flex-start;margin-bottom:1rem}` +
	`input[type=checkbox]{width:1.5rem;height:1.5rem;flex:none;margin:0}` +
	`button{font:inherit;font-weight:600;padding:.8rem 1.5rem;min-height:3rem;border:0;border-radius:.4rem;background:#0b57d0;color:#fff;cursor:pointer}` +
	`button.secondary{background:none;color:inherit;font-weight:400;text-decoration:underline;padding:.8rem 0}` +
	`button:focus-visible,input:focus-visible{outline:.2rem solid #f5a623;outline-offset:.15rem}` +
	`footer{margin-top:3rem;font-size:.9rem;white-space:pre-line}`

// pagePolicy allows a page its own style, by hash, and forms to this host. Nothing else is loaded, run or framed.
func pagePolicy() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}

// HTML returns a response with a page.
func HTML(status int, p Page) *Response {
	return &Response{Status: status, Body: []byte(p.render()), Header: http.Header{
		"Content-Type":               {"text/html; charset=utf-8"},
		"Content-Language":           {cmp.Or(p.Lang, "en")},
		"Content-Security-Policy":    {pagePolicy()},
		"Cross-Origin-Opener-Policy": {"same-origin"},
		"X-Robots-Tag":               {"noindex"},
	}}
}

func (p Page) render() string {
	var b strings.Builder
	b.WriteString(`<!doctype html>` + "\n" + `<html` + attribute("lang", cmp.Or(p.Lang, "en")) + `><head><meta charset="utf-8">` +
		`<meta name="viewport" content="width=device-width, initial-scale=1"><title>` + html.EscapeString(p.Title) +
		`</title><style>` + style + `</style></head>` + "\n" + `<body><main><h1>` + html.EscapeString(p.Title) + `</h1>` + "\n")
	for _, text := range p.Paragraphs {
		b.WriteString(`<p>` + html.EscapeString(text) + "</p>\n")
	}
	if len(p.Items) > 0 {
		b.WriteString("<ul>\n")
		for _, text := range p.Items {
			b.WriteString(`<li>` + html.EscapeString(text) + "</li>\n")
		}
		b.WriteString("</ul>\n")
	}
	if p.Quote != "" {
		b.WriteString(`<blockquote>` + html.EscapeString(p.Quote) + "</blockquote>\n")
	}
	for i, form := range p.Forms {
		form.render(&b, "form"+strconv.Itoa(i)+"-")
	}
	b.WriteString(`</main>`)
	if footer := slices.DeleteFunc(slices.Clone(p.Footer), func(s string) bool { return s == "" }); len(footer) > 0 {
		b.WriteString(`<footer>` + html.EscapeString(strings.Join(footer, "\n")) + `</footer>`)
	}
	b.WriteString("</body></html>\n")
	return b.String()
}

// render writes the form. prefix keeps the ids of a page's forms apart.
func (f PageForm) render(b *strings.Builder, prefix string) {
	b.WriteString(`<form method="post"`)
	if f.Action != "" {
		b.WriteString(attribute("action", f.Action))
	}
	b.WriteString(`>`)
	for _, field := range f.Hidden {
		b.WriteString(`<input type="hidden"` + attribute("name", field.Name) + attribute("value", field.Value) + `>`)
	}
	for _, field := range f.Inputs {
		field.render(b, prefix+field.Name)
	}
	b.WriteString(`<button type="submit"`)
	if f.Secondary {
		b.WriteString(` class="secondary"`)
	}
	b.WriteString(`>` + html.EscapeString(f.Button) + "</button></form>\n")
}

func (f Field) render(b *strings.Builder, id string) {
	label, box := html.EscapeString(f.Label), f.Type == "checkbox"
	if box {
		b.WriteString(`<label class="box"` + attribute("for", id) + `>`)
	} else {
		b.WriteString(`<label` + attribute("for", id) + `>` + label + `</label>`)
	}
	b.WriteString(`<input` + attribute("id", id) + attribute("name", f.Name) + attribute("type", cmp.Or(f.Type, "text")))
	if f.Value != "" {
		b.WriteString(attribute("value", f.Value))
	}
	if f.Autocomplete != "" {
		b.WriteString(attribute("autocomplete", f.Autocomplete))
	}
	if f.Required {
		b.WriteString(` required`)
	}
	b.WriteString(`>`)
	if box {
		b.WriteString(`<span>` + label + `</span></label>`)
	}
}

func attribute(name, value string) string { return " " + name + `="` + html.EscapeString(value) + `"` }
