package main

import (
	"context"

	"newsletter/shared/admission"
	"newsletter/shared/captcha"
	"newsletter/shared/config"
	"newsletter/shared/httpapi"
	"newsletter/shared/lambdafn"
	"newsletter/shared/token"
	"newsletter/shared/unsubscribequeue"
	"newsletter/shared/visitor"
)

func open(ctx context.Context, env *config.Env) (lambdafn.Function, error) {
	limits, ring := config.Read[admission.UnsubscribeLimits](env), token.ReadRing(env, token.Unsubscribe)
	form, queue := config.Read[captcha.FormConfig](env), unsubscribequeue.New(config.Read[unsubscribequeue.Config](env))
	service, err := visitor.Open(ctx, env, visitor.Config{Endpoint: admission.Unsubscribe, Limits: limits.Policies})
	if err != nil {
		return lambdafn.Function{}, err
	}
	h := &handler{service, ring, form.Provider != "", queue}
	function := service.Function(httpapi.Route{Path: httpapi.UnsubscribePath, GET: h.show, POST: h.act})
	function.Event = h.apply
	return function, nil
}
