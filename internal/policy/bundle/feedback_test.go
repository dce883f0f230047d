package bundle

import "testing"

func TestMissingFeedbackIsReported(t *testing.T) {
	t.Parallel()
	const destination = "    Type: AWS::SES::ConfigurationSetEventDestination\n"
	checkChanges(t, map[string]change{
		"conditional":         {destination, destination + "    Condition: Reserved\n", "no event destination"},
		"disabled":            {"        Enabled: true\n        MatchingEventTypes", "        Enabled: false\n        MatchingEventTypes", "no event destination"},
		"no complaints":       {"[delivery, bounce, complaint, reject, deliveryDelay]", "[delivery, bounce, reject, deliveryDelay]", "no event destination"},
		"external set":        {"    Type: AWS::SES::ConfigurationSet\n", "    Type: " + gone + "\n", "no event destination"},
		"conditional set":     {"    Type: AWS::SES::ConfigurationSet\n", "    Type: AWS::SES::ConfigurationSet\n    Condition: Reserved\n", "no event destination"},
		"not used by deliver": {"MAIL_CONFIGURATION_SET: !Ref EmailConfigurationSet", "MAIL_CONFIGURATION_SET: \"\"", "MAIL_CONFIGURATION_SET: <EmailConfigurationSet>"},
		"not allowed":         {":configuration-set/${EmailConfigurationSet}\n              - Effect", ":configuration-set/other\n              - Effect", "ses:SendEmail with the configuration set"},
		"not subscribed":      {"TopicArn: !Ref EmailEvents, Protocol: sqs", "TopicArn: !Ref AlarmTopic, Protocol: sqs", "must subscribe to the topic <EmailEvents>"},
		"without envelope":    {"Endpoint: !GetAtt EmailEventsQueue.Arn}", "Endpoint: !GetAtt EmailEventsQueue.Arn, RawMessageDelivery: true}", "with SNS's envelope"},
		"another queue":       {"Endpoint: !GetAtt EmailEventsQueue.Arn}", "Endpoint: !GetAtt UnsubscribeQueue.Arn}", "must invoke EngagementFunction"},
		"anyone may send":     {`Condition: {ArnEquals: {"aws:SourceArn": !Ref EmailEvents}}`, "Condition: {}", "only the topic <EmailEvents> may send"},
	})
}

// TestUnprotectedEventsAreReported changes the encryption of the events of emails.
func TestUnprotectedEventsAreReported(t *testing.T) {
	t.Parallel()
	const (
		topic = "Properties: {KmsMasterKeyId: !GetAtt EmailEventsKey.Arn}"
		queue = "      KmsMasterKeyId: !GetAtt EmailEventsKey.Arn\n      Redrive"
		dead  = "      MessageRetentionPeriod: 1209600\n      KmsMasterKeyId: !GetAtt EmailEventsKey.Arn\n  EmailEventsQueuePolicy"
		ses   = "            Principal: {Service: ses.amazonaws.com}\n            Action: [kms:GenerateDataKey*, kms:Decrypt]\n"
		own   = `Condition: {StringEquals: {"kms:ViaService": !Sub "sqs.${AWS::Region}.${AWS::URLSuffix}"}}`
		same  = "must be encrypted with the same key"
	)
	checkChanges(t, map[string]change{
		"topic in clear":           {topic, "Properties: {}", same},
		"key of AWS":               {topic, "Properties: {KmsMasterKeyId: alias/aws/sns}", same},
		"queue in clear":           {queue, "      Redrive", same},
		"dead letters in clear":    {dead, "      MessageRetentionPeriod: 1209600\n  EmailEventsQueuePolicy", "EmailEventsDeadLetters must be encrypted with the same key"},
		"not rotated":              {"EnableKeyRotation: true", "EnableKeyRotation: false", "EmailEventsKey must be rotated"},
		"SES may not publish":      {ses, "            Principal: {Service: ses.amazonaws.com}\n            Action: kms:Decrypt\n", "must allow ses.amazonaws.com"},
		"SNS may not enqueue":      {"            Principal: {Service: sns.amazonaws.com}\n            Action: [kms", "            Principal: {Service: s3.amazonaws.com}\n            Action: [kms", "must allow sns.amazonaws.com"},
		"for any account":          {ses + "            Resource: \"*\"\n            Condition:\n              StringEquals:\n                \"aws:SourceAccount\"", ses + "            Resource: \"*\"\n            Condition:\n              StringEquals:\n                \"aws:Other\"", "EmailEventsKey lets map[Service:ses.amazonaws.com]"},
		"for any topic":            {"${AWS::StackName}-EmailEvents-*", "*", "EmailEventsKey lets map[Service:sns.amazonaws.com]"},
		"the account reads":        {own, `Condition: {}`, "EmailEventsKey lets map[AWS:"},
		"everybody":                {"            Principal: {Service: ses.amazonaws.com}\n            Action: [kms", "            Principal: \"*\"\n            Action: [kms", "the policy of EmailEventsKey lets"},
		"engagement may not read":  {"                Action: kms:Decrypt\n", "                Action: kms:DescribeKey\n", "EngagementRole allows kms:Decrypt on []"},
		"engagement without queue": {"                Resource: !GetAtt EmailEventsQueue.Arn\n", "                Resource: !GetAtt UnsubscribeQueue.Arn\n", "EngagementRole allows sqs:ReceiveMessage on [UnsubscribeQueue]"},
	})
}

// TestLosingQueuesAreReported changes the queues so that they would lose messages or repeat them too soon.
func TestLosingQueuesAreReported(t *testing.T) {
	t.Parallel()
	const events = "      VisibilityTimeout: 900\n      KmsMasterKeyId"
	checkChanges(t, map[string]change{
		"whole batches":         {"            FunctionResponseTypes: [ReportBatchItemFailures]\n", "", "needs FunctionResponseTypes: [ReportBatchItemFailures]"},
		"four days":             {"      MessageRetentionPeriod: 1209600\n", "", "keeps messages for 0s, not two weeks"},
		"repeated too soon":     {events, "      VisibilityTimeout: 30\n      KmsMasterKeyId", "less than six timeouts of EngagementFunction"},
		"an outage of an hour":  {"maxReceiveCount: 1000}\n  EmailEventsDeadLetters", "maxReceiveCount: 4}\n  EmailEventsDeadLetters", "EmailEventsQueue redelivers messages for 1h0m0s"},
		"deleted without alarm": {events, "      VisibilityTimeout: 1800\n      KmsMasterKeyId", "EmailEventsQueue redelivers messages for 500h0m0s"},
		"no dead letters":       {"      RedrivePolicy: {deadLetterTargetArn: !GetAtt EmailEventsDeadLetters.Arn, maxReceiveCount: 1000}\n", "", "EmailEventsQueue has no dead-letter queue"},
	})
}
