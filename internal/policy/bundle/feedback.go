package bundle

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"newsletter/internal/local/samtemplate"
)

// feedback lists the event types that are needed to record bounces and complaints, and to notice their absence
// (CloudFormation, AWS::SES::ConfigurationSetEventDestination, MatchingEventTypes). Opens and clicks would need a
// tracking pixel and rewritten links.
var feedback = []any{"delivery", "bounce", "complaint", "reject", "deliveryDelay"}

// checkFeedback checks that the fate of each email reaches engagement: deliver sends with the stack's configuration set,
// whose events go through a topic into the queue that invokes engagement. Both are encrypted with the same key, because
// the events contain addresses.
func (s *Stack) checkFeedback() []string {
	var problems problems
	set, topic := "", ""
	for _, id := range s.ids("AWS::SES::ConfigurationSetEventDestination") {
		properties := s.properties(id)
		destination := mapping(properties["EventDestination"])
		if destination["Enabled"] == true && reflect.DeepEqual(destination["MatchingEventTypes"], feedback) &&
			s.target(properties["ConfigurationSetName"]) == "AWS::SES::ConfigurationSet" {
			set, topic = text(properties["ConfigurationSetName"]), text(mapping(destination["SnsDestination"])["TopicARN"])
		}
	}
	if set == "" {
		problems.add("template.yaml: no event destination of the stack's configuration set publishes %v", feedback)
		return problems
	}
	if got := s.variables("DeliverFunction")["MAIL_CONFIGURATION_SET"]; got != set {
		problems.add("template.yaml: deliver must send with MAIL_CONFIGURATION_SET: %s, not %v", set, got)
	}
	mayUse := func(resource string) bool { return strings.HasSuffix(resource, ":configuration-set/"+set) }
	if !slices.ContainsFunc(s.allowed("DeliverRole", &problems)["ses:SendEmail"], mayUse) {
		problems.add("template.yaml: DeliverRole must allow ses:SendEmail with the configuration set %s", set)
	}
	i := slices.IndexFunc(s.ids("AWS::SNS::Subscription"), func(id string) bool {
		p := s.properties(id)
		return p["TopicArn"] == topic && p["Protocol"] == "sqs" && p["RawMessageDelivery"] == nil
	})
	if i < 0 {
		problems.add("template.yaml: a queue must subscribe to the topic %s, with SNS's envelope", topic)
		return problems
	}
	endpoint := text(s.properties(s.ids("AWS::SNS::Subscription")[i])["Endpoint"])
	queue := strings.TrimSuffix(strings.TrimPrefix(endpoint, "<"), ".Arn>")
	if s.queueOf("EngagementFunction") != queue {
		problems.add("template.yaml: the queue %s, which subscribes to the topic %s, must invoke EngagementFunction", queue, topic)
	}
	if got := s.senders(queue); got != "sns.amazonaws.com sqs:SendMessage map[ArnEquals:map[aws:SourceArn:"+topic+"]]" {
		problems.add("template.yaml: only the topic %s may send to %s, not %q: the function trusts its messages", topic, queue, got)
	}
	key := s.properties(samtemplate.References(topic)[0])["KmsMasterKeyId"]
	for _, id := range append([]string{queue}, s.deadLettersOf(queue)...) {
		if s.target(key) != "AWS::KMS::Key" || s.properties(id)["KmsMasterKeyId"] != key {
			problems.add("template.yaml: the topic %s and %s must be encrypted with the same key of the stack: they contain addresses", topic, id)
		}
	}
	if s.target(key) == "AWS::KMS::Key" {
		s.checkKey(samtemplate.References(key)[0], &problems)
	}
	return problems
}

// senders describes who may send to a queue: principal, actions and condition of each statement.
func (s *Stack) senders(queue string) string {
	var all []string
	for _, id := range s.ids("AWS::SQS::QueuePolicy") {
		for _, statement := range list(mapping(s.properties(id)["PolicyDocument"])["Statement"]) {
			if m := mapping(statement); slices.Contains(samtemplate.References(s.properties(id)["Queues"]), queue) && m["Effect"] == "Allow" {
				all = append(all, fmt.Sprint(mapping(m["Principal"])["Service"], " ", m["Action"], " ", m["Condition"]))
			}
		}
	}
	return strings.Join(all, "; ")
}

// checkKey checks that only these may use a key, and only to publish and take messages: SES and SNS for resources of
// this stack, and principals of the account through SQS. The account manages the key and rotates it.
func (s *Stack) checkKey(key string, problems *problems) {
	if s.properties(key)["EnableKeyRotation"] != true {
		problems.add("template.yaml: %s must be rotated", key)
	}
	services := map[string]bool{}
	for _, statement := range list(mapping(s.properties(key)["KeyPolicy"])["Statement"]) {
		m := mapping(statement)
		principal, actions, condition := mapping(m["Principal"]), texts(m["Action"]), fmt.Sprint(m["Condition"])
		uses := slices.ContainsFunc(actions, func(action string) bool {
			return action == "kms:*" || strings.HasPrefix(action, "kms:GenerateDataKey") || slices.Contains([]string{"kms:Decrypt", "kms:Encrypt", "kms:ReEncrypt*", "kms:CreateGrant"}, action)
		})
		service := text(principal["Service"])
		switch {
		case !uses && service == "" && principal["AWS"] != "*" && principal["AWS"] != nil:
		case uses && service == "" && strings.HasSuffix(text(principal["AWS"]), ":root") && strings.HasPrefix(condition, "map[StringEquals:map[kms:ViaService:sqs."):
		case service == "ses.amazonaws.com" && strings.Contains(condition, "aws:SourceAccount:<AWS::AccountId>") && strings.Contains(condition, "aws:SourceArn:[") &&
			strings.Contains(condition, ":configuration-set/<"),
			service == "sns.amazonaws.com" && strings.Contains(condition, "aws:SourceArn:arn:") && strings.Contains(condition, ":<AWS::StackName>-EmailEvents-*"):
			services[service] = reflect.DeepEqual(actions, []string{"kms:GenerateDataKey*", "kms:Decrypt"})
		default:
			problems.add("template.yaml: the policy of %s lets %v %v on the condition %s", key, principal, actions, condition)
		}
	}
	for _, service := range []string{"ses.amazonaws.com", "sns.amazonaws.com"} {
		if !services[service] {
			problems.add("template.yaml: the policy of %s must allow %s kms:GenerateDataKey* and kms:Decrypt, or it cannot publish", key, service)
		}
	}
}
