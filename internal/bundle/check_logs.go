package bundle

import (
	"encoding/json"
	"slices"
	"strings"

	"newsletter/internal/samtemplate"
)

// mayBeLogged lists the gateway's variables that contain no visitor data. All others are rejected, including those that
// AWS adds later. Path and query string contain tokens, sourceIp and userAgent are personal data, and docs/privacy.md
// promises that logs contain neither. Source: API Gateway developer guide, "Customize HTTP API access logs".
var mayBeLogged = []string{
	"$context.requestId", "$context.requestTimeEpoch", "$context.routeKey", "$context.status", "$context.responseLatency",
	"$context.integrationLatency", "$context.integrationErrorMessage", "$context.responseLength",
}

// checkLogs checks that every log has the owner's retention period and contains no tokens or addresses.
func (b *Bundle) checkLogs() []string {
	var problems problems
	for _, id := range sortedKeys(b.Template.Resources) {
		resource := mapping(b.Template.Resources[id])
		properties := mapping(resource["Properties"])
		switch resource["Type"] {
		case "AWS::Serverless::HttpApi":
			b.checkAccessLog(id, mapping(properties["AccessLogSettings"]), &problems)
		case "AWS::Logs::LogGroup":
			if value(properties["RetentionInDays"]) != "LogRetentionDays" {
				problems.add("template.yaml: %s needs RetentionInDays: !Ref LogRetentionDays, or it is kept forever", id)
			}
		}
	}
	for _, name := range sortedKeys(b.Template.Functions) {
		b.checkFunctionLog(b.Template.Functions[name], &problems)
	}
	return problems
}

func (b *Bundle) checkAccessLog(api string, settings map[string]any, problems *problems) {
	group := strings.TrimSuffix(value(settings["DestinationArn"]), ".Arn")
	if !b.isLogGroup(group) {
		problems.add("template.yaml: %s has no access log: set AccessLogSettings to a log group of this template", api)
	}
	members := map[string]string{}
	if err := json.Unmarshal([]byte(value(settings["Format"])), &members); err != nil {
		problems.add("template.yaml: the access log format of %s is not a JSON object of strings: %v", api, err)
	}
	for _, member := range sortedKeys(members) {
		if !slices.Contains(mayBeLogged, members[member]) {
			problems.add("template.yaml: remove %s from the access log format of %s: tokens and addresses are not logged", members[member], api)
		}
	}
}

func (b *Bundle) checkFunctionLog(f *samtemplate.Function, problems *problems) {
	logging, group := mapping(f.Properties["LoggingConfig"]), strings.TrimSuffix(f.ID, "Function")+"Logs"
	if logging["LogFormat"] != "JSON" || mapping(logging["LogGroup"])["Ref"] != group || !b.isLogGroup(group) {
		problems.add("template.yaml: %s must log JSON into %s, a log group of this template: set LoggingConfig.LogFormat and LogGroup", f.ID, group)
	}
	if logging["ApplicationLogLevel"] != "DEBUG" {
		problems.add("template.yaml: %s needs LoggingConfig.ApplicationLogLevel: DEBUG: the function itself applies LOG_LEVEL, and Lambda "+
			"would drop the metrics as well", f.ID)
	}
}

func (b *Bundle) isLogGroup(id string) bool {
	return mapping(b.Template.Resources[id])["Type"] == "AWS::Logs::LogGroup"
}
