// Command template generates the blocks of template.yaml that depend on the functions: secrets, variables, roles, log
// groups, events and alarms. A block is between "# generated: NAME" and "# end of NAME"; the rest of the file is
// written by hand and kept.
//
//	template [-check]   write template.yaml, or only fail if it is not current
//
// The tables (table.go, alarms.go) contain what differs between functions, blocks.tmpl what they have in common.
// Variables, permissions and routes follow from the record of each function's run (internal/policy/settings/record).
package main

import (
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"newsletter/internal/policy/bundle"
	"newsletter/internal/policy/settings/record"
)

func main() {
	check := flag.Bool("check", false, "only fail if template.yaml is not current")
	flag.Parse()
	if err := run("template.yaml", *check); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(file string, check bool) error {
	have, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	directories, err := bundle.FunctionNames(".")
	if err != nil {
		return err
	}
	text, err := generate(string(have), directories, record.Reads)
	switch {
	case err != nil || text == string(have):
		return err
	case check:
		return fmt.Errorf("%s is not current: run make generate", file)
	}
	return os.WriteFile(file, []byte(text), 0o644)
}

//go:embed blocks.tmpl
var texts string

var blocks = template.Must(template.New("").Funcs(template.FuncMap{
	"join": func(items []string) string { return strings.Join(items, ", ") },
}).Parse(texts))

// names lists the blocks. The template must contain each once, in this order.
var names = []string{"secret variables", "variables of all functions", "keys", "functions", "alarms"}

var marks = regexp.MustCompile(`(?ms)^( *# generated: ([^\n]+)\n)(.*?)^( *# end of ([^\n]+)\n)`)

// generate returns the text of template.yaml with its blocks regenerated.
func generate(text string, directories []string, reads map[string]record.Variables) (string, error) {
	if err := missing(directories, reads); err != nil {
		return "", err
	}
	data := struct {
		Secrets   []secret
		Variables []variable
		Functions []function
		Alarms    []alarm
	}{Secrets: secrets, Variables: variables, Alarms: slices.Clone(alarms)}
	for _, row := range rows {
		data.Functions = append(data.Functions, function{row, reads[row.Name].All(), record.Routes[row.Name]})
	}
	data.Alarms = append(data.Alarms, throttles(data.Functions)...)
	var found []string
	for _, block := range marks.FindAllStringSubmatch(text, -1) {
		if block[2] != block[5] {
			return "", fmt.Errorf("template.yaml: the block %q ends with the marker of %q", block[2], block[5])
		}
		found = append(found, block[2])
	}
	if !slices.Equal(found, names) {
		return "", fmt.Errorf("template.yaml: found the blocks %q, want %q", found, names)
	}
	var problems []error
	text = marks.ReplaceAllStringFunc(text, func(block string) string {
		part := marks.FindStringSubmatch(block)
		var made strings.Builder
		problems = append(problems, blocks.ExecuteTemplate(&made, part[2], data))
		return part[1] + made.String() + part[4]
	})
	return text, errors.Join(problems...)
}

// missing returns an error if the tables lack an entry for a function or contain an entry that no function needs.
func missing(directories []string, reads map[string]record.Variables) error {
	var problems []error
	problem := func(format string, arguments ...any) {
		problems = append(problems, fmt.Errorf("internal/policy/bundle/template/table.go: "+format, arguments...))
	}
	for _, name := range directories {
		i := slices.IndexFunc(rows, func(r row) bool { return r.Name == name })
		if i < 0 {
			problem("functions/%s has no row: add it to rows", name)
			continue
		}
		for _, read := range reads[name].Infrastructure {
			if !slices.ContainsFunc(variables, func(v variable) bool { return v.Name == read }) {
				problem("functions/%s reads %s, which has no row: add it to variables", name, read)
			}
		}
		if slices.Contains(reads[name].Infrastructure, "SCHEDULE") != (rows[i].Schedule != nil) {
			problem("functions/%s must read SCHEDULE and have a Schedule in its row, or neither", name)
		}
	}
	for _, r := range rows {
		if !slices.Contains(directories, r.Name) {
			problem("the row of %s has no directory functions/%s: remove it", r.Name, r.Name)
		}
	}
	readers := func(variable, only string) (number int) {
		for _, name := range directories {
			if (only == "" || only == name) && slices.Contains(reads[name].All(), variable) {
				number++
			}
		}
		return number
	}
	for _, v := range variables {
		if number := readers(v.Name, ""); number == 0 || v.Global && number < len(directories) {
			problem("%s is read by %d of %d functions: remove its row or Global", v.Name, number, len(directories))
		}
	}
	for _, s := range secrets {
		for _, name := range s.Variables {
			if readers(name, s.Only) == 0 {
				problem("%s of %s is read by none of its functions: remove it", name, s.ID)
			}
		}
	}
	return errors.Join(problems...)
}
