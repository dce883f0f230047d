package subscription

import "github.com/google/uuid"

// A consentText identifies the consent text of a version, or of the current version, for a sign-up.
type consentText struct {
	id uuid.UUID // the text in the closest language to the sign-up's; uuid.Nil if there is none
	// named is true if the sign-up names a version that exists. Otherwise this is the current version.
	named bool
	// certain is true if a form in the sign-up's language shows this text: the text is in that language, in its base
	// language, or the only one of its version.
	certain bool
}

// record returns what the ledger records for a sign-up: the text that the form showed, if that is certain, else the text
// that the confirmation page will show.
func (c consentText) record() (shown uuid.UUID, toShow string) {
	switch {
	case c.id == uuid.Nil:
		return uuid.Nil, ""
	case c.named && c.certain:
		return c.id, ""
	}
	return uuid.Nil, c.id.String()
}
