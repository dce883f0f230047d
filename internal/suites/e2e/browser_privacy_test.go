package e2e

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// picture saves a screenshot in the folder SCREENSHOTS for manual review, if it is set.
func picture(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	folder := os.Getenv("SCREENSHOTS")
	if folder == "" {
		return
	}
	image, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), image, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestErasureInABrowser erases a subscriber's data: the form, the email, and typing the address, by keyboard only.
func TestErasureInABrowser(t *testing.T) {
	t.Parallel()
	s := shared(t)
	ctx := browser(t)
	const address = "forget-me@example.org"
	v := newVisitor(s.base, "127.0.0.1")
	v.subscribe(t, address)
	confirm := v.mail(t, address, 1).link(t, confirmPath)
	do(t, ctx, chromedp.Navigate(s.base+confirm), chromedp.WaitVisible(chromedp.CSS("blockquote"))) // the consent text
	picture(t, ctx, "confirm")
	do(t, ctx, chromedp.Click(chromedp.CSS("#form0-agree")), chromedp.Click(chromedp.CSS("button")))
	awaitHeading(t, ctx, "You are subscribed")
	picture(t, ctx, "confirmed")

	do(t, ctx, chromedp.Navigate(s.base+privacyPath), chromedp.WaitVisible(chromedp.CSS("#form1-email")))
	picture(t, ctx, "privacy")
	do(t, ctx, chromedp.SendKeys(chromedp.CSS("#form1-email"), address), chromedp.KeyEvent("\r"))
	awaitHeading(t, ctx, "Check your inbox")
	link := v.mail(t, address, 2).link(t, privacyPath)

	do(t, ctx, chromedp.Navigate(s.base+link), chromedp.WaitVisible(chromedp.CSS("#form0-email")))
	picture(t, ctx, "erase")
	do(t, ctx, chromedp.KeyEvent("\t"), chromedp.KeyEvent("other@example.org\r"))
	awaitHeading(t, ctx, "The link was sent to a different address")
	picture(t, ctx, "not-the-address")
	if got := s.status(t, address); got != "active" {
		t.Errorf("after another address: %s", got)
	}
	do(t, ctx, chromedp.KeyEvent("\t"), chromedp.KeyEvent(address+"\r"))
	awaitHeading(t, ctx, "Your data has been deleted")
	picture(t, ctx, "erased")
	if n := s.count(t, "subscribers where email_norm = $1", address); n != 0 {
		t.Error("the row still exists")
	}
	do(t, ctx, chromedp.Navigate(s.base+unsubscribePath), chromedp.WaitVisible(chromedp.CSS("input[type=email]")))
	picture(t, ctx, "leave-by-address")
}
