package visitor

import (
	"context"
	"errors"
	"net/http"

	"newsletter/shared/admission"
	"newsletter/shared/catalog"
	"newsletter/shared/httpapi"
	"newsletter/shared/subscription"
)

// LinkRequest is a request for a link by email.
type LinkRequest struct {
	Address subscription.Address
	Email   subscription.Email
	Signals httpapi.BotSignals
	Cleaned []string // the fields that were cleaned
	Channel string
}

// SendLink enqueues an email with a link if the address is known. The response does not reveal whether it is: message
// as JSON, or the page.
func (s *Service) SendLink(
	ctx context.Context, r *httpapi.Request, l LinkRequest, message string, page func(*catalog.Translation) catalog.Page,
) (*httpapi.Response, error) {
	request := admission.Request{Client: r.Client, Honeypot: l.Signals.Website, StartedAt: l.Signals.StartedAt.Time}
	return s.Admit(ctx, request, func(d admission.Decision) (*httpapi.Response, error) {
		outcome, err := s.Store.RequestLink(ctx, subscription.LinkRequest{
			Address: l.Address, Email: l.Email, Visit: Visit(r, l.Channel), Reasons: d.Reasons, Cleaned: l.Cleaned,
			Hold: d.HoldReason(),
		})
		if err != nil {
			return nil, err
		}
		return s.Respond(r, http.StatusAccepted, State{"accepted", message}, func(t *catalog.Translation) Page {
			return Page{Text: page(t)}
		}).WithOutcome(string(outcome)), nil
	})
}

// ParseAddress parses the address that a visitor entered in the field "email".
func ParseAddress(typed string) (subscription.Address, *httpapi.FieldError) {
	address, err := subscription.ParseAddress(typed)
	if invalid, ok := errors.AsType[*subscription.AddressError](err); ok {
		return address, &httpapi.FieldError{Detail: invalid.Detail, Pointer: "#/email", Code: invalid.Reason}
	}
	return address, nil
}
