package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"newsletter/internal/local/samtemplate"
	"newsletter/internal/policy/bundle"
	"newsletter/internal/policy/settings/record"
)

// load returns the text of template.yaml and the directories of the functions, and makes the root the working
// directory.
func load(t *testing.T) (text string, directories []string) {
	t.Helper()
	t.Chdir("../../../..")
	read, err := os.ReadFile("template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if directories, err = bundle.FunctionNames("."); err != nil {
		t.Fatal(err)
	}
	return string(read), directories
}

func TestTemplateIsCurrent(t *testing.T) {
	load(t)
	if err := run("template.yaml", true); err != nil {
		t.Error(err)
	}
}

func TestManualEditsAreDetectedAndReverted(t *testing.T) {
	text, _ := load(t)
	for block, edit := range map[string][2]string{
		"secret variables":           {"[LOOPS_API_KEY, ", "["},
		"variables of all functions": {"!Ref Release", "!Ref Environment"},
		"keys":                       {"PasswordLength: 44", "PasswordLength: 8"},
		"functions":                  {"MaximumEventAgeInSeconds: 900", "MaximumEventAgeInSeconds: 60"},
		"alarms":                     {"Threshold: 1800", "Threshold: 18000"},
	} {
		t.Run(block, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "template.yaml")
			edited := strings.Replace(text, edit[0], edit[1], 1)
			if edited == text {
				t.Fatalf("template.yaml has no %q", edit[0])
			}
			if err := os.WriteFile(file, []byte(edited), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := run(file, true); err == nil || !strings.Contains(err.Error(), "not current: run make generate") {
				t.Errorf("-check: %v; want an error", err)
			}
			if got := readFile(t, file); got != edited {
				t.Error("-check changed the file")
			}
			if err := run(file, false); err != nil {
				t.Error(err)
			}
			if got := readFile(t, file); got != text {
				t.Error("the file differs from its state before the edit")
			}
		})
	}
}

func TestTextOutsideTheBlocksIsKept(t *testing.T) {
	text, directories := load(t)
	edited := strings.ReplaceAll(text, "MessageRetentionPeriod: 1209600", "MessageRetentionPeriod: 86400")
	got, err := generate(edited, directories, record.Reads)
	if err != nil || got != edited || got == text {
		t.Errorf("generate changed text outside the blocks: %v", err)
	}
}

func TestInvalidMarkersAreErrors(t *testing.T) {
	text, directories := load(t)
	for name, edit := range map[string][2]string{
		"no start":       {"  # generated: functions\n", ""},
		"no end":         {"  # end of functions\n", ""},
		"no end at last": {"  # end of alarms\n", ""},
		"unknown block":  {"generated: alarms\n", "generated: noise\n"},
		"end of another": {"end of keys\n", "end of alarms\n"},
		"missing block":  {"# generated: keys\n", "# keys\n"},
	} {
		broken := strings.Replace(text, edit[0], edit[1], 1)
		if got, err := generate(broken, directories, record.Reads); broken == text || err == nil || got != "" {
			t.Errorf("%s: %v; want an error and no text", name, err)
		}
	}
}

