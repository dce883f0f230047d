package bundle

import "testing"

// TestSecretsOfOthersAreReported adds secrets to roles, and variables to secrets, that their functions do not use, and
// removes what they use.
func TestSecretsOfOthersAreReported(t *testing.T) {
	t.Parallel()
	const pepper = "                  - !Ref PepperSecret\n"
	checkChanges(t, map[string]change{
		"role wider than the function": {pepper, pepper + "                  - !Ref OutboxKeysSecret\n", "SubscribeRole may read OutboxKeysSecret, which functions/subscribe does not have"},
		"role narrower":                {"                  - !Ref UnsubscribeKeysSecret\n", "                  - !Ref ConfirmKeysSecret\n", "UnsubscribeRole may not read it"},
		"secret of another function": {"                  - !If [HasNotificationsSecret, !Ref NotificationsSecretArn",
			"                  - !If [HasIntegrationsSecret, !Ref IntegrationsSecretArn", "NotificationsSecretArn, but"},
		"variable for one function": {"    ConnectionsSecretArn: [", "    ConnectionsSecretArn: [CAPTCHA_SECRET, ", "ConfirmRole may read CAPTCHA_SECRET in ConnectionsSecretArn, which functions/confirm does not use"},
		"another key":               {"    CaptchaSecretArn: [", "    CaptchaSecretArn: [LOOPS_API_KEY, ", "SubscribeRole may read LOOPS_API_KEY in CaptchaSecretArn"},
		"owner's password":          {"    ConnectionsSecretArn: [", "    ConnectionsSecretArn: [MIGRATE_DATABASE_URL, ", "HealthRole may read MIGRATE_DATABASE_URL"},
		"secret dropped":            {"\n              - !Ref UnsubscribeKeysSecret\n", "\n", "UnsubscribeRole may read UnsubscribeKeysSecret, which functions/unsubscribe does not have"},
		"variable dropped":          {"WEBHOOK_SECRETS]\n    Integrations", "SLACK_WEBHOOK_URL]\n    Integrations", "functions/health reads the secret WEBHOOK_SECRETS"},
		"secret unknown":            {"    MigrateSecretArn: [", "    Another: [", "the variables in MigrateSecretArn are unknown"},
	})
}
