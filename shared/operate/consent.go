package operate

import (
	"context"

	"newsletter/shared/ledger"
	"newsletter/shared/subscription"
)

// The commands on consent texts and their proof.
var (
	ConsentAdd   = record("consent add", addConsentText)
	ConsentList  = read("consent list", listConsentTexts)
	ConsentProof = record("consent proof", proveConsent)
)

// ConsentToAdd is a consent text in a language.
type ConsentToAdd struct {
	Version string `json:"version"`
	Locale  string `json:"locale"`
	Text    string `json:"text"`
}

// addConsentText adds a text. The same text a second time changes nothing.
func addConsentText(ctx context.Context, i *Installation, c ConsentToAdd) (ledger.ConsentText, error) {
	text, err := ledger.NewConsentText(c.Version, c.Locale, c.Text)
	if err != nil {
		return text, Wrong("%s", err.Error())
	}
	known, err := ledger.ConsentTexts(ctx, i.db)
	if err != nil {
		return text, err
	}
	for _, k := range known {
		if k.Version == text.Version && k.Locale == text.Locale {
			if k.SHA256 != text.SHA256 {
				err = Failed("version %s has another text in %s; a text never changes, so choose another version", k.Version, k.Locale)
			}
			return k, err
		}
	}
	return text, ledger.AddConsentText(ctx, i.db, text, i.now())
}

// listConsentTexts lists all texts, the oldest first.
func listConsentTexts(ctx context.Context, i *Installation, _ All) (l List[ledger.ConsentText], err error) {
	texts, err := ledger.ConsentTexts(ctx, i.db)
	if err != nil {
		return l, err
	}
	return list(texts)
}

// proveConsent returns the proof of a subscriber's consent, and records that it did. Without steps, no data about the
// address is kept.
func proveConsent(ctx context.Context, i *Installation, p Person) (subscription.Proof, error) {
	address, err := parseAddress(p.Email)
	if err != nil {
		return subscription.Proof{}, err
	}
	return i.store.Proof(ctx, address, visit("tool"))
}
