package subscription

import (
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
)

// A consentText identifies the consent text of a version, or of the current version, for a sign-up.
type consentText struct {
	id uuid.UUID // the text in the closest language to the sign-up's; uuid.Nil if there is none
	// certain is true if a form in the sign-up's language shows this text: the text is in that language, in its base
	// language, or the only one of its version.
	certain bool
}

// It selects the text in the reader's language, else in its base language, else in English, else any.
const consentTextSQL = `
select id::text, lower(locale) in (lower($2::text), lower(split_part($2::text, '-', 1))) or count(*) over () = 1
from consent_texts
where version = coalesce(nullif($1::text, ''),
                         (select version from consent_texts group by version order by min(created_at) desc, version desc limit 1))
order by lower(locale) = lower($2::text) desc, lower(locale) = lower(split_part($2::text, '-', 1)) desc,
         locale = 'en' desc, locale
limit 1`

// load reads the text of a version, or of the current version if empty, in the closest language to locale.
func (c *consentText) load(b *pgx.Batch, version string, locale ledger.Locale) {
	b.Queue(consentTextSQL, version, string(locale)).QueryRow(func(found pgx.Row) error {
		return ignoreNoRows(found.Scan(&c.id, &c.certain))
	})
}

// missing reports whether version is given but does not exist.
func (c consentText) missing(version string) bool { return version != "" && c.id == uuid.Nil }

// record returns what the ledger records for a sign-up with a version, or with none: the text that the form showed, if
// that is certain, else the text that the confirmation page will show.
func (c consentText) record(version string) (shown uuid.UUID, toShow string) {
	switch {
	case c.id == uuid.Nil:
		return uuid.Nil, ""
	case version != "" && c.certain:
		return c.id, ""
	}
	return uuid.Nil, c.id.String()
}
