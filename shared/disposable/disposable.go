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
)

// domains is the list: lower-case A-labels in byte order, each followed by a line feed.
//
//go:embed domains.txt
var domains string

// Listed reports whether a domain or a parent of it up to its registrable domain is on the list. Both are lower-case
// A-labels; the registrable domain of a public suffix is the suffix itself.
func Listed(domain, registrable string) bool { return listed(domains, domain, registrable) }

func listed(list, domain, registrable string) bool {
	for !contains(list, domain) {
		if domain == registrable || domain == "" {
			return false
		}
		_, domain, _ = strings.Cut(domain, ".")
	}
	return true
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
