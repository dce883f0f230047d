package bundle

import (
	"regexp"
	"slices"
	"strings"

	"newsletter/internal/local/samtemplate"
)

// platform maps the actions that Lambda itself performs with a function's role to whether AWS supports them only on all
// resources. Sources: the Lambda developer guide on execution roles, VPC networking, X-Ray and SQS.
var platform = map[string]bool{
	"logs:CreateLogStream":           false,
	"logs:PutLogEvents":              false,
	"xray:PutTraceSegments":          true,
	"xray:PutTelemetryRecords":       true,
	"sqs:ReceiveMessage":             false,
	"sqs:DeleteMessage":              false,
	"sqs:GetQueueAttributes":         false,
	"kms:Decrypt":                    false,
	"ec2:CreateNetworkInterface":     true,
	"ec2:DescribeNetworkInterfaces":  true,
	"ec2:DescribeSubnets":            true,
	"ec2:DeleteNetworkInterface":     true,
	"ec2:AssignPrivateIpAddresses":   true,
	"ec2:UnassignPrivateIpAddresses": true,
}

// allowed returns the resources of each action that a role's policies allow. Managed policies must be in the stack, so
// that no permission is hidden.
func (s *Stack) allowed(role string, problems *problems) map[string][]string {
	var statements []any
	for _, policy := range list(s.properties(role)["Policies"]) {
		statements = append(statements, list(mapping(mapping(policy)["PolicyDocument"])["Statement"])...)
	}
	for _, arn := range texts(s.properties(role)["ManagedPolicyArns"]) {
		if s.target(arn) != "AWS::IAM::ManagedPolicy" {
			problems.add("template.yaml: the managed policy %s of %s is not in this template", arn, role)
			continue
		}
		document := mapping(s.properties(samtemplate.References(arn)[0])["PolicyDocument"])
		statements = append(statements, list(document["Statement"])...)
	}
	allowed := map[string][]string{}
	for _, statement := range statements {
		if m := mapping(statement); m["Effect"] == "Allow" {
			for _, action := range texts(m["Action"]) {
				allowed[action] = append(allowed[action], texts(m["Resource"])...)
			}
		}
	}
	return allowed
}

// roleOf returns the logical id of a function's role.
func roleOf(name string) string { return strings.TrimSuffix(functionID(name), "Function") + "Role" }

// folder matches all objects in one folder of one of the stack's buckets. Their names are not known in advance.
var folder = regexp.MustCompile(`^<[A-Za-z0-9]+\.Arn>(/[a-z0-9]+)+/\*$`)

// checkRoles checks that each role names its actions and resources, and allows what Lambda itself needs. checkSecrets
// compares the secrets with the code, Binary.CallProblems the other actions.
func (b *bundle) checkRoles(s *Stack) []string {
	var problems problems
	for _, name := range sortedKeys(b.Functions) {
		role := roleOf(name)
		allowed := s.allowed(role, &problems)
		for _, action := range sortedKeys(allowed) {
			if strings.Contains(action, "*") {
				problems.add("template.yaml: %s allows %s: name each action", role, action)
			}
			for _, resource := range allowed[action] {
				objects := strings.HasPrefix(action, "s3:") && folder.MatchString(resource)
				if strings.Contains(resource, "*") && !platform[action] && !objects {
					problems.add("template.yaml: %s allows %s on %s: name the one resource", role, action, resource)
				}
			}
		}
		for _, action := range []string{"logs:CreateLogStream", "logs:PutLogEvents", "xray:PutTraceSegments", "xray:PutTelemetryRecords"} {
			if allowed[action] == nil {
				problems.add("template.yaml: %s must allow %s, which Lambda itself needs", role, action)
			}
		}
		queue := s.queueOf(functionID(name))
		for _, action := range []string{"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"} {
			if got := samtemplate.References(allowed[action]); !slices.Equal(got, samtemplate.References("<"+queue+">")) {
				problems.add("template.yaml: %s allows %s on %v: allow it if and only if a queue invokes the function, for this queue", role, action, got)
			}
		}
		key := s.properties(queue)["KmsMasterKeyId"]
		if got := samtemplate.References(allowed["kms:Decrypt"]); !slices.Equal(got, samtemplate.References(key)) {
			problems.add("template.yaml: %s allows kms:Decrypt on %v: allow it if and only if a key encrypts the function's queue, for this key", role, got)
		}
	}
	return problems
}

// CallProblems compares the actions that a role allows in a complete stack with the AWS operations that the binary
// links.
func (b Binary) CallProblems(s *Stack) []string {
	var problems problems
	role := roleOf(b.Function)
	allowed := s.allowed(role, &problems)
	for _, action := range b.Calls {
		if allowed[action] == nil {
			problems.add("template.yaml: %s must allow %s: functions/%s calls it", role, action, b.Function)
		}
	}
	for _, action := range sortedKeys(allowed) {
		if _, itself := platform[action]; !itself && !slices.Contains(b.Calls, action) {
			problems.add("template.yaml: %s allows %s, which functions/%s does not call: remove it", role, action, b.Function)
		}
	}
	return problems
}
