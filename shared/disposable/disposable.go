// Package disposable knows the domains of disposable mailboxes.
//
// The list is part of the binary: no call, no file and no start-up cost; README.md beside it says where it comes from.
// A domain is matched as it is and through its parents up to the registrable one, never through a public suffix, which
// is shared by strangers.
package disposable

import (
	_ "embed"
	"sort"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// domains is the list: lower-case A-labels in the order of bytes, each ended by a line feed.
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

// contains looks a line up by halving the text itself, so that nothing has to be split or kept.
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
