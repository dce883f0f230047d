package operate

import (
	"context"
	"net/url"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/field"
	"newsletter/shared/httpapi"
	"newsletter/shared/ledger"
	"newsletter/shared/subscription"
	"newsletter/shared/token"
)

// Export exports one page of the list. The ledger has an event of each, with the number of subscribers.
var Export = record("export", exportPage)

// ExportedStates returns the states that have an address.
func ExportedStates() []subscription.State {
	return []subscription.State{subscription.Active, subscription.Pending, subscription.Unsubscribed, subscription.Suppressed}
}

// ExportSelection selects a page of the list.
type ExportSelection struct {
	States []subscription.State `json:"states"` // at least one of ExportedStates
	// Since and Before limit when subscribers last consented, or asked to if they never confirmed: at or after Since,
	// before Before. Zero: no limit.
	Since  time.Time `json:"since,omitzero"`
	Before time.Time `json:"before,omitzero"`
	// Fields are values of declared fields that subscribers must have, by name; none for all.
	Fields map[string]string `json:"fields,omitempty"`
	// Links adds each subscriber's unsubscribe link (RFC 8058), which any sender's email can carry.
	Links bool `json:"links,omitempty"`
	// After is the last subscriber of the page before; uuid.Nil for the first page.
	After uuid.UUID `json:"after,omitzero"`
}

// ExportedPage is a page of the list, by id.
type ExportedPage struct {
	Subscribers []ExportedSubscriber `json:"subscribers"`
	More        bool                 `json:"more"` // the next page begins after the last subscriber
	// Fields are the names of the declared fields. Values of other fields are left out.
	Fields []string `json:"fields,omitempty"`
}

// ExportedSubscriber is a subscriber with their unsubscribe link.
type ExportedSubscriber struct {
	subscription.ListedSubscriber
	UnsubscribeURL string `json:"unsubscribe_url,omitempty"`
}

// Counts returns the number of subscribers, for the log.
func (p ExportedPage) Counts() map[string]int64 {
	return map[string]int64{"subscribers": int64(len(p.Subscribers))}
}

// maxExported is the number of subscribers in a page, of some 400 bytes each. MaxPayload may end a page earlier.
const maxExported = 5000

func exportPage(ctx context.Context, i *Installation, s ExportSelection) (page ExportedPage, err error) {
	if len(s.States) == 0 {
		return page, Wrong("name at least one state")
	}
	for _, state := range s.States {
		if err := CheckKnown("state", state, ExportedStates()); err != nil {
			return page, err
		}
	}
	if !s.Before.IsZero() && !s.Since.Before(s.Before) {
		return page, Wrong("the period is empty: it must begin before it ends")
	}
	wanted := field.Values{}
	for name, typed := range s.Fields {
		value, err := i.fieldValue(name, typed)
		if err != nil {
			return page, err
		}
		wanted[name] = value
	}
	listed, err := i.store.List(ctx, subscription.ListFilter{States: s.States, Since: s.Since, Before: s.Before, Fields: wanted, After: s.After}, maxExported)
	if err != nil {
		return page, err
	}
	var all []ExportedSubscriber
	for _, l := range listed {
		one := ExportedSubscriber{ListedSubscriber: l}
		one.Fields = l.Fields.Only(i.fields)
		if s.Links {
			one.UnsubscribeURL = i.unsubscribeURL(l)
		}
		all = append(all, one)
	}
	cut, err := list(all)
	if err != nil {
		return page, err
	}
	page = ExportedPage{cut.Rows, len(cut.Rows) < len(listed) || len(listed) == maxExported, i.fields.Names()}
	return page, i.recordExport(ctx, s, page)
}

// unsubscribeURL returns a subscriber's unsubscribe link. It does not expire.
func (i *Installation) unsubscribeURL(l subscription.ListedSubscriber) string {
	signed := i.unsubscribe.Sign(token.Claims{Link: token.Link{SubscriberID: l.ID, Epoch: l.Epoch}})
	return string(i.publicURL) + httpapi.UnsubscribePath + "?token=" + url.QueryEscape(signed)
}

// recordExport records a page before it leaves. A page without subscribers is recorded only if it is the first.
func (i *Installation) recordExport(ctx context.Context, s ExportSelection, page ExportedPage) error {
	if len(page.Subscribers) == 0 && s.After != uuid.Nil {
		return nil
	}
	counts := map[string]int64{}
	for _, state := range slices.Compact(slices.Sorted(slices.Values(s.States))) {
		counts[string(state)] = 0
	}
	for _, one := range page.Subscribers {
		counts[string(one.Status)]++
	}
	id, now := uuid.Must(uuid.NewV7()), i.now()
	return i.db.Batch(ctx, func(b *pgx.Batch) {
		ledger.Append(b, ledger.Event{
			ID: id, At: now, Kind: ledger.ListExported, Actor: ledger.Operator, Channel: "tool", RequestID: "operator",
			Data: ledger.Data{Outcome: "exported", Counts: counts},
		})
	})
}
