package main

// row is what one function has that the others have not. Its role, log group and variables follow from what it reads
// (internal/settings/record) and from the tables secrets and variables. The bounds are those of Lambda's API reference
// (CreateFunction, PutFunctionEventInvokeConfig, CreateEventSourceMapping).
type row struct {
	Name        string // of the directory below functions/
	Comment     string // after its name, above its resources
	Description string
	Timeout     string // seconds, 900 at most, with a comment for the template if it needs one; "" for that of Globals
	Reserved    bool   // reserves the parameter ReservedConcurrency
	Throttled   string // what its alarm says when AWS refuses to run it
	Routes      []route
	Schedule    *schedule
	Retries     int      // of an asynchronous invocation that failed, 2 at most
	EventAge    int      // seconds that an asynchronous invocation may wait, 60 to 21,600; 0 if it has none
	Events      string   // of other types, as they stand in template.yaml
	Migrates    bool     // must have run before any other function changes
	Instead     variable // given in place of the variable of the same name
}

type route struct{ Event, Path string }

// schedule is when EventBridge Scheduler starts a function: a rate, or a parameter that holds one.
type schedule struct{ Event, Rate, Description string }

// rows are the functions, in the order of the template.
var rows = []row{
	{
		Name: "migrate", Comment: "never a route; run by the deployment itself, or by hand.",
		Description: "Brings the database schema to this version.",
		Timeout:     "900", // the longest that Lambda allows
		Throttled:   "A deployment's migration was refused for want of concurrency, and AWS tries it again.",
		Migrates:    true,
		Instead:     databaseIAM("IamMigrate", "${MigrateIamResource}/${MigrateDatabaseUser}"), // the database itself, as another role
	},
	{
		Name: "subscribe", Description: "Admits or refuses a sign-up; always the same answer.", Reserved: true,
		Throttled: "Sign-ups were refused for want of concurrency.",
		Routes:    []route{{"Subscribe", "/api/newsletter/subscribe"}},
	},
	{
		Name: "confirm", Description: "Shows one button, which activates the subscription.", Reserved: true,
		Throttled: "Confirmations were refused for want of concurrency.",
		Routes:    []route{{"Confirm", "/api/newsletter/confirm"}},
	},
	{
		Name: "unsubscribe", Description: "Ends a subscription, by link, by one click, or by a mailed link.", Reserved: true,
		Throttled: "Unsubscriptions were refused for want of concurrency.",
		Routes:    []route{{"Unsubscribe", "/api/newsletter/unsubscribe"}},
		// Two at once, the fewest that Lambda allows, because the database has just come back when the queue empties.
		Events: `
        Queue:
          Type: SQS
          Properties:
            Queue: !GetAtt UnsubscribeQueue.Arn
            BatchSize: 10
            FunctionResponseTypes: [ReportBatchItemFailures]
            ScalingConfig: {MaximumConcurrency: 2}`,
	},
	{
		Name: "privacy", Description: "Gives people a copy of their data, or deletes them.", Reserved: true,
		Throttled: "Requests for a person's own data were refused for want of concurrency.",
		Routes:    []route{{"Privacy", "/api/newsletter/privacy"}},
	},
	{
		Name: "health", Description: "Says whether the service works.", Reserved: true,
		Timeout:   "25 # a lost database is asked twice, and told to every channel",
		Throttled: "The look at the system's health was refused for want of concurrency.",
		Routes:    []route{{"Ready", "/api/health"}, {"Live", "/api/health/live"}},
		Schedule:  &schedule{"Watch", "!Ref HealthRate", "Looks at everything that the newsletter needs."},
		EventAge:  60, // of the fastest rate
	},
	{
		Name: "deliver", Comment: "no route, so that nothing can be made to send from outside.",
		Description: "Sends what the outbox holds.",
		Timeout:     "90", // the sum of its deadlines, which a policy test adds up
		Throttled:   "A run of deliver was refused for want of concurrency; what waits leaves later.",
		Schedule:    &schedule{"Drain", "rate(1 minute)", "Sends what the outbox holds."},
		EventAge:    60, // until the next run
	},
	{
		Name: "engagement", Comment: "hears from SES, through SNS, what became of emails.",
		Description: "Records what became of mails, and ends those to mailboxes that are gone and people who complain.", Reserved: true,
		Throttled: "News of bounces and complaints were put off for want of concurrency.",
		Retries:   2, EventAge: 21600, // SNS sends an event once: as often and as long as Lambda allows
		Events: `
        Feedback:
          Type: SNS
          Properties: {Topic: !Ref EmailEvents}`,
	},
	{
		Name: "maintain", Comment: "no route.",
		Description: "Deletes what is too old and seals the ledger.",
		Timeout:     "900", // the longest that Lambda allows
		Throttled:   "The daily run of maintain was refused for want of concurrency.",
		Schedule:    &schedule{"Daily", "rate(1 day)", "Deletes what is too old and seals the ledger."},
		EventAge:    3600, // far less than the day until the next run
	},
}

