// Package disposable recognizes the domains of disposable mailboxes.
//
// The list is embedded in the binary: no call, no file and no start-up cost. Its source is in README.md. A domain
// matches by itself and by its parents up to the registrable domain, never by a public suffix, which unrelated owners
// share.
package disposable

import (
	_ "embed"
	"sort"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// domains is the list: lower-case A-labels in byte order, each followed by a line feed.
//
//go:embed domains.txt
var domains string

// Listed reports whether a domain (lower-case A-labels) or a parent of it is on the list.
func Listed(domain string) bool { return listed(domains, domain) }

func listed(list, domain string) bool {
	if contains(list, domain) {
		return true
	}
	registrable, err := publicsuffix.EffectiveTLDPlusOne(domain)
	if err != nil {
		return false
	}
	for domain != registrable {
		_, domain, _ = strings.Cut(domain, ".")
		if contains(list, domain) {
			return true
		}
	}
	return false
}

// contains searches for a line by bisecting the text itself, so that nothing has to be split or allocated.
func contains(list, line string) bool {
	start := func(i int) int { return strings.LastIndexByte(list[:i], '\n') + 1 } // of the line that holds byte i
	at := sort.Search(len(list), func(i int) bool {
		return strings.Compare(lineAt(list, start(i)), line) >= 0
	})
	return at < len(list) && lineAt(list, start(at)) == line
}

func lineAt(list string, start int) string {
	line, _, _ := strings.Cut(list[start:], "\n")
	return line
}
