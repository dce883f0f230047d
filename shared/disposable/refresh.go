package disposable

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/net/idna"
)

// fewest is what a list must hold at least: fewer are an error page or half a download, and would silently let in what
// was kept out. The list has had more than 3,000 for years.
const fewest = 1000

// people are domains of mailboxes that millions keep for life. A list that names one is broken, or was tampered with.
var people = []string{
	"gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "yahoo.com", "icloud.com", "me.com", "aol.com",
	"gmx.de", "gmx.net", "web.de", "proton.me", "protonmail.com", "mail.ru", "qq.com", "163.com", "zoho.com", "fastmail.com",
}

// Normalize reads a list, one domain a line with # for comments, and gives it as this package holds it, with the number
// of its domains. An error names the line that is no domain, or says why the list as a whole cannot be right.
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
		if slices.Contains(people, domain) {
			return "", 0, fmt.Errorf("disposable: line %d is %s, which is no throw-away domain: the list is broken", number, domain)
		}
		all = append(all, domain)
	}
	if err := lines.Err(); err != nil {
		return "", 0, fmt.Errorf("disposable: read the list: %w", err)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if len(all) < fewest {
		return "", 0, fmt.Errorf("disposable: %d domains are too few to be the list (at least %d)", len(all), fewest)
	}
	return strings.Join(all, "\n") + "\n", len(all), nil
}

// Count returns the number of domains on the list.
func Count() int { return strings.Count(domains, "\n") }
