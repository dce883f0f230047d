package bundle

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"newsletter/internal/samtemplate"
	"newsletter/internal/settings"
)

const root = "../.."

// load reads the module and returns its current problems as known, so that tests only look for the problems that they cause.
// The test at the module root checks the module itself.
func load(t *testing.T) (b *Bundle, template string, known []string) {
	t.Helper()
	b, err := Load(root)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return b, string(text), b.Problems()
}

// clone copies the parts that tests change.
func clone(b *Bundle) *Bundle {
	c := *b
	c.Functions, c.Packages = map[string]*Function{}, map[string]*Package{}
	for name, f := range b.Functions {
		copied := *f
		copied.Variables, copied.Calls, copied.Routes = slices.Clone(f.Variables), slices.Clone(f.Calls), slices.Clone(f.Routes)
		c.Functions[name] = &copied
	}
	for path, p := range b.Packages {
		copied := *p
		c.Packages[path] = &copied
	}
	c.Events, c.Contract, c.Coded = map[string][]Event{}, map[string][]string{}, maps.Clone(b.Coded)
	for name, events := range b.Events {
		c.Events[name] = slices.Clone(events)
	}
	for path, methods := range b.Contract {
		c.Contract[path] = slices.Clone(methods)
	}
	return &c
}

// newProblems returns the problems that are not known.
func newProblems(b *Bundle, known []string) []string {
	return slices.DeleteFunc(b.Problems(), func(p string) bool { return slices.Contains(known, p) })
}

func want(t *testing.T, problems []string, part string) {
	t.Helper()
	if !slices.ContainsFunc(problems, func(p string) bool { return strings.Contains(p, part) }) {
		t.Errorf("no problem contains %q; found:\n%s", part, strings.Join(problems, "\n"))
	}
}

// A change replaces the first occurrence of old in template.yaml; a problem must then contain want.
type change struct{ old, new, want string }

