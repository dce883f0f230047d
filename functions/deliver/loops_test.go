package main

import (
	"net/http"
	"strings"
	"testing"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/internal/local/devstack"
	"newsletter/shared/token"
)

// whileCalling does something before it handles the first update of a contact.
type whileCalling struct {
	http.Handler
	do func()
}

func (c *whileCalling) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/contacts/update") && c.do != nil {
		do := c.do
		c.do = nil
		do()
	}
	c.Handler.ServeHTTP(w, r)
}

func TestEndDuringTheCall(t *testing.T) {
	for name, end := range map[string]func(b *bundle, left token.Claims){
		"unsubscribed": func(b *bundle, left token.Claims) {
			_, err := b.Store.Unsubscribe(b.Context(), left.Link, functiontest.Visit)
			if err != nil {
				b.Error(err)
			}
		},
		"erased": func(b *bundle, _ token.Claims) { b.erase("jane@example.org") },
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t)
			o := b.outside()
			left := b.Activate("jane@example.org")
			b.Fake("/loops/api/", http.StripPrefix("/loops", &whileCalling{o.loops, func() { end(b, left) }}))
			b.drain()
			for _, c := range o.loops.Contacts() {
				if c.Subscribed || name == "erased" {
					t.Errorf("%+v", c)
				}
			}
		})
	}
}

// With a template, Loops sends the emails, each once, even if a response is lost.
func TestLoopsSendsEmails(t *testing.T) {
	b := setup(t)
	o := b.outside()
	o.loops.Template("template1", "subject", "text", "unsubscribe")
	b.Variables["LOOPS_TRANSACTIONAL_ID"] = "template1"
	b.SignUp("jane@example.org")
	f := b.Open(open)
	o.loops.Fail(devstack.Fault{Lost: true}) // sent, but the response is lost
	b.expect(b.run(t.Context(), f), `{"retry":1}`)
	b.due()
	b.expect(b.run(t.Context(), f), `{"sent":1}`)
	emails := o.loops.Emails()
	if len(emails) != 1 || emails[0].To != "jane@example.org" || emails[0].Variables["subject"] != "Bitte bestätigen: The Jane Letter" ||
		!strings.Contains(emails[0].Variables["text"], confirmPath) || !strings.Contains(emails[0].Variables["unsubscribe"], unsubscribePath) {
		t.Errorf("%+v", emails)
	}
	if b.ses.Calls() != 0 || len(o.loops.Contacts()) != 0 {
		t.Error("SES sent it too, or a contact was created without consent")
	}
}

// A template without an API key is an error: otherwise SES would send, and health would not expect its feedback.
func TestLoopsTemplateNeedsAPIKey(t *testing.T) {
	b := setup(t)
	b.Variables["LOOPS_TRANSACTIONAL_ID"] = "template1"
	if _, err := open(t.Context(), b.Env()); err == nil || !strings.Contains(err.Error(), "LOOPS_TRANSACTIONAL_ID: requires LOOPS_API_KEY") {
		t.Errorf("%v", err)
	}
}
