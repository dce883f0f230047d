package samtemplate

import (
	"reflect"
	"strings"
	"testing"
)

const transformedTemplate = `
Parameters:
  Choice: {Type: String, Default: ""}
  Subnets: {Type: CommaDelimitedList, Default: ""}
Conditions:
  Chosen: !Not [!Equals [!Ref Choice, ""]]
  Inside: !Not [!Equals [!Join ["", !Ref Subnets], ""]]
Resources:
  One:
    Properties:
      Text: !Sub "${Choice}/${Other.Arn}/${AWS::Region}"
      List: [!If [Chosen, !Ref Choice, !Ref AWS::NoValue], !GetAtt [Other, Arn]]
      Network: !If [Inside, {Ids: !Ref Subnets}, !Ref AWS::NoValue]
      Named: !Sub ["${A}-${Choice}", {A: !Ref Other}]
  Other:
    Condition: Chosen
    Properties: {}
`

func TestResolve(t *testing.T) {
	transformed, err := Document([]byte(transformedTemplate))
	if err != nil {
		t.Fatal(err)
	}
	for choice, want := range map[string]map[string]any{
		"": {"One": map[string]any{"Properties": map[string]any{
			"Text": "/<Other.Arn>/<AWS::Region>", "List": []any{"<Other.Arn>"}, "Named": "<Other>-",
		}}},
		"c": {
			"One": map[string]any{"Properties": map[string]any{
				"Text": "c/<Other.Arn>/<AWS::Region>", "List": []any{"c", "<Other.Arn>"}, "Named": "<Other>-c",
			}},
			"Other": map[string]any{"Condition": "Chosen", "Properties": map[string]any{}},
		},
	} {
		if got, err := Resolve(transformed, map[string]string{"Choice": choice}); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %v, want %v, %v", choice, got, want, err)
		}
	}
	got, err := Resolve(transformed, map[string]string{"Subnets": "a,b"})
	if network := mapping(mapping(got["One"])["Properties"])["Network"]; err != nil || !reflect.DeepEqual(network, map[string]any{"Ids": "a,b"}) {
		t.Errorf("the network is %v, %v", network, err)
	}
}

func TestResolveNamesUnknownFunctions(t *testing.T) {
	for _, wrong := range []string{"!Select [0, [a]]", "!If [Unknown, a, b]"} {
		transformed, err := Document([]byte(strings.Replace(transformedTemplate, "!GetAtt [Other, Arn]", wrong, 1)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Resolve(transformed, nil); err == nil {
			t.Errorf("%s is accepted", wrong)
		}
	}
}
