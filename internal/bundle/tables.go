package bundle

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The README's table stands between these lines.
const (
	tableStart = "<!-- configuration: made by `make generate` from the code -->\n"
	tableEnd   = "<!-- end of configuration -->\n"
)

// platformVariables are read by the AWS SDK's part of the code and set by Lambda itself.
var platformVariables = []Variable{
	{Name: "AWS_REGION", Doc: "The region of all AWS services. Lambda sets it, and the credentials beside it."},
	{Name: "AWS_ENDPOINT_URL", Doc: "Where all AWS services are, in place of AWS itself; AWS_ENDPOINT_URL_SESV2 and the like for a single one. For the local stack and tests."},
}

// EnvExample is the text of .env.example: every variable that the deployed code reads.
func (b *Bundle) EnvExample() string {
	var out strings.Builder
	out.WriteString("# Every variable that the functions read, with its meaning and default. Made by `make generate` from the code.\n" +
		"# `make dev` needs none of them. A variable that is set but empty counts as not set.\n")
	last, seen := "", map[string]bool{}
	for _, v := range b.Variables() {
		if seen[v.Name] {
			continue
		}
		seen[v.Name] = true
		if v.Package != last {
			last = v.Package
			fmt.Fprintf(&out, "\n## %s\n", strings.TrimPrefix(v.Package, module+"/"))
		}
		b.example(&out, v)
	}
	out.WriteString("\n## AWS\n")
	for _, v := range platformVariables {
		b.example(&out, v)
	}
	return out.String()
}

func (b *Bundle) example(out *strings.Builder, v Variable) {
	out.WriteByte('\n')
	for _, line := range wrap(b.meaning(v), 116) {
		out.WriteString("# " + line + "\n")
	}
	if v.Required {
		fmt.Fprintf(out, "%s=\n", v.Name)
		return
	}
	fmt.Fprintf(out, "# %s=%s\n", v.Name, v.Default)
}

// meaning is what a variable's tag tells and its comment, without the field's name in front.
func (b *Bundle) meaning(v Variable) string {
	text := strings.Join(strings.Fields(v.Doc), " ")
	if rest, ok := strings.CutPrefix(text, v.Field+" "); ok && v.Field != "" {
		rest = strings.TrimPrefix(rest, "is ")
		text = strings.ToUpper(rest[:1]) + rest[1:]
	}
	var notes []string
	if v.Required {
		notes = append(notes, "Required.")
	}
	if v.Sealed {
		notes = append(notes, "Secret.")
	}
	return strings.Join(append(notes, text), " ")
}

// Table is the README's table of variables.
func (b *Bundle) Table() string {
	users := map[string][]string{}
	for _, name := range sortedKeys(b.Functions) {
		for _, use := range b.Functions[name].Variables {
			users[use.Name] = append(users[use.Name], name)
		}
	}
	seen := map[string]bool{}
	var out strings.Builder
	out.WriteString("| Variable | Default | Read by | Meaning |\n| --- | --- | --- | --- |\n")
	for _, v := range slices.Concat(b.Variables(), platformVariables) {
		if seen[v.Name] {
			continue
		}
		seen[v.Name] = true
		by := strings.Join(users[v.Name], ", ")
		if n := len(users[v.Name]); n == len(b.Functions) || n == 0 { // the platform's have no reader in the code
			by = "all"
		}
		def := ""
		if v.Default != "" {
			def = "`" + v.Default + "`"
		}
		fmt.Fprintf(&out, "| `%s` | %s | %s | %s |\n", v.Name, def, by, strings.ReplaceAll(b.meaning(v), "|", `\|`))
	}
	return out.String()
}

// WithTable puts the table into a README's text, between its two markers.
func (b *Bundle) WithTable(readme string) (string, error) {
	before, rest, found := strings.Cut(readme, tableStart)
	_, after, ends := strings.Cut(rest, tableEnd)
	if !found || !ends {
		return "", fmt.Errorf("README.md lacks the lines\n%s%s", tableStart, tableEnd)
	}
	return before + tableStart + "\n" + b.Table() + "\n" + tableEnd + after, nil
}

// wrap breaks a text into lines of at most width letters.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return append(lines, line)
}

// Generated gives the texts of the files that are made from the code, by name.
func (b *Bundle) Generated() (map[string]string, error) {
	readme, err := os.ReadFile(filepath.Join(b.Root, "README.md"))
	if err != nil {
		return nil, err
	}
	text, err := b.WithTable(string(readme))
	if err != nil {
		return nil, err
	}
	return map[string]string{".env.example": b.EnvExample(), "README.md": text}, nil
}
