package main

import (
	"context"
	"encoding/json"
	"net/http"

	"newsletter/shared/httpapi"
	"newsletter/shared/privacy"
	"newsletter/shared/token"
	"newsletter/shared/visitor"
)

// copyOf returns all data stored about the subscriber, as a file.
func (h *handler) copyOf(ctx context.Context, r *httpapi.Request, link token.Link) (*httpapi.Response, error) {
	uses, err := privacy.Uses(ctx, h.DB)
	if err != nil {
		return nil, err
	}
	record, err := h.Store.Export(ctx, link, visitor.Visit(r, "link"))
	if err != nil {
		return h.InvalidLink(ctx, r, err, requestPage)
	}
	document := h.config.Describe(privacy.Document{
		Profile: record.Profile, Events: record.Events, Deliveries: record.Deliveries, Engagement: record.Engagement,
		Suppressions: record.Suppressions, PrivacyRequests: record.PrivacyRequests, Identities: record.Identities,
		EmailLog: record.EmailLog, Erasures: record.Erasures, RequestedFields: record.RequestedFields, Fields: h.fields,
	}, h.Translations.Footer, uses, r.Time)
	body, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		return nil, err
	}
	response := httpapi.Text(http.StatusOK, string(body)).WithOutcome("exported")
	response.Header.Set("Content-Type", "application/json; charset=utf-8")
	response.Header.Set("Content-Disposition", `attachment; filename="my-data.json"`)
	return response, nil
}
