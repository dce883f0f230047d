package ledger

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/text/unicode/norm"
)

// maxConsentText is the longest consent text in characters: people read it on a page.
const maxConsentText = 10_000

// errConsentTextExists is the error for a second text of a version in a language. Consent texts never change, because
// people have agreed to them.
var errConsentTextExists = errors.New("ledger: this version has a text in this language; add a new version")

// ConsentText is a text that people agree to.
type ConsentText struct {
	ID      uuid.UUID `json:"id"`
	Version string    `json:"version"`
	Locale  Locale    `json:"locale"`
	Body    string    `json:"body"`
	SHA256  string    `json:"sha256"` // of Body in UTF-8, in hexadecimal
	// CreatedAt is when the text was added.
	CreatedAt time.Time `json:"created_at"`
	// Current reports whether requests that name no version show this one.
	Current bool `json:"current"`
}

// NewConsentText returns a text written by the operator. It trims blanks and normalizes Unicode (NFC), so that equal
// texts have equal hashes. The error describes what is invalid.
func NewConsentText(version, language, body string) (ConsentText, error) {
	locale, err := ParseLocale(language)
	body = norm.NFC.String(strings.TrimSpace(strings.ReplaceAll(body, "\r\n", "\n")))
	switch {
	case !isName(version, 64, "._-"):
		return ConsentText{}, errors.New("the version must be 1 to 64 letters, digits, dots, hyphens or underscores")
	case err != nil || locale == "":
		return ConsentText{}, fmt.Errorf("the locale %w", errLocale)
	case !utf8.ValidString(body) || strings.ContainsRune(body, 0):
		return ConsentText{}, errors.New("the text must be UTF-8 without NUL characters")
	case body == "" || utf8.RuneCountInString(body) > maxConsentText:
		return ConsentText{}, fmt.Errorf("the text must have 1 to %d characters", maxConsentText)
	}
	return ConsentText{ID: uuid.Must(uuid.NewV7()), Version: version, Locale: locale, Body: body, SHA256: fmt.Sprintf("%x", sha256.Sum256([]byte(body)))}, nil
}

func isName(s string, longest int, also string) bool {
	return s != "" && len(s) <= longest && strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(also, r)
	}) < 0
}

const insertTextSQL = `
insert into consent_texts (id, version, locale, body, sha256, created_at)
values ($1::text::uuid, $2::text, $3::text, $4::text, decode($5::text, 'hex'), $6::timestamptz)`

// AddConsentText stores a text forever and records the operator's act. A text of a new version makes that version
// current. A second text of a version in a language is an error.
func AddConsentText(ctx context.Context, db database, t ConsentText, now time.Time) error {
	event := Event{
		ID: uuid.Must(uuid.NewV7()), At: now, Kind: ConsentTextAdded, Actor: Operator, Channel: "tool", RequestID: "operator", ConsentTextID: t.ID,
		Data: Data{Outcome: "added", TextVersion: t.Version, Locale: t.Locale},
	}
	err := db.Batch(ctx, func(b *pgx.Batch) {
		b.Queue(insertTextSQL, t.ID.String(), t.Version, string(t.Locale), t.Body, t.SHA256, now)
		Append(b, event)
	})
	const uniqueViolation = "23505"
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code == uniqueViolation {
		return errConsentTextExists
	}
	if err != nil {
		return fmt.Errorf("add a consent text: %w", err)
	}
	return nil
}

const textsSQL = `
select id::text, version, locale, body, encode(sha256, 'hex'), created_at,
       version = (select version from consent_texts group by version order by min(created_at) desc, version desc limit 1)
from consent_texts order by created_at, version, locale`

// ConsentTexts lists all texts, oldest first.
func ConsentTexts(ctx context.Context, db database) ([]ConsentText, error) {
	var all []ConsentText
	err := db.Batch(ctx, func(b *pgx.Batch) {
		b.Queue(textsSQL).Query(func(rows pgx.Rows) error {
			var err error
			all, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (t ConsentText, err error) {
				return t, row.Scan(&t.ID, &t.Version, (*string)(&t.Locale), &t.Body, &t.SHA256, &t.CreatedAt, &t.Current)
			})
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list the consent texts: %w", err)
	}
	return all, nil
}

// ConsentTextShown returns the id of the text of a version shown in a language: the text in that language, in its
// base language, or the only text of the version. It returns uuid.Nil if none of them is certain.
func ConsentTextShown(texts []ConsentText, version string, locale Locale) uuid.UUID {
	base, _, _ := strings.Cut(string(locale), "-")
	var only, inBase uuid.UUID
	n := 0
	for _, t := range texts {
		switch {
		case t.Version != version:
			continue
		case strings.EqualFold(string(t.Locale), string(locale)):
			return t.ID
		case strings.EqualFold(string(t.Locale), base):
			inBase = t.ID
		}
		only = t.ID
		n++
	}
	if inBase != uuid.Nil || n > 1 {
		return inBase
	}
	return only
}

// CurrentConsentText returns the id of the text of the current version for a reader: in their language, else in its base
// language, else in English, else in any. It returns uuid.Nil without a text.
func CurrentConsentText(texts []ConsentText, locale Locale) uuid.UUID {
	base, _, _ := strings.Cut(string(locale), "-")
	best, rank := uuid.Nil, 0
	for _, t := range texts {
		found := 1
		switch {
		case !t.Current:
			continue
		case strings.EqualFold(string(t.Locale), string(locale)):
			found = 4
		case strings.EqualFold(string(t.Locale), base):
			found = 3
		case t.Locale == "en":
			found = 2
		}
		if found > rank {
			best, rank = t.ID, found
		}
	}
	return best
}
