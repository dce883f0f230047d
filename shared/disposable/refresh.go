package disposable

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/net/idna"
)

// minDomains is the smallest valid size of a list. A smaller one is an error page or a partial download, and would
// silently admit domains that were blocked. The list has had more than 3,000 domains for years.
const minDomains = 1000

// largeProviders lists domains of permanent mailboxes with millions of users. A list with one of them is broken, or was
// tampered with.
var largeProviders = []string{
	"gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "yahoo.com", "icloud.com", "me.com", "aol.com",
	"gmx.de", "gmx.net", "web.de", "proton.me", "protonmail.com", "mail.ru", "qq.com", "163.com", "zoho.com", "fastmail.com",
}

// Normalize reads a list, one domain a line with # for comments, and returns it in the form of domains.txt, with the
// number of its domains. The error names an invalid line, or the reason to reject the list.
func Normalize(r io.Reader) (list string, count int, err error) {
	var all []string
	lines := bufio.NewScanner(r)
	for number := 1; lines.Scan(); number++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		if text = strings.TrimSuffix(strings.TrimSpace(text), "."); text == "" {
			continue
		}
		domain, err := idna.Lookup.ToASCII(text)
		if err != nil || !strings.Contains(domain, ".") || len(domain) > 253 {
			return "", 0, fmt.Errorf("disposable: line %d is not a domain", number)
		}
		if slices.Contains(largeProviders, domain) {
			return "", 0, fmt.Errorf("disposable: line %d is %s, a provider of permanent mailboxes: the list is broken", number, domain)
		}
		all = append(all, domain)
	}
	if err := lines.Err(); err != nil {
		return "", 0, fmt.Errorf("disposable: read the list: %w", err)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if len(all) < minDomains {
		return "", 0, fmt.Errorf("disposable: too few domains: %d (at least %d)", len(all), minDomains)
	}
	return strings.Join(all, "\n") + "\n", len(all), nil
}

// Count returns the number of domains on the list.
func Count() int { return strings.Count(domains, "\n") }
