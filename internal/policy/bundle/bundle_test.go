package bundle

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"newsletter/internal/local/samtemplate"
)

const root = "../../.."

// gone is a resource type without effect.
const gone = "AWS::CloudFormation::WaitConditionHandle"

func load(t *testing.T) *bundle {
	t.Helper()
	b, err := Load(root)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func templateText(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// translated calls SAM's translator. Without it, the test is skipped, or fails with CI=true.
func translated[T any](t *testing.T, translate func(ctx context.Context) (T, error)) T {
	t.Helper()
	if testing.Short() {
		t.Skip("SAM's translator is left out with -short")
	}
	made, err := translate(t.Context())
	if errors.Is(err, samtemplate.ErrNoTranslator) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func want(t *testing.T, problems []string, part string) {
	t.Helper()
	if !slices.ContainsFunc(problems, func(p string) bool { return strings.Contains(p, part) }) {
		t.Errorf("no problem contains %q; found:\n%s", part, strings.Join(problems, "\n"))
	}
}

// A change replaces the first occurrence of old in template.yaml; a problem must then contain want.
type change struct{ old, new, want string }

// checkChanges applies each change to the template and checks that it is reported. The template itself has no problem.
func checkChanges(t *testing.T, changes map[string]change) {
	t.Helper()
	b, template := load(t), templateText(t)
	names, texts := sortedKeys(changes), [][]byte{[]byte(template)}
	for _, name := range names {
		if !strings.Contains(template, changes[name].old) {
			t.Fatalf("%s: template.yaml does not contain %q", name, changes[name].old)
		}
		texts = append(texts, []byte(strings.Replace(template, changes[name].old, changes[name].new, 1)))
	}
	all := translated(t, func(ctx context.Context) ([][]*Stack, error) { return Stacks(ctx, texts...) })
	for i, stacks := range all {
		var found []string
		for _, s := range stacks {
			found = append(found, b.StackProblems(s)...)
		}
		if i == 0 {
			if len(found) > 0 {
				t.Errorf("the template itself has problems:\n%s", strings.Join(found, "\n"))
			}
			continue
		}
		t.Run(names[i-1], func(t *testing.T) { want(t, found, changes[names[i-1]].want) })
	}
}

func TestTemplateViolationsAreReported(t *testing.T) {
	t.Parallel()
	role := func(id string) string { return "      Role: !GetAtt " + id + "Role.Arn\n" }
	checkChanges(t, map[string]change{
		"other route":             {"Path: /api/newsletter/confirm, Method", "Path: /api/newsletter/other, Method", "ConfirmFunction serves /api/newsletter/confirm, which is no route"},
		"route not in the code":   {"Path: /api/health/live, Method", "Path: /api/health/dead, Method", `/api/health/dead invokes [HealthFunction], want ""`},
		"single method":           {"Path: /api/newsletter/subscribe, Method: ANY", "Path: /api/newsletter/subscribe, Method: POST", "must be ANY"},
		"variable dropped":        {"          JOURNAL_URL: ", "          JOURNAL: ", "reads JOURNAL_URL"},
		"unread variable":         {"          JOURNAL_URL: ", "          MAIL_TO: nobody\n          JOURNAL_URL: ", "sets MAIL_TO, which functions/deliver does not read"},
		"a setting":               {"          JOURNAL_URL: ", "          MAIL_FROM: nobody\n          JOURNAL_URL: ", "DeliverFunction sets the setting MAIL_FROM"},
		"every action":            {"                Action: ses:SendEmail\n", "                Action: ses:*\n", "name each action"},
		"every resource":          {"identity/${EmailIdentity}", "identity/*", "name the one resource"},
		"foreign policy":          {"ManagedPolicyArns: [!Ref FunctionBasics]", "ManagedPolicyArns: [arn:aws:iam::aws:policy/AdministratorAccess]", "is not in this template"},
		"log permission dropped":  {"                Action: [logs:CreateLogStream, logs:PutLogEvents]\n", "                Action: logs:PutLogEvents\n", "must allow logs:CreateLogStream"},
		"queue permission":        {"sqs:DeleteMessage, ", "", "UnsubscribeRole allows sqs:DeleteMessage on []"},
		"role shared":             {role("Deliver"), role("Health"), "each function has its own role"},
		"before the migration":    {"    DependsOn: Migration\n", "", "DependsOn: Migration"},
		"migration not versioned": {"Version: !Ref MigrateFunction.Version", "Version: '1'", "does not migrate"},
		"migration by an alias":   {"ServiceToken: !GetAtt MigrateFunction.Arn", "ServiceToken: !Ref MigrateFunction.Alias", "does not migrate"},
		"migration timeout":       {"ServiceTimeout: 900", "ServiceTimeout: 60", "Migration.ServiceTimeout"},
		"no migration":            {"    Type: Custom::Migration\n", "    Type: Custom::Other\n", "there is no Migration"},
		"other architecture":      {"Architectures: [arm64]", "Architectures: [x86_64]", "Architectures of SubscribeFunction"},
		"own architecture":        {role("Subscribe"), role("Subscribe") + "      Architectures: [x86_64]\n", "Architectures of SubscribeFunction"},
		"layers":                  {role("Confirm"), role("Confirm") + "      Layers: ['arn:aws:lambda:eu-central-1:1:layer:a:1']\n", "Layers of ConfirmFunction"},
		"other builder":           {"Metadata: {BuildMethod: makefile}", "Metadata: {BuildMethod: go1.x}", "BuildMethod: makefile"},
		"text logs":               {"LogFormat: JSON", "LogFormat: Text", "LoggingConfig of"},
		"metrics dropped":         {"ApplicationLogLevel: DEBUG", "ApplicationLogLevel: INFO", "would drop the metrics"},
		"traces off":              {"    Tracing: Active\n", "    Tracing: PassThrough\n", "TracingConfig of"},
		"keys not retained":       {"    DeletionPolicy: Retain\n", "    DeletionPolicy: Delete\n", "must be retained"},
		"schedule without name":   {"            Name: !Sub ${AWS::StackName}-deliver\n", "", "the schedules of two stacks collide"},
		"schedule without input":  {`            Input: '{"scheduled":true}'` + "\n", "", "by which the function recognizes it"},
		"timeout too short":       {"    Timeout: 10\n", "    Timeout: 4\n", "the sum of its deadlines"},
		"longer than the gateway": {"    Timeout: 10\n", "    Timeout: 60\n", "the gateway times out"},
		"fixed concurrency":       {"!If [Reserved, !Ref ReservedConcurrency, !Ref AWS::NoValue]", "5", "off by default"},
		"not called":              {"        Subscribe:\n          Type: HttpApi\n          Properties: {ApiId: !Ref Api, Path: /api/newsletter/subscribe, Method: ANY}\n", "        {}\n", "nothing calls SubscribeFunction"},
		"function dropped":        {"  PrivacyFunction:\n    Type: AWS::Serverless::Function", "  PrivacyFunction:\n    Type: " + gone, "functions/privacy is not in template.yaml"},
		"function added":          {"\nResources:\n", "\nResources:\n  ExtraFunction: {Type: AWS::Serverless::Function, Properties: {}}\n", "ExtraFunction has no directory functions/extra"},
	})
}

func TestExposureIsReported(t *testing.T) {
	t.Parallel()
	const resources = "\nResources:\n"
	checkChanges(t, map[string]change{
		"a route to deliver": {"        Drain:\n", "        Now: {Type: HttpApi, Properties: {ApiId: !Ref Api, Path: /api/now, Method: ANY}}\n        Drain:\n", `/api/now invokes [DeliverFunction], want ""`},
		"a route to operate": {"      Role: !GetAtt OperateRole.Arn\n", "      Role: !GetAtt OperateRole.Arn\n      Events: {Now: {Type: HttpApi, Properties: {ApiId: !Ref Api, Path: /api/now, Method: ANY}}}\n", "OperateFunction is for the operator's tool alone"},
		"a function URL":     {"      Role: !GetAtt HealthRole.Arn\n", "      Role: !GetAtt HealthRole.Arn\n      FunctionUrlConfig: {AuthType: NONE}\n", "HealthFunctionUrl is another entry point"},
		"a separate URL":     {resources, resources + "  Door: {Type: AWS::Lambda::Url, Properties: {AuthType: NONE, TargetFunctionArn: !Ref MigrateFunction}}\n", "Door is another entry point"},
		"a second API":       {resources, resources + "  Second: {Type: AWS::Serverless::HttpApi, Properties: {DefinitionBody: {openapi: 3.0.1, paths: {}}}}\n", "2 of AWS::ApiGatewayV2::Api"},
		"a REST API":         {resources, resources + "  Rest: {Type: AWS::ApiGateway::RestApi}\n", "Rest is another entry point"},
		"anyone may invoke":  {resources, resources + "  All: {Type: AWS::Lambda::Permission, Properties: {Principal: '*', FunctionName: !Ref MigrateFunction, Action: lambda:InvokeFunction}}\n", "All lets anyone invoke"},
		"gateway's CORS":     {"      FailOnWarnings: true\n", "      FailOnWarnings: true\n      CorsConfiguration: true\n", "remove CorsConfiguration"},
	})
}

func TestLogViolationsAreReported(t *testing.T) {
	t.Parallel()
	checkChanges(t, map[string]change{
		"no retention":         {"      RetentionInDays: !Ref LogRetentionDays\n", "", "kept forever"},
		"fixed retention":      {"      RetentionInDays: !Ref LogRetentionDays\n", "      RetentionInDays: 3653\n", "needs RetentionInDays: !Ref LogRetentionDays"},
		"path in the log":      {`"route":"$context.routeKey"`, `"route":"$context.path"`, "tokens and addresses are not logged"},
		"address in the log":   {"$context.requestId", "$context.identity.sourceIp", "remove $context.identity.sourceIp"},
		"unknown in the log":   {"$context.requestId", "$context.authorizer.claims", "remove $context.authorizer.claims"},
		"log that is not JSON": {`"status":"$context.status",`, `"status":$context.status,`, "is not a JSON object"},
		"no access log":        {"DestinationArn: !GetAtt AccessLogs.Arn", "DestinationArn: !Ref AlarmTopic", "has no access log"},
		"no log group":         {"  HealthLogs:\n    Type: AWS::Logs::LogGroup\n", "  HealthLogs:\n    Type: " + gone + "\n", "HealthFunction has no log group"},
	})
}

func TestBinaryProblems(t *testing.T) {
	want(t, Binary{Function: "x", Bytes: MaxBinary + 1}.Problems(), "the budget is 16 MiB")
	want(t, Binary{Function: "x", Bytes: 1, ReflectMethod: true}.Problems(), "ReflectMethod")
	if problems := (Binary{Function: "x", Bytes: MaxBinary}).Problems(); len(problems) > 0 {
		t.Error(problems)
	}
}

func TestCalls(t *testing.T) {
	const sdk = "github.com/aws/aws-sdk-go-v2/"
	graph := "main.main -> " + sdk + "service/sesv2.(*Client).SendEmail\n" +
		"a -> " + sdk + "service/sqs.(*Client).SendMessage\nb -> " + sdk + "service/sqs.(*Client).SendMessage\n" +
		"a -> " + sdk + "service/sqs.(*Client).AddPermission.argliveinfo\na -> " + sdk + "service/s3.(*Client).CreateSession\na -> " + sdk + "service/s3.(*Client).invokeOperation\n" +
		sdk + "service/sns.(*Client).Publish -> fmt.Errorf\na -> " + sdk + "service/sns.(*Client).Options\n" +
		"a -> " + sdk + "feature/rds/auth.BuildAuthToken\n"
	if got, want := calls([]byte(graph)), []string{"rds-db:connect", "ses:SendEmail", "sqs:SendMessage"}; !slices.Equal(got, want) {
		t.Errorf("calls %q, want %q", got, want)
	}
}
