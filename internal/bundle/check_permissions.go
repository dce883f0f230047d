package bundle

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"newsletter/internal/samtemplate"
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
	"ec2:CreateNetworkInterface":     true,
	"ec2:DescribeNetworkInterfaces":  true,
	"ec2:DescribeSubnets":            true,
	"ec2:DeleteNetworkInterface":     true,
	"ec2:AssignPrivateIpAddresses":   true,
	"ec2:UnassignPrivateIpAddresses": true,
}

// checkPermissions checks that each role allows the calls of its function and those of Lambda itself, and nothing else.
func (b *Bundle) checkPermissions() []string {
	var problems problems
	for _, name := range sortedKeys(b.Functions) {
		f := b.Template.Functions[name]
		if f == nil {
			continue
		}
		role := strings.TrimSuffix(f.ID, "Function") + "Role"
		allowed := map[string]bool{}
		for _, p := range f.Permissions {
			if p.Effect != "Allow" {
				continue
			}
			allowed[p.Action] = true
			b.checkPermission(name, role, p, &problems)
		}
		for _, action := range []string{"logs:CreateLogStream", "logs:PutLogEvents", "xray:PutTraceSegments", "xray:PutTelemetryRecords"} {
			if !allowed[action] {
				problems.add("template.yaml: %s must allow %s, which Lambda itself needs", role, action)
			}
		}
		for _, action := range []string{"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"} {
			if allowed[action] != (len(f.Queues) > 0) {
				problems.add("template.yaml: %s and %s: allow it if and only if a queue invokes the function", role, action)
			}
		}
		for _, call := range b.Functions[name].Calls {
			needed := call.Action != "secretsmanager:GetSecretValue" || len(f.Secrets) > 0
			if needed && !allowed[call.Action] {
				problems.add("template.yaml: %s must allow %s: %s calls it", role, call.Action, call.At)
			}
		}
		b.checkSecrets(name, f, role, &problems)
	}
	return problems
}

// folderOf matches the resource of all objects in one folder of one of the template's buckets.
var folderOf = regexp.MustCompile(`^map\[Fn::Sub:\$\{[A-Za-z0-9]+\.Arn\}(/[a-z0-9]+)+/\*\]$`)

func (b *Bundle) checkPermission(function, role string, p samtemplate.Permission, problems *problems) {
	anyResource, isPlatform := platform[p.Action]
	if strings.Contains(p.Action, "*") {
		problems.add("template.yaml: %s allows %s: name each action", role, p.Action)
		return
	}
	for _, resource := range p.Resources {
		// The names of objects are not known in advance, so their folder is allowed.
		objects := strings.HasPrefix(p.Action, "s3:") && folderOf.MatchString(fmt.Sprint(resource))
		if strings.Contains(fmt.Sprint(resource), "*") && !anyResource && !objects {
			problems.add("template.yaml: %s allows %s on %v: name the one resource", role, p.Action, resource)
		}
	}
	called := slices.ContainsFunc(b.Functions[function].Calls, func(c Call) bool { return c.Action == p.Action })
	if !isPlatform && !called {
		problems.add("template.yaml: %s allows %s, which functions/%s does not call: remove it", role, p.Action, function)
	}
}

// checkSecrets checks that a role may read exactly the secrets of its function.
func (b *Bundle) checkSecrets(function string, f *samtemplate.Function, role string, problems *problems) {
	var readable []string
	for _, p := range f.Permissions {
		if p.Effect == "Allow" && p.Action == "secretsmanager:GetSecretValue" {
			readable = append(readable, samtemplate.References(p.Resources)...)
		}
	}
	for _, secret := range f.Secrets {
		if !slices.Contains(readable, secret) {
			problems.add("template.yaml: functions/%s has the secret %s, but %s may not read it: add it to secretsmanager:GetSecretValue", function, secret, role)
		}
	}
	for _, secret := range readable {
		if !slices.Contains(f.Secrets, secret) {
			problems.add("template.yaml: %s may read %s, which functions/%s does not have: remove it", role, secret, function)
		}
	}
}
