package notify

import (
	"context"
	"errors"
	"time"

	"newsletter/shared/alert"
	"newsletter/shared/outbound"
	"newsletter/shared/outbox"
	"newsletter/shared/webhook"
)

// Config configures the owner's destinations.
type Config struct {
	Chats    ChatConfig
	Topic    TopicConfig
	Webhooks webhook.Config
}

// Notification is one event for the owner: a message for people and an event for the owner's services.
type Notification struct {
	ID      string // the same at every attempt
	Message Message
	Event   webhook.Event
}

// A Notifier notifies the owner through one destination. It is safe for concurrent use. The error is a *outbox.Failure.
type Notifier func(ctx context.Context, n Notification) error

// New returns the notifiers of a Config by their names in the outbox. It does no I/O.
func New(cfg Config, guard outbound.Config, now func() time.Time) (map[string]Notifier, error) {
	client := outbound.New(guard, nil)
	all := map[string]Notifier{}
	channels, chatErr := newChannels(cfg.Chats, guard, client)
	for name, c := range channels {
		all[name] = func(ctx context.Context, n Notification) error { return c.post(ctx, n.Message) }
	}
	endpoints, webhookErr := webhook.Endpoints(cfg.Webhooks, guard, client, now)
	for name, e := range endpoints {
		all[name] = func(ctx context.Context, n Notification) error { return e.Send(ctx, n.ID, n.Event) }
	}
	if cfg.Topic.Enabled() {
		t := newTopic(cfg.Topic)
		all[outbox.SNS] = func(ctx context.Context, n Notification) error { return t.post(ctx, n.Message) }
	}
	return all, errors.Join(chatErr, webhookErr)
}

// OfAlert returns the notification of an alert's stage.
func OfAlert(id string, a alert.Alert, stage alert.Stage) Notification {
	m := Message{Level: Warning, Title: a.Title(stage), Lines: a.Lines(stage)}
	switch {
	case stage == alert.Resolved:
		m.Level = Good
	case a.Severity == alert.Critical:
		m.Level = Alarm
	}
	return Notification{ID: id, Message: m, Event: webhook.Event{
		Type: "alert." + string(stage), At: a.At(stage), EventID: a.ID.String(),
		Data: map[string]string{
			"rule": string(a.Rule), "subject": a.Subject, "severity": string(a.Severity), "summary": a.Summary,
		},
	}}
}
