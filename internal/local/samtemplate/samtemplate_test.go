package samtemplate

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const small = `
Metadata:
  SecretVariables:
    Elsewhere: [A, B]
Parameters:
  Elsewhere: {Type: String, Default: ""}
Globals:
  Function:
    Timeout: 10
    MemorySize: 256
    Architectures: [arm64]
    Environment: {Variables: {ENVIRONMENT: test}}
Conditions:
  Cond: !Not [!Equals [!Ref Elsewhere, ""]]
Resources:
  Made:
    Type: AWS::SecretsManager::Secret
    Properties: {GenerateSecretString: {GenerateStringKey: C}}
  AlphaFunction:
    Type: AWS::Serverless::Function
    Properties:
      Timeout: 20
      Environment:
        Variables:
          SECRETS_ARN: !If [Cond, !Sub "${Made},${Elsewhere}", !Ref Made]
      Events:
        B: {Type: HttpApi, Properties: {Path: /b, Method: any}}
        A: {Type: HttpApi, Properties: {Path: /a, Method: ANY}}
        S: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 minute), Input: '{}'}}
`

func TestParse(t *testing.T) {
	template, err := Parse([]byte(small))
	if err != nil {
		t.Fatal(err)
	}
	f := template.Functions["alpha"]
	if f == nil || f.ID != "AlphaFunction" || f.Timeout != 20*time.Second || f.MemoryMB != 256 {
		t.Fatalf("function is %+v", f)
	}
	if want := []string{"/a", "/b"}; !slices.Equal(f.Routes, want) {
		t.Errorf("routes are %v, want %v", f.Routes, want)
	}
	if want := []Schedule{{"rate(1 minute)", "{}"}}; !slices.Equal(f.Schedules, want) {
		t.Errorf("schedules are %v, want %v", f.Schedules, want)
	}
	if want := []string{"Made", "Elsewhere"}; !slices.Equal(f.Secrets, want) {
		t.Errorf("secrets are %v, want %v", f.Secrets, want)
	}
	if f.Variables["ENVIRONMENT"] != "test" || template.Architecture != "arm64" {
		t.Errorf("variables are %v, the architecture %s", f.Variables, template.Architecture)
	}
	if !slices.Equal(template.SecretVariables["Made"], []string{"C"}) || !slices.Equal(template.SecretVariables["Elsewhere"], []string{"A", "B"}) {
		t.Errorf("secret variables are %v", template.SecretVariables)
	}
}

func TestParseRefusesUnknownShapes(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"unknown event":         {"Type: ScheduleV2", "Type: S3", "unsupported type"},
		"name without Function": {"AlphaFunction:", "Alpha:", "logical id"},
		"key twice":             {"Timeout: 20", "Timeout: 20\n      Timeout: 30", "duplicate key"},
		"unknown function":      {"!If [Cond", "!Select [Cond", "unsupported function"},
		"alias":                 {"Timeout: 20", "Timeout: &t 20\n      MemorySize: *t", "aliases"},
		"not YAML":              {"Metadata:", "{", "parse template"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(strings.Replace(small, c.old, c.new, 1)))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestReferences(t *testing.T) {
	for _, test := range []struct {
		value any
		want  []string
	}{
		{nil, nil}, {"arn", nil}, {map[string]any{"a": nil}, nil}, {"<Queue.Arn>", []string{"Queue"}},
		{[]any{"<Queue>/<Topic>", "<Queue.Arn>"}, []string{"Queue", "Topic"}},
	} {
		if got := References(test.value); !slices.Equal(got, test.want) {
			t.Errorf("%v: %v, want %v", test.value, got, test.want)
		}
	}
}
