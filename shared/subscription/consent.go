package subscription

import (
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// consentText is the text that a request showed.
type consentText struct {
	id uuid.UUID // uuid.Nil if there is none
}

// Of a version, the text in the reader's language is taken, else in its base language, else in English, else any.
const consentTextSQL = `
select id::text from consent_texts
where version = coalesce(nullif($1::text, ''),
                         (select version from consent_texts group by version order by min(created_at) desc, version desc limit 1))
order by lower(locale) = lower($2::text) desc, lower(locale) = lower(split_part($2::text, '-', 1)) desc,
         locale = 'en' desc, locale
limit 1`

// load finds the text of a version, or of the current one if version is empty, in the language nearest to locale.
func (c *consentText) load(b *pgx.Batch, version, locale string) {
	b.Queue(consentTextSQL, version, locale).QueryRow(func(found pgx.Row) error {
		return optional(found.Scan(&c.id))
	})
}

// missing says that a version was named and does not exist.
func (c consentText) missing(version string) bool { return version != "" && c.id == uuid.Nil }
