package main

import (
	"context"

	"newsletter/shared/admission"
	"newsletter/shared/config"
	"newsletter/shared/field"
	"newsletter/shared/httpapi"
	"newsletter/shared/lambdafn"
	"newsletter/shared/outbox"
	"newsletter/shared/privacy"
	"newsletter/shared/subscription"
	"newsletter/shared/token"
	"newsletter/shared/visitor"
)

func open(ctx context.Context, env *config.Env) (lambdafn.Function, error) {
	limits, cfg, vault := config.Read[admission.PrivacyLimits](env), config.Read[privacy.Config](env), outbox.ReadVault(env)
	fields := config.Read[field.Config](env).Declarations()
	export, erase := token.ReadRing(env, token.Export), token.ReadRing(env, token.Erase)
	service, err := visitor.Open(ctx, env, visitor.Config{Endpoint: admission.Privacy, Limits: limits.Policies})
	if err != nil {
		return lambdafn.Function{}, err
	}
	h := &handler{service, subscription.NewEraser(service.Store, vault), export, erase, cfg, fields}
	return service.Function(httpapi.Route{Path: httpapi.PrivacyPath, GET: h.show, POST: h.act}), nil
}
