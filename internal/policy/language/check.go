package main

import (
	_ "embed"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

//go:embed verbs.txt
var verbList string

//go:embed phrases.txt
var phraseList string

// A finding is one violation of the glossary.
type finding struct {
	file string
	line int
	text string
}

// String returns the finding as compilers print theirs.
func (f finding) String() string { return fmt.Sprintf("%s:%d: %s", f.file, f.line, f.text) }

// A phrase is an expression that the glossary replaces.
type phrase struct {
	old     *regexp.Regexp
	instead string
}

// skipped lists the files and folders that are not checked: the record of the past, and what quotes the words that are
// refused.
var skipped = []string{"CHANGELOG.md", "docs/glossary.md", "internal/policy/language"}

// checked lists the file extensions that are read, beside Go, whose comments and string literals alone are read.
var checked = []string{".md", ".sql", ".yaml", ".yml", ".toml", ".html", ".sh", ".mmd"}

// check returns the violations below the roots, or in the whole of files when there are no roots.
func check(files fs.FS, roots []string) ([]finding, error) {
	if len(roots) == 0 {
		roots = []string{"."}
	}
	c := checker{files: files, verbs: strings.Fields(verbList), phrases: parsePhrases(phraseList)}
	for _, root := range roots {
		if err := fs.WalkDir(files, path.Clean(root), c.visit); err != nil {
			return nil, err
		}
	}
	return c.findings, nil
}

// parsePhrases returns the phrases of a list such as phrases.txt.
func parsePhrases(list string) (phrases []phrase) {
	for line := range strings.Lines(list) {
		old, instead, found := strings.Cut(strings.TrimSpace(line), "\t")
		if found && !strings.HasPrefix(old, "#") {
			phrases = append(phrases, phrase{regexp.MustCompile("(?i)" + old), instead})
		}
	}
	return phrases
}

type checker struct {
	files    fs.FS
	verbs    []string
	phrases  []phrase
	findings []finding
}

func (c *checker) visit(name string, entry fs.DirEntry, err error) error {
	switch {
	case err != nil:
		return err
	case slices.Contains(skipped, name), entry.IsDir() && skippedFolder(name, entry.Name()):
		if entry.IsDir() {
			return fs.SkipDir
		}
		return nil
	case entry.IsDir():
		return nil
	case path.Ext(name) == ".go":
		return c.goFile(name)
	case slices.Contains(checked, path.Ext(name)) || entry.Name() == "Makefile":
		return c.textFile(name)
	}
	return nil
}

// skippedFolder reports whether a folder holds what is built, hidden or test data.
func skippedFolder(name, base string) bool {
	return name != "." && (strings.HasPrefix(base, ".") && base != ".github" || base == "bin" || base == "testdata")
}

func (c *checker) textFile(name string) error {
	data, err := fs.ReadFile(c.files, name)
	if err != nil {
		return err
	}
	c.lines(name, 1, string(data))
	return nil
}

func (c *checker) goFile(name string) error {
	data, err := fs.ReadFile(c.files, name)
	if err != nil {
		return err
	}
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, data, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	for _, group := range file.Comments {
		for _, comment := range group.List {
			c.lines(name, set.Position(comment.Pos()).Line, comment.Text)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			c.lines(name, set.Position(literal.Pos()).Line, literal.Value)
		}
		return true
	})
	if strings.HasSuffix(name, "_test.go") {
		return nil // a test is not documentation: its comment says why it is there, in any form
	}
	for _, declaration := range file.Decls {
		if function, ok := declaration.(*ast.FuncDecl); ok && function.Doc != nil {
			if fault := c.doc(function.Name.Name, function.Doc.Text()); fault != "" {
				c.findings = append(c.findings, finding{name, set.Position(function.Pos()).Line, fault})
			}
		}
	}
	return nil
}

// doc returns what is wrong with the doc comment of a function, or "".
func (c *checker) doc(function, text string) string {
	words := strings.Fields(text)
	switch {
	case len(words) == 0: // directives only
		return ""
	case words[0] != function:
		return fmt.Sprintf("the doc comment of %s begins with %q; begin with its name", function, words[0])
	case len(words) == 1 || !slices.Contains(c.verbs, strings.TrimRight(words[1], ".,:;")):
		return fmt.Sprintf("%q: follow %s with a verb of internal/policy/language/verbs.txt", strings.Join(words[:min(4, len(words))], " "), function)
	}
	return ""
}

// lines adds the phrases that a text beginning at a line of a file has.
func (c *checker) lines(name string, first int, text string) {
	for i, line := range strings.Split(text, "\n") {
		for _, p := range c.phrases {
			if old := p.old.FindString(line); old != "" {
				c.findings = append(c.findings, finding{name, first + i, fmt.Sprintf("%q: write %s", old, p.instead)})
			}
		}
	}
}
