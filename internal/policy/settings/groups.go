package settings

import (
	"newsletter/migrations"
	"newsletter/shared/admission"
	"newsletter/shared/alert"
	"newsletter/shared/anchor"
	"newsletter/shared/apikey"
	"newsletter/shared/burst"
	"newsletter/shared/captcha"
	"newsletter/shared/capture"
	"newsletter/shared/catalog"
	"newsletter/shared/config"
	"newsletter/shared/email"
	"newsletter/shared/field"
	"newsletter/shared/ga4"
	"newsletter/shared/httpapi"
	"newsletter/shared/journal"
	"newsletter/shared/lambdafn"
	"newsletter/shared/ledger"
	"newsletter/shared/loops"
	"newsletter/shared/notify"
	"newsletter/shared/operate"
	"newsletter/shared/outbound"
	"newsletter/shared/outbox"
	"newsletter/shared/postgres"
	"newsletter/shared/privacy"
	"newsletter/shared/pseudonym"
	"newsletter/shared/redistls"
	"newsletter/shared/retention"
	"newsletter/shared/subscription"
	"newsletter/shared/telemetry"
	"newsletter/shared/token"
	"newsletter/shared/unsubscribequeue"
	"newsletter/shared/webhook"
)

// groups are the structs that functions read, grouped by purpose. A test compares the list with the code.
var groups = []struct {
	title   string
	structs []any
}{
	{"Site", []any{catalog.Owner{}, httpapi.LinkConfig{}, httpapi.Config{}}},
	{"Email", []any{email.Config{}, email.RateConfig{}, email.BreakerConfig{}, outbox.WorkerConfig{}}},
	{"Sign-up", []any{subscription.SignUpConfig{}, subscription.ReminderConfig{}, ledger.SourceConfig{}, admission.SignUpConfig{}, field.Config{}, captcha.Config{}, burst.Config{}}},
	{"Limits", []any{admission.SubscribeLimits{}, admission.UnsubscribeLimits{}, admission.PrivacyLimits{}, subscription.SlotConfig{}}},
	{"Database", []any{postgres.Config{}, postgres.ReplicaConfig{}, postgres.KeeperConfig{}, migrations.Config{}}},
	{"Redis", []any{redistls.Config{}}},
	{"Keys", []any{pseudonym.Config{}, token.ConfirmKeys{}, token.UnsubscribeKeys{}, token.PrivacyKeys{}, apikey.Config{}, outbox.VaultConfig{}, config.Source{}}},
	{"Destinations", []any{
		loops.Config{}, loops.SenderConfig{}, loops.EventConfig{}, ga4.Config{}, notify.ChatConfig{}, webhook.Config{}, journal.Config{}, anchor.Config{}, unsubscribequeue.Config{},
	}},
	{"Alerts", []any{alert.Config{}, notify.TopicConfig{}}},
	{"Privacy and retention", []any{privacy.Config{}, retention.Config{}}},
	{"Errors, logs and metrics", []any{
		capture.Config{}, capture.ScheduleConfig{}, lambdafn.WebhookConfig{}, lambdafn.LogConfig{}, telemetry.Config{},
	}},
	{"Local stack and tests", []any{outbound.Config{}}},
	// Their variables have their texts above.
	{"Commands", []any{operate.Config{}}},
}
