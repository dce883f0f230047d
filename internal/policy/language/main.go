// Command language checks the words of the repository against docs/glossary.md: the form of doc comments, phrases that
// the glossary replaces, and the length of commit subjects. It reads the given files and folders, or everything, and
// exits with status 1 when it finds a violation.
package main

import (
	"fmt"
	"os"
)

func main() {
	findings, err := check(os.DirFS("."), os.Args[1:])
	if err == nil && len(os.Args) == 1 {
		var subjects []finding
		subjects, err = checkSubjects(".")
		findings = append(findings, subjects...)
	}
	for _, f := range findings {
		fmt.Println(f)
	}
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "language:", err)
		os.Exit(2)
	case len(findings) > 0:
		fmt.Fprintf(os.Stderr, "language: %d violations; docs/glossary.md has the words\n", len(findings))
		os.Exit(1)
	}
}
