// Package catalog holds the translated texts of emails and pages.
//
// Each language is one JSON file in locales; adding a file adds the language. A file must have every text. The
// placeholders are {site}, the owner's name, and {minutes}; a test rejects anything else in braces.
package catalog

import (
	"embed"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/go-json-experiment/json"

	"newsletter/shared/config"
)

//go:embed locales/*.json
var locales embed.FS

// fallback is used when no file exists for the wanted language.
const fallback = "en"

// Owner is who sends the newsletter, as emails and pages name them.
type Owner struct {
	// The name of the newsletter or site. It appears in every email and on every page.
	Name string `env:"SITE_NAME,required" example:"The Jane Letter"`
	// The sender's postal address, shown at the foot of every email and page, as laws such as CAN-SPAM require. "\n"
	// starts a new line.
	PostalAddress string `env:"SITE_POSTAL_ADDRESS,required" example:"1 Main St\\n12345 Town"`
	// The owner's web site, which emails and pages link to. Empty: no link.
	URL string `env:"SITE_URL" example:"https://www.example.org"`
}

// Read reads Owner and returns the Catalog of all languages. Mistakes are added to e.
func Read(e *config.Env) *Catalog {
	var o Owner
	e.Read(&o)
	return newCatalog(o)
}

// Validate implements the check of config.Env.Read.
func (o Owner) Validate() error {
	var problems []error
	if strings.ContainsFunc(o.Name, unicode.IsControl) {
		problems = append(problems, errors.New("SITE_NAME: must be one line without control characters"))
	}
	if u, err := url.Parse(o.URL); o.URL != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "") {
		problems = append(problems, errors.New("SITE_URL: must be a web address"))
	}
	return errors.Join(problems...)
}

// footer returns the lines at the foot of emails and pages.
func (o Owner) footer() []string {
	lines := []string{o.Name}
	if o.URL != "" {
		lines = append(lines, o.URL)
	}
	if o.PostalAddress != "" {
		lines = append(lines, strings.Split(strings.ReplaceAll(o.PostalAddress, `\n`, "\n"), "\n")...)
	}
	return lines
}

// EmailTexts are the texts of one email: its subject, the paragraphs before the button, the button and the paragraphs
// after it.
type EmailTexts struct {
	Subject string   `json:"subject"`
	Before  []string `json:"before"`
	Button  string   `json:"button"`
	After   []string `json:"after"`
}

// Page is the texts of one page.
type Page struct {
	Title      string   `json:"title"`
	Paragraphs []string `json:"paragraphs"`
	Button     string   `json:"button"`
	Secondary  string   `json:"secondary"` // the secondary button
	Label      string   `json:"label"`     // the label of the address field
	Box        string   `json:"box"`       // the label of the box to tick
}

// Translation is all texts of one language.
type Translation struct {
	Lang string `json:"lang"`
	// Emails has the texts of each email of subscription.Emails, by its name.
	Emails map[string]EmailTexts `json:"emails"`
	// UnsubscribeIntro precedes the unsubscribe link of an email.
	UnsubscribeIntro string `json:"unsubscribe_intro"`
	// Mistakes has the text for each mistake of a visitor, by the code of the error.
	Mistakes map[string]string `json:"mistakes"`
	GoBack   string            `json:"go_back"` // on the page of an error that has no form
	// Reference precedes the id of a request, below the page of an error.
	Reference string `json:"reference"`
	Pages     struct {
		Accepted             Page `json:"accepted"`
		Confirm              Page `json:"confirm"`
		ConfirmUnticked      Page `json:"confirm_unticked"` // above the form of Confirm
		Confirmed            Page `json:"confirmed"`
		Decline              Page `json:"decline"`
		DeclineMismatch      Page `json:"decline_mismatch"` // above the form of Decline
		Declined             Page `json:"declined"`
		Unsubscribe          Page `json:"unsubscribe"`
		Unsubscribed         Page `json:"unsubscribed"`
		UnsubscribeByAddress Page `json:"unsubscribe_by_address"`
		LinkAccepted         Page `json:"link_accepted"`
		Privacy              Page `json:"privacy"` // Button requests a link to the data, Secondary a link to its erasure
		PrivacySent          Page `json:"privacy_sent"`
		Export               Page `json:"export"` // Secondary and Label are those of another address
		RectifySent          Page `json:"rectify_sent"`
		RectifyRefused       Page `json:"rectify_refused"` // above the form of Export for another address
		Rectify              Page `json:"rectify"`         // above the form of Confirm, for a subscriber's new address
		Restrict             Page `json:"restrict"`        // its form is on the page of Export; the rest is above it again without the box
		Restricted           Page `json:"restricted"`
		Unrestrict           Page `json:"unrestrict"` // like Restrict, during a restriction
		Unrestricted         Page `json:"unrestricted"`
		Rectified            Page `json:"rectified"`
		Erase                Page `json:"erase"` // Secondary also objects to all further email
		Erased               Page `json:"erased"`
		AddressMismatch      Page `json:"address_mismatch"`
		DeclinedLink         Page `json:"declined_link"` // of a sign-up that "this wasn't me" ended
		MuteEnded            Page `json:"mute_ended"`    // its first paragraph is for a page without the form, too
		ExpiredLink          Page `json:"expired_link"`
		LinkRenewed          Page `json:"link_renewed"`
		InvalidLink          Page `json:"invalid_link"`
		Refused              Page `json:"refused"` // above the mistakes
		Limited              Page `json:"limited"` // {minutes} is the time until a retry is allowed
		Busy                 Page `json:"busy"`
		Unavailable          Page `json:"unavailable"`
		Unreadable           Page `json:"unreadable"`
		TooLarge             Page `json:"too_large"`
		NothingHere          Page `json:"nothing_here"`
	} `json:"pages"`
}