// secret is a secret of Secrets Manager. A function gets those that hold a variable that it reads.
type secret struct {
	ID        string
	Variables []string
	Key       string // the description of one that the stack makes; "" for one that a parameter names
	Condition string // holds if there is one; "" for always
	Only      string // the function that gets it, and no other secret
}

var secrets = []secret{
	{ID: "PepperSecret", Variables: []string{"PEPPER"}, Key: "the key of all pseudonyms. Losing it makes suppressions and erasures unreadable."},
	{ID: "ConfirmKeysSecret", Variables: []string{"TOKEN_KEYS_CONFIRM"}, Key: "the keys of confirmation links."},
	{ID: "UnsubscribeKeysSecret", Variables: []string{"TOKEN_KEYS_UNSUBSCRIBE"}, Key: "the keys of unsubscribe links, which never expire."},
	{ID: "PrivacyKeysSecret", Variables: []string{"TOKEN_KEYS_PRIVACY"}, Key: "the keys of links to a person's data."},
	{ID: "OutboxKeysSecret", Variables: []string{"OUTBOX_KEYS"}, Key: "the keys that seal what waits to be told of an erased person."},
	{ID: "ConnectionsSecretArn", Condition: "HasConnectionsSecret", Variables: []string{
		"DATABASE_URL", "DATABASE_READ_URL", "REDIS_URL", "SENTRY_DSN", "ERROR_WEBHOOK_URL", "ERROR_WEBHOOK_SECRETS", "CAPTCHA_SECRET", "CLOUDFRONT_SECRET",
	}},
	{ID: "IntegrationsSecretArn", Condition: "HasIntegrations", Variables: []string{
		"LOOPS_API_KEY", "GA4_API_SECRET", "SLACK_WEBHOOK_URL", "DISCORD_WEBHOOK_URL", "WEBHOOK_SECRETS", "UPSTASH_VECTOR_REST_TOKEN",
	}},
	{ID: "MigrateSecretArn", Only: "migrate", Variables: []string{
		"MIGRATE_DATABASE_URL", "APP_DATABASE_PASSWORD", "SENTRY_DSN", "ERROR_WEBHOOK_URL", "ERROR_WEBHOOK_SECRETS",
	}},
}

// variable is what a function that reads it is given, and what it may then do.
type variable struct {
	Name      string
	Value     string // "" if it follows from the function, or is none for functions that are deployed
	Global    bool   // every function reads it
	Statement *statement
}

// statement allows an action on resources, where its condition holds.
type statement struct {
	Condition, Action string
	Resources         []string
}

// variables are what the template gives, in the order of the template. SECRETS_ARN and SCHEDULE follow from the function.
var variables = []variable{
	{Name: "ENVIRONMENT", Value: "!Ref Environment", Global: true},
	{Name: "RELEASE", Value: "!Ref Release", Global: true},
	{Name: "METRICS_NAMESPACE", Value: `!Sub "Newsletter/${AWS::StackName}"`, Global: true},
	{Name: "SCHEDULE"},
	{Name: "SECRETS_ARN"},
	{Name: "DATABASE_URL", Value: "!Ref DatabaseUrl"},
	databaseIAM("IamDatabase", "${DatabaseIamResource}/${AppDatabaseUser}"),
	{Name: "REDIS_URL", Value: "!Ref RedisUrl"},
	{Name: "APP_DATABASE_USER", Value: "!Ref AppDatabaseUser"},
	{Name: "UNSUBSCRIBE_QUEUE_URL", Value: "!Ref UnsubscribeQueue", Statement: &statement{
		Action: "[sqs:SendMessage, sqs:ReceiveMessage, sqs:DeleteMessage, sqs:GetQueueAttributes]", Resources: []string{"!GetAtt UnsubscribeQueue.Arn"},
	}},
	{Name: "MAIL_CONFIGURATION_SET", Value: "!Ref EmailConfigurationSet", Statement: &statement{Action: "ses:SendEmail", Resources: []string{
		"!Sub arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:identity/${EmailIdentity}",
		"!Sub arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:configuration-set/${EmailConfigurationSet}",
	}}},
	{Name: "JOURNAL_URL", Value: "!Sub s3://${JournalBucket}", Statement: &statement{
		Action: "s3:PutObject", Resources: []string{"!Sub ${JournalBucket.Arn}/journal/v1/*"},
	}},
	{Name: "ALERTS_TOPIC_ARN", Value: "!Ref AlarmTopic", Statement: &statement{Action: "sns:Publish", Resources: []string{"!Ref AlarmTopic"}}},
	// A function that is deployed has no file to name.
	{Name: "DATABASE_CA_FILE"},
	{Name: "REDIS_CA_FILE"},
}

// databaseIAM is DATABASE_IAM_AUTH where a condition says that a user of a database ("resource id/role") signs in with IAM.
func databaseIAM(condition, user string) variable {
	return variable{Name: "DATABASE_IAM_AUTH", Value: "!If [" + condition + `, "true", "false"]`, Statement: &statement{
		condition, "rds-db:connect", []string{"!Sub arn:${AWS::Partition}:rds-db:${AWS::Region}:${AWS::AccountId}:dbuser:" + user},
	}}
}
