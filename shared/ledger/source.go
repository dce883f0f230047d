package ledger

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// Source is where a sign-up came from. Empty members are left out.
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
	maxURL       = 300 // bytes; pages are counted by path, and longer paths are not worth a class of their own
	maxParameter = 100 // bytes of a campaign mark
)

// Clean is s fit for rows that are never deleted: of the page and the referrer only scheme, host and path stay, because
// queries carry addresses and session ids; whatever looks like a mail address, a network address or a secret anywhere is
// dropped; the rest is cut to a length and freed of control characters.
func (s Source) Clean() Source {
	return Source{
		Page: cleanURL(s.Page), Referrer: cleanURL(s.Referrer), Ref: cleanParameter(s.Ref), Origin: cleanParameter(s.Origin),
		Medium: cleanParameter(s.Medium), Campaign: cleanParameter(s.Campaign), Term: cleanParameter(s.Term), Content: cleanParameter(s.Content),
	}
}

// JSON is s as stored.
func (s Source) JSON() string { return object(s) }

// ParseSource reads what JSON wrote; anything else is the empty source.
func ParseSource(text string) Source {
	var s Source
	if json.Unmarshal([]byte(text), &s) != nil {
		return Source{}
	}
	return s
}

// cleanURL leaves the host alone: it is that of a site, whose owner gave it a name or not.
func cleanURL(raw string) string {
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