// Catalog is the texts of all languages, with the owner's name filled in. It is safe for concurrent use.
type Catalog struct {
	// Footer identifies the sender at the foot of every email and page, line by line.
	Footer []string
	// languages parse their file on first use: parsing all of them takes as long as reading the configuration.
	languages map[string]func() *Translation
}

// newCatalog returns the Catalog of all languages. It panics, there or on first use, if an embedded file is invalid; a test
// parses them all.
func newCatalog(owner Owner) *Catalog {
	c := &Catalog{Footer: owner.footer(), languages: map[string]func() *Translation{}}
	files, err := locales.ReadDir("locales")
	if err != nil {
		panic(err)
	}
	for _, file := range files {
		language := strings.TrimSuffix(file.Name(), ".json")
		c.languages[language] = sync.OnceValue(func() *Translation { return load(language, owner.Name) })
	}
	return c
}

func load(language, site string) *Translation {
	content, err := locales.ReadFile("locales/" + language + ".json")
	if err != nil {
		panic(err)
	}
	p, err := parse(content, site)
	if err != nil {
		panic(fmt.Errorf("locales/%s.json: %w", language, err))
	}
	return p
}

// For returns the texts in the first available language of a BCP 47 tag or an Accept-Language header; English if none
// is available. It ignores q-values.
func (c *Catalog) For(wanted string) *Translation {
	for tag := range strings.SplitSeq(wanted, ",") {
		tag, _, _ = strings.Cut(tag, ";")
		tag = strings.ToLower(strings.TrimSpace(tag))
		language, _, _ := strings.Cut(tag, "-")
		for _, candidate := range []string{tag, language} {
			if translation := c.languages[candidate]; translation != nil {
				return translation()
			}
		}
	}
	return c.languages[fallback]()
}

func parse(content []byte, site string) (*Translation, error) {
	p := &Translation{}
	if err := json.Unmarshal(content, p, json.RejectUnknownMembers(true)); err != nil {
		return nil, err
	}
	return p, fill(reflect.ValueOf(p).Elem(), "", site)
}

// optional lists the fields that may be empty.
var optional = []string{"Button", "Secondary", "Label", "Box", "After", "Before", "Paragraphs"}

// fill replaces {site} in every text and rejects missing texts and unknown placeholders.
func fill(v reflect.Value, where, site string) error {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			if err := fill(v.Field(i), strings.TrimPrefix(where+"."+name, "."), site); err != nil {
				return err
			}
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			value := reflect.New(v.Type().Elem()).Elem()
			value.Set(v.MapIndex(key))
			if err := fill(value, where+"."+key.String(), site); err != nil {
				return err
			}
			v.SetMapIndex(key, value)
		}
	case reflect.Slice:
		for i := range v.Len() {
			if err := fill(v.Index(i), where, site); err != nil {
				return err
			}
		}
	case reflect.String:
		text := v.String()
		last := where[strings.LastIndexByte(where, '.')+1:]
		if text == "" && !slices.Contains(optional, last) {
			return fmt.Errorf("%s is missing", where)
		}
		text = strings.ReplaceAll(text, "{site}", site)
		if strings.ContainsAny(strings.NewReplacer(site, "", "{minutes}", "").Replace(text), "{}") {
			return fmt.Errorf("%s has an unknown placeholder", where)
		}
		v.SetString(text)
	default:
		return fmt.Errorf("%s is neither a text nor a list of texts", where)
	}
	return nil
}
