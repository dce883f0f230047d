package main

import (
	"context"
	"time"

	"newsletter/shared/admission"
	"newsletter/shared/captcha"
	"newsletter/shared/config"
	"newsletter/shared/httpapi"
	"newsletter/shared/lambdafn"
	"newsletter/shared/outbound"
	"newsletter/shared/subscription"
	"newsletter/shared/visitor"
)

func open(ctx context.Context, env *config.Env) (lambdafn.Function, error) {
	limits, signUps := config.Read[admission.SubscribeLimits](env), config.Read[admission.SignUpConfig](env)
	domainLimit, captchaConfig := config.Read[subscription.DomainLimit](env), config.Read[captcha.Config](env)
	optIn := config.Read[subscription.SignUpConfig](env).OptIn
	captchaConfig.URL = config.Read[outbound.Config](env).Service("captcha/siteverify", "")
	service, err := visitor.Open(ctx, env, visitor.Config{Endpoint: admission.Subscribe, Limits: limits.Policies, DomainLimit: domainLimit})
	if err != nil {
		return lambdafn.Function{}, err
	}
	service.Admission = service.Admission.SignUps(signUps, verifier(captchaConfig))
	h := &handler{service, optIn}
	return service.Function(httpapi.Route{Path: httpapi.SubscribePath, POST: h.subscribe}), nil
}

// verifier returns an untyped nil if no CAPTCHA is configured.
func verifier(cfg captcha.Config) admission.Verifier {
	if v := captcha.New(cfg, time.Now); v != nil {
		return v
	}
	return nil
}
