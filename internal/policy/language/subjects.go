package main

import (
	"fmt"
	"os/exec"
	"strings"
	"unicode/utf8"
)

// The limit on commit subjects begins after this commit; older ones are longer.
const (
	subjectsSince = "29d3e16"
	subjectMax    = 72 // columns; Git's own guidance is 50 to 72
)

// checkSubjects returns the commits whose subject is too long. A folder that is no checkout with that history, such as
// a shallow clone or an archive, has none to check.
func checkSubjects(folder string) (findings []finding, err error) {
	if exec.Command("git", "-C", folder, "merge-base", "--is-ancestor", subjectsSince, "HEAD").Run() != nil {
		return nil, nil //nolint:nilerr // no history, so no findings
	}
	log, err := exec.Command("git", "-C", folder, "log", "--format=%h %s", subjectsSince+"..HEAD").Output()
	if err != nil {
		return nil, fmt.Errorf("read the commits since %s: %w", subjectsSince, err)
	}
	for line := range strings.Lines(string(log)) {
		commit, subject, _ := strings.Cut(strings.TrimSpace(line), " ")
		if length := utf8.RuneCountInString(subject); length > subjectMax {
			text := fmt.Sprintf("the subject has %d columns, at most %d are allowed", length, subjectMax)
			findings = append(findings, finding{"commit " + commit, 1, text})
		}
	}
	return findings, nil
}