func TestTablesAndFunctionsMustMatch(t *testing.T) {
	text, directories := load(t)
	// with returns the records with a changed one for a function.
	with := func(function string, change func(*record.Variables)) map[string]record.Variables {
		reads, changed := maps.Clone(record.Reads), record.Reads[function]
		changed.Infrastructure, changed.Secrets = slices.Clone(changed.Infrastructure), slices.Clone(changed.Secrets)
		change(&changed)
		reads[function] = changed
		return reads
	}
	without := func(names []string, name string) []string {
		return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == name })
	}
	for name, c := range map[string]struct {
		directories []string
		reads       map[string]record.Variables
		want        string
	}{
		"directory without a row": {append(slices.Clone(directories), "survey"), record.Reads, "functions/survey has no row"},
		"row without a directory": {without(directories, "confirm"), record.Reads, "the row of confirm has no directory functions/confirm"},
		"variable without a row": {directories, with("health", func(v *record.Variables) {
			v.Infrastructure = append(v.Infrastructure, "QUEUE_URL")
		}), "functions/health reads QUEUE_URL, which has no row"},
		"unread variable": {directories, with("deliver", func(v *record.Variables) {
			v.Infrastructure = without(v.Infrastructure, "MAIL_CONFIGURATION_SET")
		}), "MAIL_CONFIGURATION_SET is read by 0 of 10 functions"},
		"global not read by all": {directories, with("confirm", func(v *record.Variables) {
			v.Infrastructure = without(v.Infrastructure, "RELEASE")
		}), "RELEASE is read by 9 of 10 functions"},
		"unread secret": {directories, with("subscribe", func(v *record.Variables) {
			v.Secrets = without(v.Secrets, "CAPTCHA_SECRET")
		}), "CAPTCHA_SECRET of CaptchaSecretArn is read by none of its functions"},
		"schedule without a setting": {directories, with("maintain", func(v *record.Variables) {
			v.Infrastructure = without(v.Infrastructure, "SCHEDULE")
		}), "functions/maintain must read SCHEDULE and have a Schedule"},
		"setting without a schedule": {directories, with("confirm", func(v *record.Variables) {
			v.Infrastructure = append(v.Infrastructure, "SCHEDULE")
		}), "functions/confirm must read SCHEDULE and have a Schedule"},
	} {
		if _, err := generate(text, c.directories, c.reads); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", name, err, c.want)
		}
	}
}

// TestFunctionsGetTheVariablesTheyRead changes what privacy reads, and wants its variables, secrets and permissions to
// follow.
func TestFunctionsGetTheVariablesTheyRead(t *testing.T) {
	text, directories := load(t)
	reads := maps.Clone(record.Reads)
	reads["privacy"] = record.Variables{
		Infrastructure: []string{"ALERTS_TOPIC_ARN", "DATABASE_IAM_AUTH", "ENVIRONMENT", "METRICS_NAMESPACE", "RELEASE", "SECRETS_ARN"},
		Secrets:        []string{"DATABASE_URL", "SLACK_WEBHOOK_URL", "TOKEN_KEYS_CONFIRM"},
	}
	text, err := generate(text, directories, reads)
	if err != nil {
		t.Fatal(err)
	}
	template, err := samtemplate.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	f := template.Functions["privacy"]
	given := slices.Sorted(maps.Keys(f.Variables))
	want := []string{"ALERTS_TOPIC_ARN", "DATABASE_IAM_AUTH", "DATABASE_URL", "ENVIRONMENT", "METRICS_NAMESPACE", "RELEASE", "SECRETS_ARN"}
	if !slices.Equal(given, want) {
		t.Errorf("given %q; want %q", given, want)
	}
	secrets := []string{"ConfirmKeysSecret", "ConnectionsSecretArn", "NotificationsSecretArn"}
	if !slices.Equal(f.Secrets, secrets) {
		t.Errorf("secrets %q; want %q", f.Secrets, secrets)
	}
	document, err := samtemplate.Document([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	resources, err := samtemplate.Resolve(document, samtemplate.Options(document))
	if err != nil {
		t.Fatal(err)
	}
	role := fmt.Sprint(resources["PrivacyRole"])
	for statement, want := range map[string]bool{
		"Action:secretsmanager:GetSecretValue Effect:Allow Resource:[<ConfirmKeysSecret> <ConnectionsSecretArn> <NotificationsSecretArn>]": true,
		"Action:sns:Publish Effect:Allow Resource:<AlarmTopic>":                                                                            true,
		"s3:PutObject": false,
	} {
		if strings.Contains(role, statement) != want {
			t.Errorf("the role has %q: %v, want %v\n%s", statement, !want, want, role)
		}
	}
}

func readFile(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
