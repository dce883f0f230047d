package bundle

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"newsletter/internal/samtemplate"
)

// feedback are the types of events without which a bounce, a complaint, or their absence goes unheard (CloudFormation,
// AWS::SES::ConfigurationSetEventDestination, MatchingEventTypes). Opens and clicks would take a tracking pixel and other links.
var feedback = []any{"delivery", "bounce", "complaint", "reject", "deliveryDelay"}

// checkFeedback wants SES to tell engagement what becomes of each email that deliver sends, in every stack: by no parameter
// and under no condition.
func (b *Bundle) checkFeedback() []string {
	var problems problems
	set, topic := b.eventDestination()
	if set == "" || mapping(b.Template.Resources[set])["Type"] != "AWS::SES::ConfigurationSet" || mapping(b.Template.Resources[set])["Condition"] != nil {
		problems.add("template.yaml: no event destination of a configuration set of the stack's own publishes %v to a topic, without a condition", feedback)
		return problems
	}
	deliver, engagement := b.Template.Functions["deliver"], b.Template.Functions["engagement"]
	if deliver == nil || engagement == nil {
		return problems // checkFunctions says so
	}
	if reference := mapping(deliver.Variables["MAIL_CONFIGURATION_SET"])["Ref"]; reference != set {
		problems.add("template.yaml: deliver must send with MAIL_CONFIGURATION_SET: !Ref %s", set)
	}
	allowed := func(p samtemplate.Permission) bool {
		return p.Action == "ses:SendEmail" && strings.Contains(fmt.Sprint(p.Resources), ":configuration-set/${"+set+"}")
	}
	if !slices.ContainsFunc(deliver.Permissions, allowed) {
		problems.add("template.yaml: DeliverRole must allow ses:SendEmail with the configuration set %s", set)
	}
	hears := false
	for _, event := range mapping(engagement.Properties["Events"]) {
		hears = hears || mapping(event)["Type"] == "SNS" && mapping(mapping(mapping(event)["Properties"])["Topic"])["Ref"] == topic
	}
	if !hears {
		problems.add("template.yaml: EngagementFunction must have an event of the type SNS with Topic: !Ref %s", topic)
	}
	return problems
}

// eventDestination gives the configuration set and the topic of a destination that always publishes all feedback.
func (b *Bundle) eventDestination() (set, topic string) {
	for _, id := range sortedKeys(b.Template.Resources) {
		resource := mapping(b.Template.Resources[id])
		properties := mapping(resource["Properties"])
		destination := mapping(properties["EventDestination"])
		types, _ := destination["MatchingEventTypes"].([]any)
		missing := slices.ContainsFunc(feedback, func(want any) bool {
			return !slices.ContainsFunc(types, func(got any) bool { return reflect.DeepEqual(got, want) })
		})
		if resource["Type"] == "AWS::SES::ConfigurationSetEventDestination" && resource["Condition"] == nil && destination["Enabled"] == true && !missing {
			set, _ = mapping(properties["ConfigurationSetName"])["Ref"].(string)
			topic, _ = mapping(mapping(destination["SnsDestination"])["TopicARN"])["Ref"].(string)
		}
	}
	return set, topic
}
