package loops

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"newsletter/shared/outbox"
)

// Email is a transactional mail to one person, written over there.
type Email struct {
	To string
	// TransactionalID names the mail over there.
	TransactionalID string
	// Variables fill its data variables. All that it has must be there.
	Variables map[string]string
	// Key is the same for every try, so that Client sends one mail: 1 to 100 letters. Client keeps it for a day.
	Key string
}

// Send has a mail sent. A mail whose key Client knows was sent before, which is success. It makes nobody a contact. The
// error is a *outbox.Failure.
func (l *Client) Send(ctx context.Context, m Email) error {
	err := l.call(ctx, call{method: http.MethodPost, path: "/api/v1/transactional", key: m.Key, body: map[string]any{
		"email": m.To, "transactionalId": m.TransactionalID, "addToAudience": false, "dataVariables": m.Variables,
	}})
	answer, ok := errors.AsType[*answerError](err)
	switch {
	case !ok:
		return err
	case answer.status == http.StatusConflict:
		return nil
	case answer.status == http.StatusNotFound, answer.status == http.StatusBadRequest && isAboutTemplate(answer.path):
		return &outbox.Failure{Cause: "not_set_up", NeedsOwner: true, Err: answer}
	}
	return err
}

// aboutTheMail says whether a refusal is about how the mail is written over there, which the owner can change, and not
// about who it goes to.
func isAboutTemplate(path string) bool {
	return strings.HasPrefix(path, "transactionalId") || strings.HasPrefix(path, "dataVariables")
}
