package operate

import (
	"context"
	"slices"

	"newsletter/shared/field"
	"newsletter/shared/ledger"
	"newsletter/shared/subscription"
)

// Import brings a part of a list in. The operator's tool reads the list.
var Import = record("import", importEntries)

// MaxEntries limits the entries of a call of Import: one transaction, during which sign-ups of the same addresses wait,
// and less than MaxPayload however long their texts are.
const MaxEntries = 500

// ListPart is a part of an imported list.
type ListPart struct {
	// Entries are at most MaxEntries; none only checks the consent text.
	Entries []subscription.ListEntry `json:"entries"`
	// TextVersion is a consent text that must exist; empty for none.
	TextVersion string `json:"text_version,omitempty"`
	// Confirmed, Reconfirm and DryRun are those of subscription.ListImport.
	Confirmed bool `json:"confirmed,omitempty"`
	Reconfirm bool `json:"reconfirm,omitempty"`
	DryRun    bool `json:"dry_run,omitempty"`
}

// ImportedPart is the results of a part, in the order of its entries.
type ImportedPart struct {
	Results []subscription.ImportResult `json:"results"`
	// Fields are the declared fields; empty unless the part has no entries.
	Fields []field.Declaration `json:"fields,omitempty"`
}

// Counts returns the number of entries, for the log.
func (p ImportedPart) Counts() map[string]int64 {
	return map[string]int64{"entries": int64(len(p.Results))}
}

// importEntries imports a part of a list.
func importEntries(ctx context.Context, i *Installation, p ListPart) (ImportedPart, error) {
	switch {
	case len(p.Entries) > MaxEntries:
		return ImportedPart{}, Wrong("import: %d entries are too many for one call, whose limit is %d", len(p.Entries), MaxEntries)
	case p.Confirmed && p.Reconfirm:
		return ImportedPart{}, Wrong("import: --confirmed and --reconfirm exclude each other: who is confirmed need not be asked")
	}
	for _, e := range p.Entries {
		if err := CheckKnown("state", e.State, subscription.ListStates()); err != nil {
			return ImportedPart{}, err
		}
	}
	texts, err := ledger.ConsentTexts(ctx, i.db)
	if err != nil {
		return ImportedPart{}, err
	}
	isVersion := func(t ledger.ConsentText) bool { return t.Version == p.TextVersion }
	if p.TextVersion != "" && !slices.ContainsFunc(texts, isVersion) {
		return ImportedPart{}, Wrong("there is no consent text of version %q; add it first", p.TextVersion)
	}
	if len(p.Entries) == 0 {
		return ImportedPart{Fields: i.fields}, nil
	}
	results, err := i.store.Import(ctx, subscription.ListImport{
		Entries: p.Entries, Confirmed: p.Confirmed, Reconfirm: p.Reconfirm, DryRun: p.DryRun, Fields: i.fields, Sources: i.declared, Texts: texts,
	})
	return ImportedPart{Results: results}, err
}
