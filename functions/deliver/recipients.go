package main

import (
	"slices"

	"newsletter/shared/captcha"
	"newsletter/shared/capture"
	"newsletter/shared/config"
	"newsletter/shared/privacy"
)

// captchaConfig is the part of the CAPTCHA's configuration that decides whether its provider receives personal data.
type captchaConfig struct {
	// Provider is turnstile or hcaptcha; every sign-up must then carry its widget's answer. Defaults to none.
	Provider captcha.Provider `env:"CAPTCHA_PROVIDER"`
	// SendIP passes the visitor's network address to the provider. Defaults to false.
	SendIP bool `env:"CAPTCHA_SEND_IP" envDefault:"false"`
}

// readRecipients returns the services that receive personal data under this configuration. deliver derives them, because
// only deliver has the keys of most of them.
func readRecipients(env *config.Env, s sender, heard listeners, vector bool) []privacy.Service {
	var challenge captchaConfig
	env.Read(&challenge)
	all := []privacy.Service{privacy.SES}
	if _, byLoops := s.(loopsSender); byLoops {
		all = []privacy.Service{privacy.LoopsEmail}
	}
	for name, l := range heard {
		switch service := privacy.Service(name); {
		case l.tell == nil || name == "journal": // receives no events of subscribers, or is the owner's own bucket
		case slices.Contains(privacy.Services(), service):
			all = append(all, service)
		default: // each webhook has a name of its own
			all = append(all, privacy.Webhook)
		}
	}
	if vector {
		all = append(all, privacy.Vector)
	}
	if challenge.Provider != "" && challenge.SendIP {
		all = append(all, privacy.Service(challenge.Provider))
	}
	if !capture.ReadConfig(env).DSN.IsZero() {
		all = append(all, privacy.Sentry)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
