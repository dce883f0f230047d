package subscription

import (
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// consentText is the text of a version, or of the current one, for a request.
type consentText struct {
	id uuid.UUID // of the text in the language nearest to the request's; uuid.Nil if there is none
	// certain is that it is this one that a form in the request's language shows: it is in that language, or in its base
	// language, or the only one of its version.
	certain bool
}

// Of a version, the text in the reader's language is taken, else in its base language, else in English, else any.
const consentTextSQL = `
select id::text, lower(locale) in (lower($2::text), lower(split_part($2::text, '-', 1))) or count(*) over () = 1
from consent_texts
where version = coalesce(nullif($1::text, ''),
                         (select version from consent_texts group by version order by min(created_at) desc, version desc limit 1))
order by lower(locale) = lower($2::text) desc, lower(locale) = lower(split_part($2::text, '-', 1)) desc,
         locale = 'en' desc, locale
limit 1`

// load finds the text of a version, or of the current one if version is empty, in the language nearest to locale.
func (c *consentText) load(b *pgx.Batch, version, locale string) {
	b.Queue(consentTextSQL, version, locale).QueryRow(func(found pgx.Row) error {
		return optional(found.Scan(&c.id, &c.certain))
	})
}

// missing means that a version was named and does not exist.
func (c consentText) missing(version string) bool { return version != "" && c.id == uuid.Nil }

// record returns what the ledger keeps of a request that names a version, or none: the text that the form showed, where that
// is certain; else the text that the page with the button will show in its place.
func (c consentText) record(version string) (shown uuid.UUID, toShow string) {
	switch {
	case c.id == uuid.Nil:
		return uuid.Nil, ""
	case version != "" && c.certain:
		return c.id, ""
	}
	return uuid.Nil, c.id.String()
}