func TestTemplateViolationsAreReported(t *testing.T) {
	checkChanges(t, map[string]change{
		"route dropped":           {"Path: /api/newsletter/confirm, Method", "Path: /api/newsletter/other, Method", "functions/confirm serves /api/newsletter/confirm, which is not its route"},
		"route not in the code":   {"Path: /api/health/live, Method", "Path: /api/health/dead, Method", "functions/health does not serve"},
		"single method":           {"Path: /api/newsletter/subscribe, Method: ANY", "Path: /api/newsletter/subscribe, Method: POST", "must be ANY"},
		"route twice":             {"Path: /api/health/live", "Path: /api/health", "keep one"},
		"variable dropped":        {"          JOURNAL_URL: ", "          JOURNAL: ", "reads JOURNAL_URL"},
		"unread variable":         {"          JOURNAL_URL: ", "          MAIL_TO: nobody\n          JOURNAL_URL: ", "sets MAIL_TO, which functions/deliver does not read"},
		"a setting":               {"          JOURNAL_URL: ", "          MAIL_FROM: nobody\n          JOURNAL_URL: ", "DeliverFunction sets the setting MAIL_FROM"},
		"secret dropped":          {"${PepperSecret},${UnsubscribeKeysSecret}", "${PepperSecret}", "names UnsubscribeKeysSecret in only one branch"},
		"secret unknown":          {"    MigrateSecretArn: [", "    Another: [", "the variables in MigrateSecretArn are unknown"},
		"permission dropped":      {"                Action: ses:SendEmail\n", "                Action: ses:GetAccount\n", "must allow ses:SendEmail"},
		"extra permission":        {"                Action: ses:SendEmail\n", "                Action: [ses:SendEmail, ses:SendBulkEmail]\n", "ses:SendBulkEmail, which functions/deliver does not call"},
		"every action":            {"                Action: ses:SendEmail\n", "                Action: ses:*\n", "name each action"},
		"every resource":          {"identity/${EmailIdentity}", "identity/*", "name the one resource"},
		"wrong secret":            {"                  - !Ref UnsubscribeKeysSecret\n", "                  - !Ref ConfirmKeysSecret\n", "may not read it"},
		"log permission dropped":  {"                Action: [logs:CreateLogStream, logs:PutLogEvents]\n", "                Action: logs:PutLogEvents\n", "must allow logs:CreateLogStream"},
		"function dropped":        {"  HealthFunction:\n    Type: AWS::Serverless::Function", "  HealthFunction:\n    Type: AWS::CloudFormation::WaitConditionHandle", "functions/health is not in template.yaml"},
		"role shared":             {"Role: !GetAtt DeliverRole.Arn", "Role: !GetAtt HealthRole.Arn", "its own role"},
		"before the migration":    {"    DependsOn: Migration\n", "", "DependsOn: Migration"},
		"migration not versioned": {"Version: !Ref MigrateFunction.Version", "Version: '1'", "does not migrate"},
		"migration by an alias":   {"ServiceToken: !GetAtt MigrateFunction.Arn", "ServiceToken: !Ref MigrateFunction.Alias", "does not migrate"},
		"migration timeout":       {"ServiceTimeout: 900", "ServiceTimeout: 60", "Migration.ServiceTimeout"},
		"other architecture":      {"Architectures: [arm64]", "Architectures: [x86_64]", "Globals.Function.Architectures"},
		"own architecture":        {"      Role: !GetAtt SubscribeRole.Arn\n", "      Role: !GetAtt SubscribeRole.Arn\n      Architectures: [x86_64]\n", "leave it to Globals"},
		"layers":                  {"    Tracing: Active\n", "    Tracing: Active\n    Layers: !If [InVpc, [!Ref LayerArn], !Ref AWS::NoValue]\n", "remove Layers"},
		"other builder":           {"Metadata: {BuildMethod: makefile}", "Metadata: {BuildMethod: go1.x}", "BuildMethod: makefile"},
		"text logs":               {"LogFormat: JSON", "LogFormat: Text", "must log JSON"},
		"no retention":            {"      RetentionInDays: !Ref LogRetentionDays\n", "", "kept forever"},
		"gateway's CORS":          {"      FailOnWarnings: true\n", "      FailOnWarnings: true\n      CorsConfiguration: true\n", "remove CorsConfiguration"},
		"tokens in the log":       {`"route":"$context.routeKey"`, `"route":"$context.path"`, "tokens and addresses are not logged"},
		"keys not retained":       {"    DeletionPolicy: Retain\n", "    DeletionPolicy: Delete\n", "must be retained"},
		"schedule without name":   {"            Name: !Sub ${AWS::StackName}-deliver\n", "", "the schedules of two stacks collide"},
		"schedule without input":  {`            Input: '{"scheduled":true}'` + "\n", "", "by which the function recognizes it"},
		"timeout too short":       {"      Timeout: 90\n", "      Timeout: 60\n", "the sum of its deadlines"},
		"longer than the gateway": {"    Timeout: 10\n", "    Timeout: 60\n", "the gateway times out"},
		"fixed concurrency":       {"!If [Reserved, !Ref ReservedConcurrency, !Ref AWS::NoValue]", "5", "off by default"},
	})
}

// checkChanges applies each change to the template and checks that it is reported.
func checkChanges(t *testing.T, changes map[string]change) {
	t.Helper()
	b, template, known := load(t)
	for name, c := range changes {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(template, c.old) {
				t.Fatalf("template.yaml does not contain %q", c.old)
			}
			broken, err := samtemplate.Parse([]byte(strings.Replace(template, c.old, c.new, 1)))
			if err != nil {
				t.Fatal(err)
			}
			changed := *b
			changed.Template = broken
			want(t, newProblems(&changed, known), c.want)
		})
	}
}

