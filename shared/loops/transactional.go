package loops

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"newsletter/shared/outbox"
)

// Email is a transactional email, whose template is in Loops.
type Email struct {
	To string
	// TransactionalID is the id of the template in Loops.
	TransactionalID string
	// Variables are the values of all its data variables.
	Variables map[string]string
	// Key is the idempotency key, the same at every attempt: 1 to 100 characters. Loops keeps it for a day.
	Key string
}

// Send sends an email. A repeated key means that it was sent before, which is success. Send creates no contact. The
// error is a *outbox.Failure.
func (l *Client) Send(ctx context.Context, m Email) error {
	err := l.call(ctx, call{method: http.MethodPost, path: "/api/v1/transactional", key: m.Key, body: map[string]any{
		"email": m.To, "transactionalId": m.TransactionalID, "addToAudience": false, "dataVariables": m.Variables,
	}})
	response, ok := errors.AsType[*responseError](err)
	switch {
	case !ok:
		return err
	case response.status == http.StatusConflict:
		return nil
	case response.status == http.StatusNotFound, response.status == http.StatusBadRequest && isAboutTemplate(response.path):
		return &outbox.Failure{Cause: "not_set_up", NeedsOwner: true, Err: response}
	}
	return err
}

// isAboutTemplate reports whether a refusal is about the template, which the owner can change, and not about the
// recipient.
func isAboutTemplate(path string) bool {
	return strings.HasPrefix(path, "transactionalId") || strings.HasPrefix(path, "dataVariables")
}
