package e2e

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// A scanner is an email security service that follows links as a person would: it opens a page, carries cookies, and
// submits every form with its defaults by each of its buttons, also the forms of the answers.
type scanner struct {
	visitor
	language string
}

func newScanner(t *testing.T, base, language string) *scanner {
	t.Helper()
	s := &scanner{*newVisitor(base, "127.77.1.1"), language}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	s.client.Jar = jar
	return s
}

// A submission is a form with its defaults, by one of its buttons.
type submission struct{ path, body string }

// submissions returns what a browser would send for each form of a page without any input.
func submissions(t *testing.T, page answer) (all []submission) {
	t.Helper()
	document, err := html.Parse(strings.NewReader(page.Body))
	if err != nil {
		t.Fatal(err)
	}
	for form := range document.Descendants() {
		if form.Data != "form" {
			continue
		}
		target, err := page.response.Request.URL.Parse(attributes(form)["action"])
		if err != nil {
			t.Fatal(err)
		}
		fields, buttons := url.Values{}, []map[string]string{}
		for control := range form.Descendants() {
			a := attributes(control)
			_, checked := a["checked"]
			switch {
			case control.Data == "button" && a["type"] != "button" || control.Data == "input" && a["type"] == "submit":
				buttons = append(buttons, a)
			case control.Data == "input" && (a["type"] != "checkbox" && a["type"] != "radio" || checked):
				fields.Add(a["name"], a["value"])
			}
		}
		for _, button := range buttons {
			sent := url.Values{}
			for name, values := range fields {
				sent[name] = values
			}
			if button["name"] != "" {
				sent.Set(button["name"], button["value"])
			}
			all = append(all, submission{target.RequestURI(), sent.Encode()})
		}
	}
	return all
}

func attributes(n *html.Node) map[string]string {
	all := map[string]string{}
	for _, a := range n.Attr {
		all[a.Key] = a.Val
	}
	return all
}

// press submits the forms of a page and of its answers, each once.
func (s *scanner) press(t *testing.T, page answer) (pressed int) {
	t.Helper()
	seen := map[submission]bool{}
	for pages := []answer{page}; len(pages) > 0; pages = pages[1:] {
		for _, form := range submissions(t, pages[0]) {
			if seen[form] {
				continue
			}
			seen[form] = true
			got := s.send(t, http.MethodPost, form.path, form.body, asForm, "Accept: text/html", "Accept-Language: "+s.language)
			if got.Status >= http.StatusInternalServerError {
				t.Errorf("%s %s: %d", form.path, form.body, got.Status)
			}
			pressed++
			pages = append(pages, got)
		}
	}
	return pressed
}

// TestAScannerThatPressesButtons neither confirms, declines nor erases for anybody. It can unsubscribe, because leaving
// takes one press.
func TestAScannerThatPressesButtons(t *testing.T) {
	t.Parallel()
	s := shared(t)
	type link struct {
		scanner *scanner
		name    string
		address string
		page    answer
		want    string // the subscriber's state afterwards
		pressed int    // forms of all pages
	}
	var links []*link
	for _, language := range []string{"en", "de", "fr"} {
		v := newVisitor(s.base, "127.77.2.1")
		pending, active := "scanned.pending."+language+"@example.org", "scanned.active."+language+"@example.org"
		v.subscribe(t, pending)
		v.subscribe(t, active)
		confirm := v.mail(t, active, 1).link(t, confirmPath)
		if got := v.send(t, http.MethodPost, confirm, agree, asForm); got.Status != http.StatusOK {
			t.Fatalf("confirm: %d %s", got.Status, got.Body)
		}
		add := func(name, address, path, want string, pressed int) {
			scanner := newScanner(t, s.base, language)
			links = append(links, &link{scanner: scanner, name: language + " " + name, address: address, want: want, pressed: pressed,
				page: scanner.send(t, http.MethodGet, path, "", "Accept: text/html", "Accept-Language: "+language)})
		}
		add("confirm", pending, v.mail(t, pending, 1).link(t, confirmPath), "pending", 3)
		add("confirmed", active, confirm, "active", 3)
		for i, request := range []string{"export", "erase"} {
			if got := v.send(t, http.MethodPost, privacyPath, `{"email":"`+active+`","request":"`+request+`"}`, asJSON); got.Status != http.StatusAccepted {
				t.Fatalf("%s: %d %s", request, got.Status, got.Body)
			}
			path := v.mail(t, active, 2+i).link(t, privacyPath)
			add(request, active, path, "active", 3-i)
		}
		leaver := "scanned.leaver." + language + "@example.org"
		v.subscribe(t, leaver)
		mail := v.mail(t, leaver, 1)
		if got := v.send(t, http.MethodPost, mail.link(t, confirmPath), agree, asForm); got.Status != http.StatusOK {
			t.Fatalf("confirm: %d %s", got.Status, got.Body)
		}
		add("unsubscribe", leaver, mail.link(t, unsubscribePath), "unsubscribed", 2)
	}
	time.Sleep(10 * time.Second) // a scanner waits until a page has finished
	for _, l := range links {
		if l.page.Status != http.StatusOK {
			t.Errorf("%s: %d %s", l.name, l.page.Status, l.page.Body)
		}
		if pressed := l.scanner.press(t, l.page); pressed != l.pressed {
			t.Errorf("%s: %d forms are sent, want %d", l.name, pressed, l.pressed)
		}
		if got := s.status(t, l.address); got != l.want {
			t.Errorf("%s: the subscriber is %s, want %s", l.name, got, l.want)
		}
		kinds := s.ledger(t, l.address)
		for _, kind := range []string{"subscription.declined", "subscription.erased"} {
			if slices.Contains(kinds, kind) {
				t.Errorf("%s: %v", l.name, kinds)
			}
		}
	}
	if n := s.count(t, "suppressions p join identities i using (email_hmac) join subscribers s on s.id = i.subscriber_id where s.email_norm like 'scanned.%'"); n != 0 {
		t.Errorf("%d suppressions", n)
	}
}
