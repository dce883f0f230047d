package main

import (
	"slices"
	"time"

	"newsletter/shared/config"
	"newsletter/shared/ga4"
	"newsletter/shared/journal"
	"newsletter/shared/ledger"
	"newsletter/shared/loops"
	"newsletter/shared/notify"
	"newsletter/shared/outbound"
	"newsletter/shared/outbox"
)

// readDestinations returns the configured destinations. It adds mistakes to env.
func readDestinations(env *config.Env) destinations {
	all := destinations{}
	guard := config.Read[outbound.Config](env)
	client := outbound.New(guard, nil)
	if cfg := config.Read[journal.Config](env); cfg.Enabled() {
		j, err := journal.New(cfg)
		env.Add(err)
		all[outbox.Journal] = destination{notify: journalSink{j}.notify, kinds: journaledKinds(), needsPayload: true}
	}
	if cfg := readLoops(env); cfg.Enabled() {
		all[outbox.Loops] = destination{notify: loopsSink{loops.New(cfg, client)}.notify, needsPayload: true}
	}
	if cfg := config.Read[ga4.Config](env); cfg.Enabled() {
		cfg.BaseURL = guard.Service("ga4", "")
		counted := []ledger.Kind{ledger.Requested, ledger.Confirmed, ledger.Unsubscribed}
		all[outbox.GA4] = destination{notify: ga4Sink{ga4.New(cfg, client, time.Now)}.notify, kinds: counted}
	}
	notifiers, err := notify.New(config.Read[notify.Config](env), guard, time.Now)
	env.Add(err)
	for name, n := range notifiers {
		d := destination{notify: ownerSink{n}.notify, notifyAlert: n}
		if name == outbox.SNS { // the topic receives only alerts
			d.notify = nil
		}
		all[name] = d
	}
	return all
}

// accepts reports whether the destination receives events of a kind.
func (l destination) accepts(kind ledger.Kind) bool {
	return l.notify != nil && (len(l.kinds) == 0 || slices.Contains(l.kinds, kind))
}
