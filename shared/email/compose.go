package email

import (
	"html"
	"strings"

	"newsletter/shared/catalog"
)

// Content is the input of Compose.
type Content struct {
	Texts catalog.EmailTexts
	Lang  string
	// Link is the target of the button; empty for no button.
	Link string
	// UnsubscribeTo is the one-click unsubscribe link. UnsubscribeIntro precedes it in the body; empty leaves both out
	// of the body, for an email whose Link is that link.
	UnsubscribeIntro, UnsubscribeTo string
	Footer                          []string // the owner's name and postal address
}

// Compose returns a Message with the subject, both bodies and the unsubscribe link. The caller fills in the rest.
func Compose(c Content) Message {
	return Message{Subject: c.Texts.Subject, Text: c.text(), HTML: c.html(), UnsubscribeTo: c.UnsubscribeTo}
}

// signatureMark is the line that separates the footer from the text (RFC 3676 §4.3).
const signatureMark = "-- "

func (c Content) text() string {
	var parts []string
	parts = append(parts, c.Texts.Before...)
	if c.Link != "" {
		parts = append(parts, c.Texts.Button+":\n"+c.Link)
	}
	parts = append(parts, c.Texts.After...)
	if c.UnsubscribeIntro != "" {
		parts = append(parts, c.UnsubscribeIntro+"\n"+c.UnsubscribeTo)
	}
	return strings.Join(parts, "\n\n") + "\n\n" + signatureMark + "\n" + strings.Join(c.Footer, "\n") + "\n"
}

func (c Content) html() string {
	var b strings.Builder
	paragraph := func(text string) { b.WriteString("<p>" + html.EscapeString(text) + "</p>\n") }
	b.WriteString(`<!doctype html><html lang="` + html.EscapeString(c.Lang) + `"><head><meta charset="utf-8"><title>` +
		html.EscapeString(c.Texts.Subject) + `</title></head>` +
		`<body style="font:16px/1.5 sans-serif;max-width:36em;margin:0 auto;padding:1em">` + "\n")
	for _, text := range c.Texts.Before {
		paragraph(text)
	}
	if c.Link != "" {
		b.WriteString(`<p><a href="` + html.EscapeString(c.Link) + `" style="display:inline-block;padding:.8em 1.5em;` +
			`background:#0b57d0;color:#ffffff;text-decoration:none;border-radius:.4em">` + html.EscapeString(c.Texts.Button) + "</a></p>\n")
	}
	for _, text := range c.Texts.After {
		paragraph(text)
	}
	if c.UnsubscribeIntro != "" {
		b.WriteString(`<p style="color:#595959;font-size:14px">` + html.EscapeString(c.UnsubscribeIntro) + ` <a href="` +
			html.EscapeString(c.UnsubscribeTo) + `">` + html.EscapeString(host(c.UnsubscribeTo)) + "</a></p>\n")
	}
	b.WriteString(`<p style="color:#595959;font-size:14px;white-space:pre-line">` +
		html.EscapeString(strings.Join(c.Footer, "\n")) + "</p>\n</body></html>\n")
	return b.String()
}

// host returns the host of a link, which is shown as its text.
func host(link string) string {
	_, rest, _ := strings.Cut(link, "://")
	name, _, _ := strings.Cut(rest, "/")
	return name
}