func TestMissingFeedbackIsReported(t *testing.T) {
	const destination = "    Type: AWS::SES::ConfigurationSetEventDestination\n"
	checkChanges(t, map[string]change{
		"conditional":         {destination, destination + "    Condition: Reserved\n", "no event destination"},
		"disabled":            {"        Enabled: true\n        MatchingEventTypes", "        Enabled: false\n        MatchingEventTypes", "no event destination"},
		"no complaints":       {"[delivery, bounce, complaint, reject, deliveryDelay]", "[delivery, bounce, reject, deliveryDelay]", "no event destination"},
		"external set":        {"    Type: AWS::SES::ConfigurationSet\n", "    Type: " + gone + "\n", "no event destination"},
		"conditional set":     {"    Type: AWS::SES::ConfigurationSet\n", "    Type: AWS::SES::ConfigurationSet\n    Condition: Reserved\n", "no event destination"},
		"not used by deliver": {"MAIL_CONFIGURATION_SET: !Ref EmailConfigurationSet", "MAIL_CONFIGURATION_SET: \"\"", "MAIL_CONFIGURATION_SET: !Ref EmailConfigurationSet"},
		"not allowed":         {":configuration-set/${EmailConfigurationSet}\n              - Effect", ":configuration-set/other\n              - Effect", "ses:SendEmail with the configuration set"},
		"not subscribed":      {"Properties: {Topic: !Ref EmailEvents}", "Properties: {Topic: !Ref AlarmTopic}", "Topic: !Ref EmailEvents"},
	})
}

