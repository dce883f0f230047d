package main

import (
	"context"

	"newsletter/shared/admission"
	"newsletter/shared/captcha"
	"newsletter/shared/config"
	"newsletter/shared/httpapi"
	"newsletter/shared/lambdafn"
	"newsletter/shared/token"
	"newsletter/shared/visitor"
)

func open(ctx context.Context, env *config.Env) (lambdafn.Function, error) {
	limits, ring := config.Read[admission.SubscribeLimits](env), token.ReadRing(env, token.Confirm)
	form := config.Read[captcha.FormConfig](env)
	service, err := visitor.Open(ctx, env, visitor.Config{Endpoint: admission.Confirm, Limits: limits.Policies})
	if err != nil {
		return lambdafn.Function{}, err
	}
	h := &handler{service, ring, form.Provider != ""}
	return service.Function(httpapi.Route{Path: httpapi.ConfirmPath, GET: h.show, POST: h.act}), nil
}
