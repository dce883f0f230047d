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
    Environment: {Variables: {ENVIRONMENT: test}}
Resources:
  Made:
    Type: AWS::SecretsManager::Secret
    Properties: {GenerateSecretString: {GenerateStringKey: C}}
  Basics:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      PolicyDocument:
        Statement:
          - {Effect: Allow, Action: [x:Put], Resource: "*"}
  AlphaRole:
    Type: AWS::IAM::Role
    Properties:
      ManagedPolicyArns: [!Ref Basics]
      Policies:
        - PolicyDocument:
            Statement:
              - !If
                - Cond
                - {Effect: Allow, Action: y:Get, Resource: [!Ref Made, !If [Cond, !Ref Elsewhere, !Ref AWS::NoValue]]}
                - !Ref AWS::NoValue
  AlphaFunction:
    Type: AWS::Serverless::Function
    DependsOn: Made
    Properties:
      Role: !GetAtt AlphaRole.Arn
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
	if want := []Route{{"/a", "ANY"}, {"/b", "ANY"}}; !slices.Equal(f.Routes, want) {
		t.Errorf("routes are %v, want %v", f.Routes, want)
	}
	if len(f.Schedules) != 1 || f.Schedules[0].Expression != "rate(1 minute)" || f.Schedules[0].Name != nil {
		t.Errorf("schedules are %v", f.Schedules)
	}
	if want := []string{"Made", "Elsewhere"}; !slices.Equal(f.Secrets, want) {
		t.Errorf("secrets are %v, want %v", f.Secrets, want)
	}
	if f.Variables["ENVIRONMENT"] != "test" || !slices.Equal(f.DependsOn, []string{"Made"}) {
		t.Errorf("variables are %v, depends on %v", f.Variables, f.DependsOn)
	}
	var actions []string
	for _, p := range f.Permissions {
		actions = append(actions, p.Effect+" "+p.Action+" "+strings.Join(References(p.Resources), ","))
	}
	if want := []string{"Allow y:Get Made,Elsewhere", "Allow x:Put "}; !slices.Equal(actions, want) {
		t.Errorf("permissions are %q, want %q", actions, want)
	}
	if !slices.Equal(template.SecretVariables["Made"], []string{"C"}) || !slices.Equal(template.SecretVariables["Elsewhere"], []string{"A", "B"}) {
		t.Errorf("secret variables are %v", template.SecretVariables)
	}
}

func TestParseRefusesUnknownShapes(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"role from elsewhere":   {"!GetAtt AlphaRole.Arn", "arn:aws:iam::1:role/x", "the Role must be"},
		"policy from elsewhere": {"[!Ref Basics]", "[arn:aws:iam::aws:policy/AdministratorAccess]", "is not in this template"},
		"unknown event":         {"Type: ScheduleV2", "Type: S3", "unsupported type"},
		"name without Function": {"AlphaFunction:", "Alpha:", "logical id"},
		"key twice":             {"Timeout: 20", "Timeout: 20\n      Timeout: 30", "duplicate key"},
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
