package email

import (
	"html"
	"strings"

	"newsletter/shared/catalog"
)

// Content is what Compose makes an email of.
type Content struct {
	Phrases catalog.EmailTexts
	Lang    string
	// Link is the target of the button; empty for no button.
	Link string
	// UnsubscribeTo is the one-click unsubscribe link. Leave precedes it in the body; empty leaves both out of the
	// body, for an email whose Link is that link.
	Leave, UnsubscribeTo string
	Footer               []string // the owner's name and postal address
}

// Compose returns a Message with the subject, both bodies and the unsubscribe link. The caller fills in the rest.
func Compose(l Content) Message {
	return Message{Subject: l.Phrases.Subject, Text: l.text(), HTML: l.html(), UnsubscribeTo: l.UnsubscribeTo}
}

// signatureMark is the line that separates the footer from the text (RFC 3676 §4.3).
const signatureMark = "-- "

func (l Content) text() string {
	var parts []string
	parts = append(parts, l.Phrases.Before...)
	if l.Link != "" {
		parts = append(parts, l.Phrases.Button+":\n"+l.Link)
	}
	parts = append(parts, l.Phrases.After...)
	if l.Leave != "" {
		parts = append(parts, l.Leave+"\n"+l.UnsubscribeTo)
	}
	return strings.Join(parts, "\n\n") + "\n\n" + signatureMark + "\n" + strings.Join(l.Footer, "\n") + "\n"
}

func (l Content) html() string {
	var b strings.Builder
	paragraph := func(text string) { b.WriteString("<p>" + html.EscapeString(text) + "</p>\n") }
	b.WriteString(`<!doctype html><html lang="` + html.EscapeString(l.Lang) + `"><head><meta charset="utf-8"><title>` +
		html.EscapeString(l.Phrases.Subject) + `</title></head>` +
		`<body style="font:16px/1.5 sans-serif;max-width:36em;margin:0 auto;padding:1em">` + "\n")
	for _, text := range l.Phrases.Before {
		paragraph(text)
	}
	if l.Link != "" {
		b.WriteString(`<p><a href="` + html.EscapeString(l.Link) + `" style="display:inline-block;padding:.8em 1.5em;` +
			`background:#0b57d0;color:#ffffff;text-decoration:none;border-radius:.4em">` + html.EscapeString(l.Phrases.Button) + "</a></p>\n")
	}
	for _, text := range l.Phrases.After {
		paragraph(text)
	}
	if l.Leave != "" {
		b.WriteString(`<p style="color:#595959;font-size:14px">` + html.EscapeString(l.Leave) + ` <a href="` +
			html.EscapeString(l.UnsubscribeTo) + `">` + html.EscapeString(host(l.UnsubscribeTo)) + "</a></p>\n")
	}
	b.WriteString(`<p style="color:#595959;font-size:14px;white-space:pre-line">` +
		html.EscapeString(strings.Join(l.Footer, "\n")) + "</p>\n</body></html>\n")
	return b.String()
}

// host returns the host of a link, which is shown as its text.
func host(link string) string {
	_, rest, _ := strings.Cut(link, "://")
	name, _, _ := strings.Cut(rest, "/")
	return name
}
