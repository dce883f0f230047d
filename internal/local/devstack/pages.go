package devstack

import (
	"encoding/json"
	"html/template"
	"net"
	"net/http"
	"path/filepath"
	"strings"

	"newsletter/shared/httpapi"
)

// handler serves what only the local stack has, and hands the rest to the API. It answers only to its own names, so
// that no page on the web can reach it through a name that resolves to this machine.
func (s *Stack) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.signUpPage)
	mux.HandleFunc("GET /_local/inbox", s.inbox)
	mux.HandleFunc("GET /_local/errors", s.errors)
	mux.HandleFunc("GET /api/newsletter/openapi.yaml", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		http.ServeFile(w, r, filepath.Join(s.options.Root, "docs", "openapi.yaml"))
	})
	mux.Handle("/", recordResponses(s.Lambda))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if host != "localhost" && host != "127.0.0.1" {
			http.Error(w, "This is a local stack. It answers to 127.0.0.1 and localhost only.", http.StatusMisdirectedRequest)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func (s *Stack) inbox(w http.ResponseWriter, r *http.Request) {
	mails := s.Fakes.SES.Emails()
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		if mails == nil {
			mails = []Email{}
		}
		writeJSON(w, mails)
		return
	}
	show(w, inboxPage, mails)
}

func (s *Stack) errors(w http.ResponseWriter, _ *http.Request) {
	events := s.Fakes.Sentry.Events()
	if events == nil {
		events = []json.RawMessage{}
	}
	writeJSON(w, events)
}

func (s *Stack) signUpPage(w http.ResponseWriter, _ *http.Request) { show(w, signUpPage, nil) }

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(v) // the visitor may have disconnected
}

func show(w http.ResponseWriter, page *template.Template, data any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = page.Execute(w, data) // the visitor may have disconnected
}

const head = `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<style>:root{color-scheme:light dark}body{font:1.1rem/1.6 system-ui,sans-serif;max-width:44rem;margin:0 auto;padding:2rem 1.25rem}
input,button{font:inherit;padding:.6rem}article{border:1px solid #8888;border-radius:.5rem;padding:1rem;margin:1rem 0}
pre{white-space:pre-wrap;overflow-wrap:anywhere}.trap{position:absolute;left:-100vw}</style>`

var signUpPage = template.Must(template.New("sign-up").Parse(head + `<title>The Local Letter</title></head><body>
<h1>The Local Letter</h1>
<p>A sign-up form as on a website. The emails are in the <a href="/_local/inbox">inbox</a>.</p>
<form method="post" action="` + httpapi.SubscribePath + `">
<label for="email">Your email address</label><br>
<input id="email" name="email" type="email" autocomplete="email" required>
<span class="trap" aria-hidden="true"><label for="website">Leave this empty</label><input id="website" name="website" tabindex="-1" autocomplete="off"></span>
<p><label for="company">Your company (you may leave this empty)</label><br>
<input id="company" name="fields.company" autocomplete="organization" maxlength="80"></p>
<button type="submit">Subscribe</button>
</form></body></html>
`))

var inboxPage = template.Must(template.New("inbox").Funcs(template.FuncMap{"linked": linkify}).Parse(head + `<title>Inbox</title></head><body>
<h1>Inbox</h1><p>Emails since the stack started, the newest first. <a href="/_local/inbox">Refresh</a> · <a href="/">Sign-up page</a></p>
{{range .}}<article><p><strong>{{.Subject}}</strong><br>to {{.To}}, {{.At.Format "15:04:05"}}</p><pre>{{linked .}}</pre></article>
{{else}}<p>Nothing yet. An email takes up to three seconds.</p>{{end}}</body></html>
`))

// linkify returns the text of an email with clickable links.
func linkify(m Email) template.HTML {
	var b strings.Builder
	done := 0
	for _, at := range linkPattern.FindAllStringIndex(m.Text, -1) {
		link := template.HTMLEscapeString(m.Text[at[0]:at[1]])
		b.WriteString(template.HTMLEscapeString(m.Text[done:at[0]]) + `<a href="` + link + `">` + link + `</a>`)
		done = at[1]
	}
	b.WriteString(template.HTMLEscapeString(m.Text[done:]))
	return template.HTML(b.String()) // every part was escaped above
}
