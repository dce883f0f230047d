package bundle

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"newsletter/internal/samtemplate"
)

// feedback lists the event types that are needed to record bounces and complaints, and to notice their absence
// (CloudFormation, AWS::SES::ConfigurationSetEventDestination, MatchingEventTypes). Opens and clicks would need a
// tracking pixel and rewritten links.
var feedback = []any{"delivery", "bounce", "complaint", "reject", "deliveryDelay"}

// checkFeedback checks that SES publishes the fate of each email to engagement in every stack, independent of
// parameters and conditions.
func (b *Bundle) checkFeedback() []string {
	var problems problems
	set, topic := b.eventDestination()
	if set == "" || mapping(b.Template.Resources[set])["Type"] != "AWS::SES::ConfigurationSet" || mapping(b.Template.Resources[set])["Condition"] != nil {
		problems.add("template.yaml: no event destination of the stack's configuration set unconditionally publishes %v to a topic", feedback)
		return problems
	}
	deliver, engagement := b.Template.Functions["deliver"], b.Template.Functions["engagement"]
	if deliver == nil || engagement == nil {
		return problems // reported by checkFunctions
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
	subscribed := false
	for _, event := range mapping(engagement.Properties["Events"]) {
		subscribed = subscribed || mapping(event)["Type"] == "SNS" && mapping(mapping(mapping(event)["Properties"])["Topic"])["Ref"] == topic
	}
	if !subscribed {
		problems.add("template.yaml: EngagementFunction must have an event of the type SNS with Topic: !Ref %s", topic)
	}
	return problems
}

// eventDestination returns the configuration set and the topic of a destination that always publishes all feedback.
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
