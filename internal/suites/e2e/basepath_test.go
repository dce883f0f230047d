package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"newsletter/internal/local/devstack"
)

// TestBasePath runs the API below a base path, as with an API mapping or a proxy.
func TestBasePath(t *testing.T) {
	t.Parallel()
	s := start(t, devstack.Options{Variables: generous, MappingKey: "news/v1"})
	base := s.base + "/news/v1"
	v := newVisitor(base, "127.61.1.1")
	inbox := newVisitor(s.base, "127.61.1.1") // it is the local stack's, not the API's

	for path, status := range map[string]int{
		healthPath: 200, healthPath + "/": 200, "/api/health/live": 200, "/api/health/live/": 200,
		subscribePath + "/": 405, confirmPath: 404, unsubscribePath + "/": 404, privacyPath: 404,
	} {
		if got := v.send(t, http.MethodGet, path, "", "Accept: application/json"); got.Status != status {
			t.Errorf("%s: %d %s", path, got.Status, got.Body)
		}
	}

	const address = "base.path@example.org"
	if got := v.send(t, http.MethodPost, subscribePath+"/", "email="+address, asForm); got.Status != http.StatusAccepted {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	mail := inbox.mail(t, address, 1)
	for _, link := range append(mail.Links, strings.Trim(mail.Headers["List-Unsubscribe"], "<>")) {
		if strings.Contains(link, "/api/") && !strings.HasPrefix(link, base+"/api/newsletter/") {
			t.Errorf("unexpected link %s", link)
		}
	}
	for _, step := range []struct{ link, body, status string }{
		{mail.link(t, confirmPath), agree, "active"}, {mail.link(t, unsubscribePath), "", "unsubscribed"},
	} {
		if got := inbox.send(t, http.MethodGet, step.link, ""); got.Status != http.StatusOK {
			t.Errorf("%s: %d %s", step.link, got.Status, got.Body)
		}
		if got := inbox.send(t, http.MethodPost, strings.Replace(step.link, "?", "/?", 1), step.body, asForm); got.Status != http.StatusOK || s.status(t, address) != step.status {
			t.Errorf("%s: %d %s, the subscriber is %s", step.link, got.Status, got.Body, s.status(t, address))
		}
	}

	t.Run("with a browser", func(t *testing.T) {
		ctx := browser(t)
		const address = "base.browser@example.org"
		v.subscribe(t, address)
		mail := inbox.mail(t, address, 1)
		do(t, ctx, chromedp.Navigate(s.base+mail.link(t, confirmPath)), chromedp.Click(chromedp.CSS("#form0-agree")), chromedp.Click(chromedp.CSS("button")))
		awaitHeading(t, ctx, "You are subscribed")
		do(t, ctx, chromedp.Navigate(s.base+mail.link(t, unsubscribePath)), chromedp.Click(chromedp.CSS("button")))
		awaitHeading(t, ctx, "You are unsubscribed")
		if got := s.status(t, address); got != "unsubscribed" {
			t.Errorf("after unsubscribing: %s", got)
		}
		do(t, ctx, chromedp.SendKeys(chromedp.CSS("input[type=email]"), address), chromedp.Submit(chromedp.CSS("input[type=email]")))
		awaitHeading(t, ctx, "Check your inbox")
		// The link is invalid; its page has a form, whose action must drop the query.
		do(t, ctx, chromedp.Navigate(s.base+"/news/v1"+unsubscribePath+"/?token=nonsense"),
			chromedp.SendKeys(chromedp.CSS("input[type=email]"), address), chromedp.Submit(chromedp.CSS("input[type=email]")))
		awaitHeading(t, ctx, "Check your inbox")
		do(t, ctx, chromedp.Navigate(s.base+"/news/v1"+privacyPath),
			chromedp.SendKeys(chromedp.CSS("input[type=email]"), address), chromedp.Submit(chromedp.CSS("input[type=email]")))
		awaitHeading(t, ctx, "Check your inbox")
	})
}

// TestOneClickAcceptsAnyBodyThroughTheGateway sends one-click requests with bodies that the gateway passes on as on
// AWS.
func TestOneClickAcceptsAnyBodyThroughTheGateway(t *testing.T) {
	t.Parallel()
	s := shared(t)
	v := newVisitor(s.base, "127.61.2.1")
	for i, post := range []struct{ body, kind string }{
		{strings.Repeat("x", 17<<10), asForm},
		{strings.Repeat("x", 4<<20), "Content-Type: text/plain"},
		{strings.Repeat("\xff\x00", 1<<20), "Content-Type: application/octet-stream"},
		{"--b\r\nContent-Dis", "Content-Type: multipart/form-data"},
		{"\x1f\x8b\x08\x00\x00", "Content-Encoding: gzip"},
		{"a=%zz", asForm},
	} {
		address := fmt.Sprintf("any.body.%d@example.org", i)
		v.subscribe(t, address)
		mail := v.mail(t, address, 1)
		v.send(t, http.MethodPost, mail.link(t, confirmPath), agree, asForm)
		link := mail.link(t, unsubscribePath)
		for _, step := range []struct{ method, status string }{{http.MethodHead, "active"}, {http.MethodGet, "active"}, {http.MethodPost, "unsubscribed"}} {
			got := v.send(t, step.method, link, post.body, post.kind, "Accept: application/json")
			if status := s.status(t, address); got.Status != http.StatusOK || status != step.status {
				t.Errorf("%s with %d bytes, %s: %d %s, the subscriber is %s", step.method, len(post.body), post.kind, got.Status, got.Body, status)
			}
		}
	}
}
