package ledger

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// Source is where a sign-up came from, as far as the ledger keeps it: the result of Declarations.Reduce. Empty fields are
// omitted.
type Source struct {
	Page     string `json:"page,omitempty"`
	Referrer string `json:"referrer,omitempty"`
	Ref      string `json:"ref,omitempty"`
	Origin   string `json:"utm_source,omitempty"`
	Medium   string `json:"utm_medium,omitempty"`
	Campaign string `json:"utm_campaign,omitempty"`
	Term     string `json:"utm_term,omitempty"`
	Content  string `json:"utm_content,omitempty"`
}

const (
	maxURL       = 300 // bytes; pages are counted by path, and longer paths need no group of their own
	maxParameter = 100 // bytes of a utm_* parameter or ref
)

// Clean returns s without what no row may keep, not even a deletable one. Of the page and the referrer it keeps scheme,
// host and path, because queries contain addresses and session ids. It drops whatever looks like an email address, a
// network address or a secret, removes control characters and limits the length.
func (s SentSource) Clean() SentSource {
	return SentSource{
		Page: cleanURL(s.Page), Referrer: cleanURL(s.Referrer), Ref: cleanParameter(s.Ref), Origin: cleanParameter(s.Origin),
		Medium: cleanParameter(s.Medium), Campaign: cleanParameter(s.Campaign), Term: cleanParameter(s.Term), Content: cleanParameter(s.Content),
	}
}

// JSON encodes s as it is stored.
func (s Source) JSON() string { return object(s) }

// ParseSource decodes what JSON encoded; it returns the empty source for anything else.
func ParseSource(text string) Source {
	var s Source
	if json.Unmarshal([]byte(text), &s) != nil {
		return Source{}
	}
	return s
}

// cleanURL keeps the host: it belongs to a site, even if it is a network address.
func cleanURL(raw string) string {
	raw, _, _ = strings.Cut(raw, "?")
	parsed, err := url.Parse(Printable(raw, 4*maxURL))
	if err != nil || parsed.Opaque != "" {
		return ""
	}
	kept := url.URL{Scheme: parsed.Scheme, Host: parsed.Host, Path: parsed.Path}
	if containsAddress(kept.Path) || containsAddress(kept.Host) || slices.ContainsFunc(strings.Split(kept.Path, "/"), identifiesPerson) {
		return ""
	}
	return Printable(kept.String(), maxURL)
}

func cleanParameter(raw string) string {
	mark := Printable(raw, len(raw))
	if identifiesPerson(mark) {
		return ""
	}
	return Printable(mark, maxParameter)
}
