package main

import (
	"context"
	"encoding/json"
	"net/http"

	"newsletter/shared/httpapi"
	"newsletter/shared/privacy"
	"newsletter/shared/token"
)

// copyOf returns all data stored about the subscriber, as a file.
func (h *handler) copyOf(ctx context.Context, r *httpapi.Request, claims token.Claims) (*httpapi.Response, error) {
	uses, err := h.uses(ctx)
	if err != nil {
		return nil, err
	}
	record, err := h.store.Export(ctx, claims, visit(r, "link"))
	if err != nil {
		return h.refused(ctx, r, err)
	}
	document := h.config.Describe(privacy.Document{
		Profile: record.Profile, Events: record.Events, Deliveries: record.Deliveries, Engagement: record.Engagement,
		Suppressions: record.Suppressions, PrivacyRequests: record.PrivacyRequests,
	}, h.translations.Footer, uses, r.Time)
	body, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		return nil, err
	}
	response := httpapi.Text(http.StatusOK, string(body)).WithOutcome("exported")
	response.Header.Set("Content-Type", "application/json; charset=utf-8")
	response.Header.Set("Content-Disposition", `attachment; filename="my-data.json"`)
	return response, nil
}
