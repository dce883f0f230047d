package main

import (
	"slices"

	"newsletter/shared/capture"
	"newsletter/shared/config"
	"newsletter/shared/privacy"
)

// readRecipients returns the services that receive personal data under this configuration. deliver derives them,
// because only deliver has the keys of most of them.
func readRecipients(env *config.Env, s sender, d destinations, vector bool) []privacy.Service {
	all := []privacy.Service{privacy.SES}
	if _, byLoops := s.(loopsSender); byLoops {
		all = []privacy.Service{privacy.LoopsEmail}
	}
	for name, to := range d {
		switch service := privacy.Service(name); {
		case to.deliver == nil || name == "journal": // receives no events of subscribers, or is the owner's own bucket
		case slices.Contains(privacy.Services(), service):
			all = append(all, service)
		default: // each webhook has a name of its own
			all = append(all, privacy.Webhook)
		}
	}
	if vector {
		all = append(all, privacy.Vector)
	}
	if !config.Read[capture.Config](env).DSN.IsZero() {
		all = append(all, privacy.Sentry)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