func TestCodeViolationsAreReported(t *testing.T) {
	whole, _, known := load(t)
	for name, c := range map[string]struct {
		change func(b *Bundle)
		want   string
	}{
		"function not deployed": {func(b *Bundle) { b.Functions["extra"] = &Function{Name: "extra"} },
			"functions/extra is not in template.yaml: add the resource ExtraFunction"},
		"function gone": {func(b *Bundle) { delete(b.Functions, "health") }, "HealthFunction has no directory functions/health"},
		"new variable": {func(b *Bundle) {
			b.Functions["subscribe"].Variables = append(b.Functions["subscribe"].Variables, settings.Variable{Name: "NEW", Kind: settings.Infrastructure})
		}, "functions/subscribe reads NEW, which SubscribeFunction does not get"},
		"new secret": {func(b *Bundle) {
			b.Functions["health"].Variables = append(b.Functions["health"].Variables, settings.Variable{Name: "PEPPER", Kind: settings.Secret})
		}, "functions/health reads the secret PEPPER"},
		"unread secret": {func(b *Bundle) {
			b.Functions["confirm"].Variables = slices.DeleteFunc(b.Functions["confirm"].Variables, func(v settings.Variable) bool { return v.Name == "TOKEN_KEYS_CONFIRM" })
		}, "ConfirmFunction may read ConfirmKeysSecret, but functions/confirm reads none of its variables"},
		"new call": {func(b *Bundle) {
			b.Functions["deliver"].Calls = append(b.Functions["deliver"].Calls, Call{"sns:Subscribe", "x.go:1"})
		}, "DeliverRole must allow sns:Subscribe: x.go:1 calls it"},
		"new route": {func(b *Bundle) {
			b.Functions["health"].Routes = append(b.Functions["health"].Routes, Route{"/api/health/deep", []string{"GET"}})
		}, "functions/health serves /api/health/deep, which is not its route in template.yaml"},
		"route not described": {func(b *Bundle) { delete(b.Contract, "/api/health/live") },
			"functions/health handles GET /api/health/live, which docs/openapi.yaml does not describe"},
		"described, not served": {func(b *Bundle) { b.Contract["/api/x"] = []string{"GET"} }, "describes /api/x, which no function serves"},
		"described method": {func(b *Bundle) {
			b.Contract["/api/health"] = append(b.Contract["/api/health"], "POST")
		}, "describes POST /api/health, which functions/health does not handle"},
		"new problem":    {func(b *Bundle) { b.Coded["urn:newsletter:problem:new"] = "x.go:1" }, "does not list the problem urn:newsletter:problem:new"},
		"problem gone":   {func(b *Bundle) { delete(b.Coded, "urn:newsletter:problem:not-found") }, "not-found, which no code returns"},
		"no events":      {func(b *Bundle) { delete(b.Events, "subscribe") }, "functions/subscribe has no sample event"},
		"orphaned event": {func(b *Bundle) { b.Events["other"] = nil }, "events/other belongs to no function"},
		"event of another function": {func(b *Bundle) {
			b.Events["subscribe"] = append(b.Events["subscribe"], Event{File: "f.json", Path: "/api/health", Method: "GET"})
		}, "f.json has the path /api/health, a route of another function"},
		"missing event of a method": {func(b *Bundle) {
			b.Events["confirm"] = slices.DeleteFunc(b.Events["confirm"], func(e Event) bool { return e.Method == "POST" })
		}, "events/confirm has no POST /api/newsletter/confirm"},
		"missing scheduled event": {func(b *Bundle) {
			b.Events["deliver"] = slices.DeleteFunc(b.Events["deliver"], func(e Event) bool { return e.Scheduled })
		}, "events/deliver has no scheduled event"},
		"package without comment": {func(b *Bundle) { b.Packages[module+"/shared/outbox"].Doc = "" }, "shared/outbox has no package comment"},
		"wrong comment":           {func(b *Bundle) { b.Packages[module+"/shared/outbox"].Doc = "Outbox rows." }, `start the package comment with "Package outbox"`},
		"test code deployed": {func(b *Bundle) {
			p := b.Packages[module+"/functions/confirm"]
			p.Deps = append(slices.Clone(p.Deps), "testing")
		}, "functions/confirm links testing"},
		"TOML deployed": {func(b *Bundle) {
			p := b.Packages[module+"/functions/confirm"]
			p.Deps = append(slices.Clone(p.Deps), "github.com/pelletier/go-toml/v2")
		}, "functions/confirm links github.com/pelletier/go-toml/v2"},
		"internal deployed": {func(b *Bundle) {
			p := b.Packages[module+"/functions/confirm"]
			p.Deps = append(slices.Clone(p.Deps), module+"/internal/pki")
		}, "functions/confirm links newsletter/internal/pki"},
		"schema in a function": {func(b *Bundle) {
			p := b.Packages[module+"/functions/confirm"]
			p.Deps = append(slices.Clone(p.Deps), module+"/migrations")
		}, "only migrate may change the schema"},
		"adapter imports adapter": {func(b *Bundle) {
			b.Packages[module+"/shared/redistls"].Files = b.Packages[module+"/shared/visitor"].Files
		}, "shared/redistls imports shared/postgres: adapters do not import each other"},
		"function imported": {func(b *Bundle) {
			renamed := *b.Packages[module+"/shared/outbox"]
			file := *renamed.Files[0]
			spec := *file.Imports[0]
			value := *spec.Path
			value.Value = `"` + module + `/functions/deliver"`
			spec.Path = &value
			file.Imports = append(slices.Clone(file.Imports), &spec)
			renamed.Files = append(slices.Clone(renamed.Files), &file)
			b.Packages[module+"/shared/outbox"] = &renamed
		}, "packages do not import functions"},
	} {
		t.Run(name, func(t *testing.T) {
			b := clone(whole)
			c.change(b)
			want(t, newProblems(b, known), c.want)
		})
	}
}

func TestBinaryProblems(t *testing.T) {
	want(t, Binary{"x", MaxBinary + 1, false}.Problems(), "the budget is 16 MiB")
	want(t, Binary{"x", 1, true}.Problems(), "ReflectMethod")
	if problems := (Binary{"x", MaxBinary, false}).Problems(); len(problems) > 0 {
		t.Error(problems)
	}
}
