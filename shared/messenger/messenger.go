// Package messenger tells the owner of an alert by every channel that is set up: chats, a topic, services of their own. It
// serves deliver, which has the outbox's retries, and health, which has to do without when the database is lost.
//
// Failure policy: a message is tried once; its error is a *outbox.Failure.
package messenger

import (
	"context"
	"time"

	"newsletter/shared/alert"
	"newsletter/shared/config"
	"newsletter/shared/notify"
	"newsletter/shared/outbound"
	"newsletter/shared/outbox"
	"newsletter/shared/webhook"
)

// Notification is one stage of an alert on its way to the owner.
type Notification struct {
	ID    string // the same at every attempt
	Alert alert.Alert
	Stage alert.Stage
}

// Notifier tells one channel. It is safe for concurrent use.
type Notifier func(ctx context.Context, n Notification) error

// Read returns the channels that the variables set up, by their names in the outbox. Mistakes are added to env.
func Read(env *config.Env, now func() time.Time) map[string]Notifier {
	guard := config.Read[outbound.Config](env)
	client := outbound.New(guard, nil)
	all := map[string]Notifier{}
	channels, err := notify.Channels(config.Read[notify.Config](env), guard, client)
	env.Add(err)
	for name, channel := range channels {
		all[name] = Post(channel)
	}
	endpoints, err := webhook.Endpoints(config.Read[webhook.Config](env), guard, client, now)
	env.Add(err)
	for name, endpoint := range endpoints {
		all[name] = Call(endpoint)
	}
	if cfg := config.Read[notify.TopicConfig](env); cfg.Enabled() {
		all[outbox.SNS] = Post(notify.NewTopic(cfg))
	}
	return all
}

// Poster takes messages: a chat or a topic.
type Poster interface {
	Post(ctx context.Context, m notify.Message) error
}

// Post tells whoever takes messages.
func Post(to Poster) Notifier {
	return func(ctx context.Context, n Notification) error { return to.Post(ctx, n.message()) }
}

func (n Notification) message() notify.Message {
	m := notify.Message{Level: notify.Warning, Title: n.Alert.Title(n.Stage), Lines: n.Alert.Lines(n.Stage)}
	switch {
	case n.Stage == alert.Closed:
		m.Level = notify.Good
	case n.Alert.Level == alert.Alarm:
		m.Level = notify.Alarm
	}
	return m
}

// Call tells an owner's own service.
func Call(to *webhook.Endpoint) Notifier {
	return func(ctx context.Context, n Notification) error {
		return to.Send(ctx, n.ID, webhook.Event{
			Type: "alert." + string(n.Stage), At: n.Alert.At(n.Stage), EventID: n.Alert.ID.String(),
			Data: map[string]string{
				"rule": string(n.Alert.Rule), "subject": n.Alert.Subject, "severity": string(n.Alert.Level), "summary": n.Alert.Summary,
			},
		})
	}
}
