package main

// A row describes one function. Its routes are those that it serves; its role, log group and variables follow from the
// settings that it reads (both in internal/policy/settings/record) and from the tables secrets and variables. The
// bounds are from Lambda's API reference (CreateFunction, PutFunctionEventInvokeConfig, CreateEventSourceMapping).
type row struct {
	Name        string // directory in functions/
	Comment     string // after its name, above its resources
	Description string
	Timeout     string // seconds, at most 900, optionally with a comment; "" for the default in Globals
	Reserved    bool   // reserves the parameter ReservedConcurrency
	Schedule    *schedule
	EventAge    int        // seconds that a scheduled invocation may wait, 60 to 21,600
	Queue       string     // the queue whose messages invoke the function
	Key         string     // the key that encrypts this queue; "" for one of SQS
	Migrates    bool       // must run before any other function changes
	Instead     []variable // each replaces the variable of the same name
}

// A schedule is a rate at which EventBridge Scheduler invokes a function, or a parameter with a rate.
type schedule struct{ Event, Rate, Description string }

// rows lists the functions in the order of the template.
var rows = []row{
	{
		Name: "migrate", Comment: "no route; invoked by the deployment or by the owner.",
		Description: "Migrates the database schema to this version.",
		Timeout:     "900", // Lambda's maximum
		Migrates:    true,
		Instead:     []variable{databaseIAM("IamMigrate", "${MigrateIamUser}")}, // the database itself, as another role
	},
	{
		Name: "subscribe", Description: "Admits or refuses sign-ups.", Reserved: true,
	},
	{
		Name: "confirm", Description: "Shows the confirmation page; its button activates the subscription.", Reserved: true,
	},
	{
		Name: "unsubscribe", Description: "Unsubscribes by link or one click; emails a link on request.", Reserved: true,
		Queue: "UnsubscribeQueue",
	},
	{
		Name: "privacy", Description: "Returns a copy of a subscriber's data, or erases it.", Reserved: true,
	},
	{
		Name: "health", Description: "Checks all dependencies, reports the status and alerts.", Reserved: true,
		Timeout:  "25 # if the database is lost, it is queried twice, and every channel is notified",
		Schedule: &schedule{"Watch", "!Ref HealthRate", "Checks all dependencies."},
		EventAge: 60, // the fastest rate
	},
	{
		Name: "deliver", Comment: "no route, so that no request can trigger a send.",
		Description: "Delivers the messages in the outbox.",
		Timeout:     "90", // above the sum of its deadlines, which a policy test computes
		Schedule:    &schedule{"Drain", "rate(1 minute)", "Delivers the messages in the outbox."},
		EventAge:    60, // until the next run
	},
	{
		Name: "engagement", Comment: "invoked by SES through SNS and a queue; receives the signed events of Loops; serves servers with keys.",
		Description: "Records what SES, Loops and servers report; suppresses subscribers; lets servers look subscribers up.", Reserved: true,
		Queue: "EmailEventsQueue", Key: "EmailEventsKey",
	},
	{
		Name: "maintain", Comment: "no route.",
		Description: "Seals and verifies the ledger; deletes expired data.",
		Timeout:     "900", // Lambda's maximum
		Schedule:    &schedule{"Hourly", "rate(1 hour)", "Seals the ledger; once a day, deletes expired data and verifies the ledger."},
		EventAge:    900, // so that an event is sealed within three hours
		Instead:     []variable{databaseIAM("IamDatabase", "${DatabaseIamResource}/keeper")},
	},
	{
		Name: "operate", Comment: "no route; invoked by the operator's tool.",
		Description: "Runs the operator's commands.",
		Timeout:     "900", // Lambda's maximum; the ledger is verified in one call
		Instead: []variable{
			databaseIAM("IamDatabase", "${DatabaseIamResource}/keeper"),
			// It reads what deliver and maintain write.
			{Name: "JOURNAL_URL", Value: "!Sub s3://${JournalBucket}", Statements: []statement{
				{Action: "s3:GetObject", Resources: []string{"!Sub ${JournalBucket.Arn}/journal/v1/*"}},
				{Action: "s3:ListBucket", Resources: []string{"!GetAtt JournalBucket.Arn"}},
			}},
			{Name: "ANCHOR_URL", Value: "!Sub s3://${AnchorBucket}", Statements: []statement{
				{Action: "s3:ListBucket", Resources: []string{"!GetAtt AnchorBucket.Arn"}},
			}},
		},
	},
}

// A secret is a secret in Secrets Manager. A function gets the secrets with a variable that it reads, and must read all
// variables of these (internal/policy/bundle; docs/adr/0036).
type secret struct {
	ID        string
	Variables []string
	Key       string // description of a secret that the stack creates; "" for one that a parameter names
	Condition string // true if the secret exists; "" for always
	Only      string // the only function that gets it; of the others, it gets those with variables that this one lacks
}

