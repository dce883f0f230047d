package e2e

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestSignUpInABrowser signs up, confirms and unsubscribes in a browser. No script runs on the pages: their policy
// disables scripts, and buttons suffice.
func TestSignUpInABrowser(t *testing.T) {
	t.Parallel()
	s := shared(t)
	ctx := browser(t)
	const address = "browser@example.org"
	v := newVisitor(s.base, "127.0.0.1")

	do(t, ctx, chromedp.Navigate(s.base+"/"), chromedp.SendKeys(chromedp.CSS("#email"), address), chromedp.Submit(chromedp.CSS("#email")))
	awaitHeading(t, ctx, "Check your inbox")

	mail := v.mail(t, address, 1)
	do(t, ctx, chromedp.Navigate(s.base+mail.link(t, confirmPath)), chromedp.WaitVisible(chromedp.CSS("button")))
	if got := s.status(t, address); got != "pending" {
		t.Errorf("after opening the link: %s", got)
	}
	// By keyboard: the Tab key first focuses the box, which the Space key ticks, then the confirm button.
	do(t, ctx, chromedp.KeyEvent("\t"), chromedp.KeyEvent(" "), chromedp.KeyEvent("\t"), chromedp.KeyEvent("\r"))
	awaitHeading(t, ctx, "You are subscribed")
	if got := s.status(t, address); got != "active" {
		t.Errorf("after the button: %s", got)
	}

	do(t, ctx, chromedp.Navigate(s.base+mail.link(t, unsubscribePath)), chromedp.Click(chromedp.CSS("button")))
	awaitHeading(t, ctx, "You are unsubscribed")
	do(t, ctx, chromedp.WaitVisible(chromedp.CSS("input[type=email]"))) // "subscribe again"
	if got := s.status(t, address); got != "unsubscribed" {
		t.Errorf("after unsubscribing: %s", got)
	}
}

// TestPageThatCarriesHeaders signs up by the script of a page on another origin, with the headers that tracing and libraries
// send. The browser refuses the request if the preflight does not allow them.
func TestPageThatCarriesHeaders(t *testing.T) {
	t.Parallel()
	s := shared(t)
	ctx := browser(t)
	do(t, ctx, chromedp.Navigate(s.site))
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	status, err := chromedp.Run(ctx, chromedp.Evaluate[int](`fetch("`+s.base+subscribePath+`", {
		method: "POST", body: JSON.stringify({email: "headers@example.org"}),
		headers: {"Content-Type": "application/json", "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
			"baggage": "k=v", "sentry-trace": "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7", "HX-Request": "true",
			"X-Requested-With": "XMLHttpRequest"},
	}).then(answer => answer.status)`, chromedp.EvalAwaitPromise))
	if err != nil || status != http.StatusAccepted {
		t.Fatalf("status %d, %v", status, err)
	}
	newVisitor(s.base, "127.0.0.1").mail(t, "headers@example.org", 1)
}

func do(t *testing.T, ctx context.Context, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

// awaitHeading waits until the page that follows a form has loaded.
func awaitHeading(t *testing.T, ctx context.Context, want string) {
	t.Helper()
	heading := ""
	for deadline := time.Now().Add(time.Minute); heading != want; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("heading %q, want %q", heading, want)
		}
		step, cancel := context.WithTimeout(ctx, 5*time.Second)
		heading, _ = chromedp.Run(step, chromedp.Text(chromedp.CSS("h1"))) // there is none while a page is loading
		cancel()
	}
}

// browser starts Chromium without a window.
func browser(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("Chromium is not installed; `make setup` installs it")
		}
		t.Skip("Chromium is not installed; `make setup` installs it")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, // root cannot use the sandbox, and only local pages are opened
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.UserDataDir(t.TempDir()),
		chromedp.WindowSize(400, 800),
	)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil { // the browser lives as long as the context of the first call
		t.Fatalf("start Chromium: %v", err)
	}
	return ctx
}
