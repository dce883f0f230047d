package loops

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
)

// PropertyType is the type of a custom property.
type PropertyType string

// The types that are used.
const (
	StringProperty  PropertyType = "string"
	BooleanProperty PropertyType = "boolean"
	DateProperty    PropertyType = "date"
)

// Property is a property of a contact. A custom one is created in the account before its first value.
type Property struct {
	Name string // in camel case
	Type PropertyType
	// Value is a text, true or false; nil resets the property. A date is a time of RFC 3339.
	Value any
}

// linkProperty is the name of the custom property with the unsubscribe link.
const linkProperty = "unsubscribeUrl"

// properties returns all properties of a subscriber.
func (s Subscriber) properties() []Property {
	var all []Property
	if s.UnsubscribeURL != "" {
		all = append(all, Property{linkProperty, StringProperty, s.UnsubscribeURL})
	}
	return append(all, s.Properties...)
}

// MarshalJSON implements json.Marshaler.
func (u update) MarshalJSON() ([]byte, error) {
	type members update
	encoded, err := json.Marshal(members(u))
	if err != nil || len(u.properties) == 0 {
		return encoded, err
	}
	all, body := map[string]any{}, map[string]json.RawMessage{}
	for _, p := range u.properties {
		all[p.Name] = p.Value
	}
	if err := json.Unmarshal(encoded, &body); err != nil {
		return nil, err
	}
	for name, member := range body { // a property never replaces a member
		all[name] = member
	}
	return json.Marshal(all)
}

// createProperties creates the custom properties, except those that this Client has created. Loops answers 400 if one
// exists, also for its own, such as firstName.
func (l *Client) createProperties(ctx context.Context, all []Property) error {
	for _, p := range all {
		if _, created := l.created.Load(p.Name); created {
			continue
		}
		body := map[string]string{"name": p.Name, "type": string(p.Type)}
		err := l.call(ctx, call{method: http.MethodPost, path: "/api/v1/contacts/properties", body: body})
		if response, ok := errors.AsType[*responseError](err); err != nil && (!ok || response.status != http.StatusBadRequest) {
			return err
		}
		l.created.Store(p.Name, true)
	}
	return nil
}
