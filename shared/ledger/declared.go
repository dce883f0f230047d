package ledger

import (
	"cmp"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// SentSource is a source as a page, a browser or a list sent it. Any part of it may name a person, so it is stored only
// where it can be deleted.
type SentSource Source

// SourceConfig is the settings of sources.
type SourceConfig struct {
	// The campaigns, hosts and pages that the ledger keeps for ever, beside the own hosts and well-known search engines and
	// networks: a page begins with a slash, a host has a dot, and everything else is a value of utm_* or ref. * matches
	// any text, and the ledger keeps the entry, not the text. All else is kept as "other", and as sent only for
	// retention.context_days; `newsletter source list` lists it.
	Declared []string `env:"SIGNUP_SOURCES" example:"/blog/*,partner.example,spring-*"`
}

// maxDeclared bounds the list, which is compared with every sign-up, and maxEntry the bytes of an entry.
const maxDeclared, maxEntry = 500, 80

var errDeclared = errors.New("SIGNUP_SOURCES: must be at most 500 entries of at most 80 printable characters without an @")

// Validate implements the check of config.Env.Read.
func (c SourceConfig) Validate() error {
	for _, entry := range c.Declared {
		if entry == "" || len(entry) > maxEntry || entry != Printable(entry, maxEntry) || containsAddress(entry) {
			return errDeclared
		}
	}
	if len(c.Declared) > maxDeclared {
		return errDeclared
	}
	return nil
}

// Undeclared is what the ledger keeps of a value that is neither declared nor well-known.
const Undeclared = "other"

// Declarations are the values of sources that the ledger keeps.
type Declarations struct {
	own    []string // host names
	values []string // as declared
}

// Declare returns the declarations of the settings. sites are the URLs of the owner's sites; empty ones are ignored.
func (c SourceConfig) Declare(sites ...string) Declarations {
	d := Declarations{values: c.Declared}
	for _, site := range sites {
		if u, err := url.Parse(site); err == nil && u.Hostname() != "" {
			d.own = append(d.own, hostName(u))
		}
	}
	return d
}

// Reduce returns what the ledger keeps of a source: only text that is declared or shipped with this package, and the
// owner's hosts. Reducing what was reduced changes nothing.
func (d Declarations) Reduce(s SentSource) Source {
	return Source{
		Page: d.url(s.Page), Referrer: d.url(s.Referrer), Ref: d.parameter(s.Ref), Origin: d.parameter(s.Origin),
		Medium: d.parameter(s.Medium), Campaign: d.parameter(s.Campaign), Term: d.parameter(s.Term), Content: d.parameter(s.Content),
	}
}

// Keeps reports whether the ledger keeps a value of a field, such as "page" or "utm_campaign", and does not only record
// that there was one. Of an own page it keeps the host, so Keeps reports whether its group is declared.
func (d Declarations) Keeps(field, value string) bool {
	if field != "page" && field != "referrer" {
		return d.parameter(value) != Undeclared
	}
	kept := d.url(value)
	u, err := url.Parse(kept)
	return kept != Undeclared && (err != nil || u.Host == "" || strings.Trim(u.Path, "/") != "" || isRoot(value))
}

// isRoot reports whether a URL has no path.
func isRoot(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && strings.Trim(u.Path, "/") == ""
}

func (d Declarations) parameter(raw string) string {
	if raw == "" {
		return ""
	}
	lower := strings.ToLower(raw)
	if slices.Contains(wellKnownWords, lower) || slices.ContainsFunc(wellKnownHosts, func(w wellKnown) bool { return w.name == lower }) {
		return lower
	}
	return d.declared(raw)
}

// url returns a page or referrer: the owner's host with the page's group, or the name of another host.
func (d Declarations) url(raw string) string {
	if raw == "" {
		return ""
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return Undeclared
	case u.Hostname() == "":
		return cmp.Or(d.parameter(u.Path), Undeclared) // a path, or a name that was reduced before
	}
	host := hostName(u)
	if slices.Contains(d.own, host) {
		group := d.declared(u.Path)
		if group == Undeclared || !strings.HasPrefix(group, "/") {
			group = ""
		}
		scheme := "https"
		if u.Scheme == "http" {
			scheme = "http"
		}
		return scheme + "://" + host + group
	}
	if name := d.declared(host); name != Undeclared {
		return name
	}
	for _, w := range wellKnownHosts {
		if slices.ContainsFunc(w.hosts, func(known string) bool { return isHost(known, host) }) {
			return w.name
		}
	}
	return Undeclared
}

// declared returns the first entry that covers a value.
func (d Declarations) declared(value string) string {
	for _, entry := range d.values {
		if matches(strings.ToLower(entry), strings.ToLower(value)) {
			return entry
		}
	}
	return Undeclared
}

// country is what may follow the name of a service that has a domain in many countries.
var country = regexp.MustCompile(`^(com|co|[a-z]{2})(\.[a-z]{2})?$`)

// isHost reports whether host is a well-known one or its subdomain. ".*" at the end of known matches any country.
func isHost(known, host string) bool {
	name, anyCountry := strings.CutSuffix(known, ".*")
	if !anyCountry {
		return host == known || strings.HasSuffix(host, "."+known)
	}
	_, after, found := strings.Cut("."+host, "."+name+".")
	return found && country.MatchString(after)
}

// hostName returns a host without its port and "www.".
func hostName(u *url.URL) string { return strings.TrimPrefix(strings.ToLower(u.Hostname()), "www.") }

// matches reports whether a pattern, in which * matches any text, covers a value.
func matches(pattern, value string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == value
	}
	first, last := parts[0], parts[len(parts)-1]
	if len(value) < len(first)+len(last) || !strings.HasPrefix(value, first) || !strings.HasSuffix(value, last) {
		return false
	}
	value = value[len(first) : len(value)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		_, rest, found := strings.Cut(value, part)
		if !found {
			return false
		}
		value = rest
	}
	return true
}
