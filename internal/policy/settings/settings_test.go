package settings

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"newsletter/internal/policy/settings/record"
)

const root = "../../.."

// TestEveryVariableIsExplained: each variable of the code is in a group and has one text of full sentences, an example,
// and a section that no other group uses. At most 80 variables are for the owner to set.
func TestEveryVariableIsExplained(t *testing.T) {
	t.Parallel()
	texts, err := texts(root)
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, v := range all() {
		text := texts[v.Name]
		delete(texts, v.Name)
		if text == "" || text != strings.TrimSpace(text) || !strings.HasSuffix(text, ".") || strings.ToUpper(text[:1]) != text[:1] {
			t.Errorf("%s: the comment of its field must be full sentences: %q", v.Name, text)
		}
		if v.Kind != File {
			continue
		}
		if v.Example == "" {
			t.Errorf("%s has neither a default nor an example", v.Name)
		}
		if other := sections[v.Section()]; other != "" && other != v.Group {
			t.Errorf("the section [%s] is in the groups %s and %s", v.Section(), other, v.Group)
		}
		sections[v.Section()] = v.Group
	}
	for name := range texts {
		t.Errorf("%s is read by a struct that is not in groups.go", name)
	}
	if n := len(all()); n > 80 {
		t.Errorf("there are %d variables: make constants of those that nobody will turn", n)
	}
}

// TestGeneratedFilesAreCurrent runs every function to record the variables that it reads.
func TestGeneratedFilesAreCurrent(t *testing.T) {
	files, err := Generate(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		if have, err := os.ReadFile(filepath.Join(root, name)); err != nil || !bytes.Equal(have, want) {
			t.Errorf("%s is not current: run make generate (%v)", name, err)
		}
	}
}

// commented matches a commented-out line of settings/example.toml.
var commented = regexp.MustCompile(`(?m)^# (\[[a-z.]+\]|[a-z0-9_]+ = .+)$`)

// TestExampleIsValid tests the example unchanged and with every line uncommented.
func TestExampleIsValid(t *testing.T) {
	t.Parallel()
	if _, err := Read(root, "example"); err != nil {
		t.Error(err)
	}
	content, err := os.ReadFile(filepath.Join(root, "settings", "example.toml"))
	if err != nil {
		t.Fatal(err)
	}
	dir := write(t, "whole", commented.ReplaceAllString(string(content), "$1"))
	values, err := Read(dir, "whole")
	if err != nil {
		t.Error(err)
	}
	for _, v := range all() {
		if _, set := values[v.Name]; set != (v.Kind == File) {
			t.Errorf("%s is in the example: %v", v.Name, set)
		}
	}
}

// write creates settings/<environment>.toml in a new folder.
func write(t *testing.T, environment, content string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	path := filepath.Join(dir, "settings", environment+".toml")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// required is a valid file; additions of a test begin at line 7.
const required = `[site]
name = "Jane"
postal_address = "1 Main St"
public_url = "https://api.example.org"
[mail]
from = "news@example.org"
`

func TestInvalidFiles(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ content, want string }{
		"no mistake":      {required, ""},
		"nothing":         {"", "settings/x.toml: mail.from: required, but not set (example: \"The Jane Letter <news@example.org>\")\nsettings/x.toml: site.name: required"},
		"no TOML":         {required + "[limits\n", "settings/x.toml:7: "},
		"twice":           {required + "from = \"b@example.org\"\n", "settings/x.toml:7: "},
		"section":         {required + "[limts]\nsubscribe = [\"1/1h@host\"]\n", "settings/x.toml:8: limts.subscribe: unknown; did you mean the section [limits]?"},
		"key":             {required + "[limits]\nsubscibe = [\"1/1h@host\"]\n", "settings/x.toml:8: limits.subscibe: unknown; did you mean limits.subscribe?"},
		"dotted key":      {required + "rate.per_minute = 5\n", "settings/x.toml:7: mail.rate: unknown; did you mean mail.from?"},
		"capitals":        {required + "[LIMITS]\nSUBSCRIBE = [\"1/1h@host\"]\n", "settings/x.toml:8: LIMITS.SUBSCRIBE: unknown; did you mean limits.subscribe?"},
		"no section":      {"x = 1\n" + required, "settings/x.toml:1: x: must be in a section"},
		"environment":     {"environment = \"x\"\n" + required, "settings/x.toml:1: environment: ENVIRONMENT is set by template.yaml"},
		"secret":          {required + "[database]\nurl = \"postgres://app:s3cret@db.example/x\"\n", "settings/x.toml:8: database.url: secrets are not allowed in a file; put DATABASE_URL into a secret of Secrets Manager or into the environment"},
		"secret alone":    {"pepper = \"s3cret\"\n" + required, "settings/x.toml:1: pepper: secrets are not allowed in a file"},
		"infrastructure":  {required + "[journal]\nurl = \"s3://bucket\"\n", "settings/x.toml:8: journal.url: JOURNAL_URL is set by template.yaml"},
		"local":           {required + "[fakes]\nurl = \"http://127.0.0.1:1\"\n", "settings/x.toml:8: fakes.url: FAKES_URL is for the local stack"},
		"text for number": {required + "rate_per_minute = \"300\"\n", "settings/x.toml:7: mail.rate_per_minute: must be a number (example: 300)"},
		"number for text": {required + "[delivery]\nlinger = 50\n", "settings/x.toml:8: delivery.linger: must be a text (example: \"50s\")"},
		"text for list":   {required + "[limits]\nsubscribe = \"1/1h@host\"\n", "settings/x.toml:8: limits.subscribe: must be a list of texts (example: [\"60/10m@host\", \"300/1h@site\"])"},
		"comma in a list": {required + "[limits]\nsubscribe = [\"1/1h@host,2/1h@site\"]\n", "settings/x.toml:8: limits.subscribe: must be a list of texts"},
		"text for truth":  {required + "[signup]\ndouble_opt_in = \"true\"\n", "settings/x.toml:8: signup.double_opt_in: must be true or false (example: true)"},
		"rule":            {required + "[limits]\n\nsubscribe = [\"many\"]\n", "settings/x.toml:9: limits.subscribe: "},
		"part":            {required + "rate_per_minute = 1.5\n", "settings/x.toml:7: mail.rate_per_minute: must be a whole number (example: 300)"},
		"duration":        {required + "[delivery]\nlinger = \"soon\"\n", "settings/x.toml:8: delivery.linger: must be a duration in the form 90s or 1h30m (example: \"50s\")"},
		"two together":    {required + "[signup]\nblocked_domains = [\"a.example\"]\nallowed_domains = [\"a.example\"]\n", "settings/x.toml:8: signup.blocked_domains: contains a domain that signup.allowed_domains contains too"},
		"field":           {required + "[fields.company]\ntype = \"txt\"\npurpose = \"to write\"\n", "settings/x.toml:8: fields.company.type: must be text, choice, boolean or date (example: \"text\")"},
		"field without":   {required + "[fields.company]\ntype = \"text\"\n", "settings/x.toml:7: fields.company.purpose: must say why"},
		"field's name":    {required + "[fields.email]\ntype = \"text\"\npurpose = \"to write\"\n", "settings/x.toml:7: fields.email: the name must be"},
		"field's member":  {required + "[fields]\ncompany = \"text\"\n", "settings/x.toml:8: fields.company: must be a section [fields.company]"},
		"fields":          {required + "fields = 1\n", "settings/x.toml:7: mail.fields: unknown"},
		"needs a secret":  {required + "[webhook]\nurls = [\"https://hooks.example.org/\"]\n", ""},
	} {
		_, err := Read(write(t, "x", test.content), "x")
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v\nwant %s", name, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: the error repeats a secret: %v", name, err)
		}
	}
}

