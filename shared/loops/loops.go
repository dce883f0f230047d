// Package loops keeps the contacts of a Loops account (loops.so, API v1) in line with the subscriptions here, and sends
// its transactional emails.
//
// A contact that Loops suppressed, or that unsubscribed or declined there, is not subscribed again; this is an outcome,
// not a failure. An unsubscribe here creates no contact there. Other properties of a contact, such as the owner's user
// id, stay as they are; erasing deletes the contact.
//
// Failure policy: a call is made once and takes at most ten seconds; every error is a *outbox.Failure. The outbox
// retries, and every method is idempotent.
package loops

import (
	"errors"
	"net/http"
	"regexp"
	"strings"
	"sync"

	"newsletter/shared/config"
)

// Config configures the account.
type Config struct {
	// The API key of a Loops account (Settings, API). Empty: contacts are not synced to Loops.
	APIKey config.Sealed `env:"LOOPS_API_KEY"`
	// The ids of the mailing lists in Loops that subscribers are added to and removed from. Empty: only the audience
	// is updated.
	MailingLists []string `env:"LOOPS_MAILING_LISTS" example:"cm0newsletter1"`
	// BaseURL is the API's base URL, without a trailing slash (Loops, API reference, "Base URL").
	BaseURL string `envDefault:"https://app.loops.so"`
}

// SenderConfig configures sending through Loops.
type SenderConfig struct {
	// Send all emails through this transactional email of Loops in place of Amazon SES. It needs the data variables
	// subject, text and unsubscribe. Loops writes the unsubscribe headers by its own rules. Empty: SES sends.
	TransactionalID string `env:"LOOPS_TRANSACTIONAL_ID" example:"cm0transactional1"`
}

// Enabled reports whether Loops is configured.
func (c Config) Enabled() bool { return !c.APIKey.IsZero() }

var listID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Validate implements the check of config.Env.Read.
func (c Config) Validate() error {
	var problems []error
	if strings.ContainsFunc(c.APIKey.Reveal(), func(r rune) bool { return r <= ' ' || r > '~' }) {
		problems = append(problems, errors.New("LOOPS_API_KEY: must not contain spaces, line ends or non-ASCII characters"))
	}
	for _, id := range c.MailingLists {
		if !listID.MatchString(id) {
			problems = append(problems, errors.New("LOOPS_MAILING_LISTS: must be ids separated by commas, as Loops shows them: up to 64 letters, digits, - or _ each"))
			break
		}
	}
	return errors.Join(problems...)
}

// Doer sends requests.
type Doer interface {
	Do(r *http.Request) (*http.Response, error)
}

// Client calls the API of an account. It is safe for concurrent use.
type Client struct {
	config  Config
	http    Doer
	created sync.Map // the names of custom properties that the account has
}

// New returns the client of a valid and enabled Config. It does no I/O. The Doer must not follow redirects, which would
// reveal the key.
func New(cfg Config, client Doer) *Client { return &Client{config: cfg, http: client} }
