package main

import (
	"context"
	"time"

	"newsletter/shared/alert"
	"newsletter/shared/capture"
	"newsletter/shared/notify"
	"newsletter/shared/outbox"
	"newsletter/shared/webhook"
)

// warn tells one listener of an alert.
func (r *run) warn(ctx context.Context, d outbox.Delivery) (string, error) {
	to, found := r.listeners[d.Kind.Listener()]
	if !found || to.warn == nil { // it was taken out of the set-up since
		return "unwanted", r.queue.Done(ctx, d, "unwanted")
	}
	a, found, err := r.alerts.Get(ctx, d.EventID)
	if err != nil {
		return "error", err // the lease brings it back
	}
	stage := alert.Stage(d.Kind.Alert())
	if !found || stage == alert.Reminded && a.ClosedAt != nil { // it is over, which is told as well
		return "stale", r.queue.Done(ctx, d, "stale")
	}
	began := r.now()
	err = to.warn(ctx, warning{d.ID.String(), d.CreatedAt, a, stage})
	outcome := "warned"
	if err != nil {
		outcome = "failed"
	}
	capture.Breadcrumb(ctx, "warn."+d.Kind.Listener(), outcome, r.now().Sub(began))
	return r.settle(ctx, d, outcome, err)
}

// warning is one stage of an alert on its way to one listener.
type warning struct {
	id    string // the same at every attempt
	at    time.Time
	alert alert.Alert
	stage alert.Stage
}

func (w warning) message() notify.Message {
	m := notify.Message{Level: notify.Warning, Title: w.alert.Title(w.stage), Lines: w.alert.Lines(w.stage)}
	switch {
	case w.stage == alert.Closed:
		m.Level = notify.Good
	case w.alert.Level == alert.Alarm:
		m.Level = notify.Alarm
	}
	return m
}

// poster takes messages: a chat or a topic.
type poster interface {
	Post(ctx context.Context, m notify.Message) error
}

// post makes the warn of a listener that takes messages.
func post(to poster) func(ctx context.Context, w warning) error {
	return func(ctx context.Context, w warning) error { return to.Post(ctx, w.message()) }
}

// warn tells an owner's own service of an alert.
func (c caller) warn(ctx context.Context, w warning) error {
	return c.endpoint.Send(ctx, w.id, webhook.Event{
		Type: "alert." + string(w.stage), At: w.at, EventID: w.alert.ID.String(),
		Data: map[string]string{
			"rule": string(w.alert.Rule), "subject": w.alert.Subject, "level": string(w.alert.Level), "summary": w.alert.Summary,
		},
	})
}