var secrets = []secret{
	{ID: "PepperSecret", Variables: []string{"PEPPER"}, Key: "the key of all pseudonyms. Losing it makes suppressions and erasures unreadable."},
	{ID: "ConfirmKeysSecret", Variables: []string{"TOKEN_KEYS_CONFIRM"}, Key: "the keys of confirmation links."},
	{ID: "UnsubscribeKeysSecret", Variables: []string{"TOKEN_KEYS_UNSUBSCRIBE"}, Key: "the keys of unsubscribe links, which never expire."},
	{ID: "PrivacyKeysSecret", Variables: []string{"TOKEN_KEYS_PRIVACY"}, Key: "the keys of links to a person's data."},
	{ID: "ServerKeysSecret", Variables: []string{"TOKEN_KEYS_SERVER"}, Key: "the keys that sign servers' keys."},
	{ID: "OutboxKeysSecret", Variables: []string{"OUTBOX_KEYS"}, Key: "the keys that encrypt the data of erased subscribers in the outbox."},
	{ID: "KeeperSecret", Variables: []string{"KEEPER_DATABASE_PASSWORD"}, Key: "the password of the database role keeper, which seals the ledger."},
	{ID: "ConnectionsSecretArn", Condition: "HasConnectionsSecret", Variables: []string{
		"DATABASE_URL", "SENTRY_DSN", "ERROR_WEBHOOK_URL", "ERROR_WEBHOOK_SECRETS",
	}},
	{ID: "ApiSecretArn", Condition: "HasApiSecret", Variables: []string{"REDIS_URL", "PROXY_SECRET"}},
	{ID: "CaptchaSecretArn", Condition: "HasCaptchaSecret", Variables: []string{"CAPTCHA_SECRET"}},
	{ID: "NotificationsSecretArn", Condition: "HasNotificationsSecret", Variables: []string{"SLACK_WEBHOOK_URL", "DISCORD_WEBHOOK_URL", "WEBHOOK_SECRETS"}},
	{ID: "IntegrationsSecretArn", Condition: "HasIntegrationsSecret", Variables: []string{"LOOPS_API_KEY", "GA4_API_SECRET", "UPSTASH_VECTOR_REST_TOKEN"}},
	{ID: "LoopsSecretArn", Condition: "HasLoopsSecret", Variables: []string{"LOOPS_SIGNING_SECRET"}},
	{ID: "MigrateSecretArn", Only: "migrate", Variables: []string{
		"MIGRATE_DATABASE_URL", "APP_DATABASE_PASSWORD", "SENTRY_DSN", "ERROR_WEBHOOK_URL", "ERROR_WEBHOOK_SECRETS",
	}},
}

// A variable is set for the functions that read it, together with permissions.
type variable struct {
	Name       string
	Value      string // "" if it depends on the function, or is not set in deployed functions
	Global     bool   // every function reads it
	Statements []statement
}

// A statement allows an action on resources if its condition is true.
type statement struct {
	Condition, Action string
	Resources         []string
}

// variables lists the variables in the order of the template. SECRETS_ARN and SCHEDULE depend on the function.
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
	{Name: "UNSUBSCRIBE_QUEUE_URL", Value: "!Ref UnsubscribeQueue", Statements: []statement{{
		Action: "sqs:SendMessage", Resources: []string{"!GetAtt UnsubscribeQueue.Arn"},
	}}},
	{Name: "MAIL_CONFIGURATION_SET", Value: "!Ref EmailConfigurationSet", Statements: []statement{{Action: "ses:SendEmail", Resources: []string{
		"!Sub arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:identity/${EmailIdentity}",
		"!Sub arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:configuration-set/${EmailConfigurationSet}",
	}}}},
	{Name: "JOURNAL_URL", Value: "!Sub s3://${JournalBucket}", Statements: []statement{{
		Action: "s3:PutObject", Resources: []string{"!Sub ${JournalBucket.Arn}/journal/v1/*"},
	}}},
	{Name: "ANCHOR_URL", Value: "!Sub s3://${AnchorBucket}", Statements: []statement{
		{Action: "s3:PutObject", Resources: []string{"!Sub ${AnchorBucket.Arn}/seals/v1/*"}},
		{Action: "s3:ListBucket", Resources: []string{"!GetAtt AnchorBucket.Arn"}},
	}},
	{Name: "ALERTS_TOPIC_ARN", Value: "!Ref AlarmTopic", Statements: []statement{{Action: "sns:Publish", Resources: []string{"!Ref AlarmTopic"}}}},
	{Name: "TLS_CA_FILE"}, // deployed functions have no such file
}

// databaseIAM returns the variable DATABASE_IAM_AUTH. If the condition is true, the user of a database ("resource
// id/role") authenticates with IAM.
func databaseIAM(condition, user string) variable {
	return variable{Name: "DATABASE_IAM_AUTH", Value: "!If [" + condition + `, "true", "false"]`, Statements: []statement{{
		condition, "rds-db:connect", []string{"!Sub arn:${AWS::Partition}:rds-db:${AWS::Region}:${AWS::AccountId}:dbuser:" + user},
	}}}
}
