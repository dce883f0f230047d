package main

import (
	"strings"
	"testing"
	"time"

	"newsletter/shared/ledger"
	"newsletter/shared/subscription"
)

// TestPrintProof checks that a proof describes each step, and prints missing facts as missing.
func TestPrintProof(t *testing.T) {
	t.Parallel()
	text := &ledger.ConsentText{Version: "2026-11", Locale: "de", Body: "Ich will.\nWirklich.", SHA256: "ab12"}
	blog := ledger.Source{Page: "https://www.example.org/blog"}
	for name, c := range map[string]struct {
		step        subscription.Step
		want, never []string
	}{
		"a request that names nothing": {
			subscription.Step{Kind: ledger.Requested, Data: ledger.Data{TextToShow: "0192"}},
			[]string{"Signed up for the newsletter", "text shown       none recorded", "consent box      not recorded"}, []string{"|", "page", "language", "0192"},
		},
		"a request that names all": {
			subscription.Step{Kind: ledger.Requested, Text: text, Source: blog, Data: ledger.Data{Granted: true, Locale: "de", TextVersion: "2026-11"}},
			[]string{"text shown       version 2026-11, de, SHA-256 ab12", "| Ich will.\n   | Wirklich.", "consent box      ticked", "language         de", "page             https://www.example.org/blog"}, nil,
		},
		"a text in some language": {
			subscription.Step{Kind: ledger.Requested, Data: ledger.Data{TextVersion: "2026-11"}},
			[]string{"text shown       version 2026-11, in an unknown language"}, []string{"|"},
		},
		"a confirmation": {
			subscription.Step{Kind: ledger.Confirmed, Text: text, Source: blog, Data: ledger.Data{Locale: "de"}},
			[]string{"Consented, by the button", "text shown       version 2026-11, de"}, []string{"page", "consent box"},
		},
		"another address": {
			subscription.Step{Kind: ledger.Rectified, Text: text, Source: blog}, []string{"Changed the address", "text shown       version 2026-11, de"}, []string{"page"},
		},
		"an import": {
			subscription.Step{Kind: ledger.Imported, Text: text, Data: ledger.Data{OriginalAt: "2023-01-02T03:04:05Z"}, Evidence: "ticked box on paper form 12"},
			[]string{"Imported by the operator", "consented at     2023-01-02T03:04:05Z (according to the list)", "evidence         ticked box on paper form 12 (according to the list)", "version 2026-11, de"}, nil,
		},
		"an import without evidence": {
			subscription.Step{Kind: ledger.Imported},
			[]string{"consented at     unknown", "evidence         unknown", "text shown       none recorded"}, []string{"|"},
		},
		"an import of who had left": {
			subscription.Step{Kind: ledger.Imported, Data: ledger.Data{Outcome: "imported_left", OriginalAt: "2023-01-02T03:04:05Z"}},
			[]string{"according to which the subscriber had left", "left at          2023-01-02T03:04:05Z (according to the list)"}, []string{"consented", "text shown", "had consented"},
		},
		"an import of who had left at an unknown time": {
			subscription.Step{Kind: ledger.Imported, Data: ledger.Data{Outcome: "imported_left"}}, []string{"left at          unknown"}, []string{"according to the list)"},
		},
		"an import of who waited": {
			subscription.Step{Kind: ledger.Requested, Channel: "import", Data: ledger.Data{Outcome: "reconfirm_queued"}},
			[]string{"Asked by email to confirm"}, []string{"Signed up", "consent box", "text shown"},
		},
		"an import that ends a subscription": {
			subscription.Step{Kind: ledger.Unsubscribed, Channel: "import"}, []string{"Withdrew the consent", "happened at      unknown"}, nil,
		},
		"a withdrawal": {
			subscription.Step{Kind: ledger.Unsubscribed, Source: blog, Data: ledger.Data{Locale: "de"}}, []string{"Withdrew the consent"}, []string{"page", "language", "text"},
		},
		"a withdrawal that was recorded later": {
			subscription.Step{Kind: ledger.Unsubscribed, Data: ledger.Data{OriginalAt: "2026-01-02T03:04:05Z"}}, []string{"happened at      2026-01-02T03:04:05Z"}, nil,
		},
		"a kind of a newer version": {subscription.Step{Kind: "archive.moved"}, []string{"archive.moved"}, nil},
	} {
		var out strings.Builder
		printProof(&out, subscription.Proof{Address: "jane@example.org", Status: subscription.Active, CreatedAt: time.Now(), Steps: []subscription.Step{c.step}})
		for _, want := range c.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: %q is missing:\n%s", name, want, out.String())
			}
		}
		for _, never := range append(c.never, "subscription.") {
			if strings.Contains(out.String(), never) {
				t.Errorf("%s: unexpected %q:\n%s", name, never, out.String())
			}
		}
	}
}