// TestAllErrorsAreReportedAtOnce tests that errors are ordered by line and that a value has only one.
func TestAllErrorsAreReportedAtOnce(t *testing.T) {
	t.Parallel()
	_, err := Read(write(t, "x", `[site]
public_url = "http://api.example.org"
[mail]
from = 5
rate_per_minute = -1
pepper = "x"
[retention]
erasures_days = 34
context_days = 0
`), "x")
	var got []string
	for line := range strings.Lines(err.Error()) {
		where, _, _ := strings.Cut(strings.TrimPrefix(line, "settings/x.toml"), ": must")
		got = append(got, strings.TrimSpace(where))
	}
	want := []string{
		`: site.name: required, but not set (example: "The Jane Letter")`,
		`: site.postal_address: required, but not set (example: "1 Main St\n12345 Town")`,
		":2: site.public_url", ":4: mail.from", ":5: mail.rate_per_minute", ":6: mail.pepper: unknown; did you mean mail.from?",
		":8: retention.erasures_days", ":9: retention.context_days",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s\nof\n%v", strings.Join(got, "\n"), strings.Join(want, "\n"), err)
	}
}

func TestErrorForAMissingFileNamesTheCommand(t *testing.T) {
	t.Parallel()
	_, err := Pack(t.TempDir(), "production", "subscribe")
	if err == nil || !strings.Contains(err.Error(), "cp settings/example.toml settings/production.toml") {
		t.Error(err)
	}
	for _, name := range []string{"", "Production", "../x", "a b", strings.Repeat("a", 33)} {
		if _, err := Pack(root, name, "subscribe"); err == nil || !strings.Contains(err.Error(), "ENVIRONMENT") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestSettingChangesOnlyTheFunctionsThatReadIt tests the artifacts of one environment and of another.
func TestSettingChangesOnlyTheFunctionsThatReadIt(t *testing.T) {
	t.Parallel()
	base := required + "[captcha]\nhostnames = [\"www.example.org\"]\n" // required by captcha.provider
	dir := write(t, "production", base)
	change := func(environment, content string) map[string]string {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "settings", environment+".toml"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		artifacts := map[string]string{}
		for function := range record.Reads {
			packed, err := Pack(dir, "production", function)
			if err != nil {
				t.Fatal(err)
			}
			artifacts[function] = string(packed)
		}
		return artifacts
	}
	before := change("production", base)
	if after := change("staging", required+"rate_per_minute = 5\n"); !maps.Equal(before, after) {
		t.Error("a change of settings/staging.toml changes artifacts of production")
	}
	for _, v := range all() {
		if v.Kind != File || v.Required || v.Name == "CAPTCHA_HOSTNAMES" {
			continue
		}
		header, line := "["+v.Section()+"]\n", v.lines()
		content := strings.Replace(base, header, header+line, 1)
		if content == base {
			content += header + line
		}
		after := change("production", content)
		for function := range record.Reads {
			if reads := slices.Contains(record.Reads[function].Settings, v.Name); reads != (before[function] != after[function]) {
				t.Errorf("%s: functions/%s reads it: %v; its artifact is\n%s", v.Key(), function, reads, after[function])
			}
		}
	}
}
