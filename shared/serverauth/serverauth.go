// Package serverauth authenticates servers by their keys, the same way in each function that accepts keys.
//
// A key is authentic without I/O, before any limit counts it. Its row is checked by the statement that reads what the
// request is about: the caller passes that error to Problem.
//
// Failure policy: a malformed, forged, unknown or revoked key has one answer, a 401.
package serverauth

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"newsletter/shared/apikey"
	"newsletter/shared/httpapi"
	"newsletter/shared/lambdafn"
	"newsletter/shared/telemetry"
)

// Authenticate returns the key of a request, or nil if it has none. It notes the key's id in the log line, and never the
// key. The error is a 401; a 403 for a key without the scope, and for one that a page sends; or keyring.ErrReload.
func Authenticate(ctx context.Context, r *httpapi.Request, ring *apikey.Ring, scope apikey.Scopes) (*apikey.Key, error) {
	text, sent := r.ServerKey()
	if !sent {
		return nil, nil //nolint:nilnil // no key
	}
	key, err := ring.Verify(ctx, text, time.Now())
	if err != nil {
		return nil, Problem(ctx, err, scope)
	}
	lambdafn.Note(ctx, slog.String("key_id", key.ID.String()))
	switch {
	case r.Origin != "":
		telemetry.SecurityEvent(ctx, "key_in_page")
		return nil, httpapi.KeyInPage()
	case !key.Scopes.Has(scope):
		return nil, Problem(ctx, apikey.ErrScope, scope)
	}
	return &key, nil
}

// Problem returns the problem for apikey.ErrInvalid and apikey.ErrScope, and any other error unchanged.
func Problem(ctx context.Context, err error, scope apikey.Scopes) error {
	switch {
	case errors.Is(err, apikey.ErrInvalid):
		telemetry.SecurityEvent(ctx, "key_invalid")
		return httpapi.Unauthorized()
	case errors.Is(err, apikey.ErrScope):
		telemetry.SecurityEvent(ctx, "key_scope")
		return httpapi.MissingScope(scope.String())
	}
	return err
}
