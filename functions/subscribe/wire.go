package main

import (
	"context"
	"time"

	"newsletter/shared/admission"
	"newsletter/shared/apikey"
	"newsletter/shared/captcha"
	"newsletter/shared/catalog"
	"newsletter/shared/config"
	"newsletter/shared/field"
	"newsletter/shared/httpapi"
	"newsletter/shared/lambdafn"
	"newsletter/shared/ledger"
	"newsletter/shared/outbound"
	"newsletter/shared/subscription"
	"newsletter/shared/visitor"
)

func open(ctx context.Context, env *config.Env) (lambdafn.Function, error) {
	limits, signUps := config.Read[admission.SubscribeLimits](env), config.Read[admission.SignUpConfig](env)
	captchaConfig, keys := config.Read[captcha.Config](env), apikey.ReadRing(env)
	declared := declarations{readSources(env), config.Read[field.Config](env).Declarations()}
	optIn := config.Read[subscription.SignUpConfig](env).OptIn
	captchaConfig.URL = config.Read[outbound.Config](env).Service("captcha/siteverify", "")
	service, err := visitor.Open(ctx, env, visitor.Config{Endpoint: admission.Subscribe, Limits: limits.Policies})
	if err != nil {
		return lambdafn.Function{}, err
	}
	service.Admission = service.Admission.SignUps(signUps, verifier(captchaConfig))
	h := &handler{service, declared, optIn, keys, captchaConfig.Provider != ""}
	return service.Function(httpapi.Route{Path: httpapi.SubscribePath, POST: h.subscribe, AllowBypassByKey: true}), nil
}

// readSources returns the declared sources of sign-ups. The owner's sites are that of SITE_URL, that of the API and the
// allowed origins.
func readSources(env *config.Env) ledger.Declarations {
	declared, owner := config.Read[ledger.SourceConfig](env), config.Read[catalog.Owner](env)
	public, api := config.Read[httpapi.LinkConfig](env), config.Read[httpapi.Config](env)
	return declared.Declare(append([]string{owner.URL, string(public.PublicURL)}, api.AllowedOrigins...)...)
}

// verifier returns an untyped nil if no CAPTCHA is configured.
func verifier(cfg captcha.Config) admission.Verifier {
	if v := captcha.New(cfg, time.Now); v != nil {
		return v
	}
	return nil
}
