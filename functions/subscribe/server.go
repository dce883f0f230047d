package main

import (
	"net/netip"

	"newsletter/shared/apikey"
	"newsletter/shared/httpapi"
)

// namedVisitor is the visitor on whose behalf a server signs up.
type namedVisitor struct {
	Address   string `json:"address"`
	UserAgent string `json:"user_agent"`
}

// actFor makes the visitor that a server names the client of the request, so that limits, slots and the proof are about
// the visitor and not about the server. Without a key, nobody may name another client.
func (f signUp) actFor(r *httpapi.Request, key *apikey.Key) *httpapi.FieldError {
	switch {
	case key == nil && f.Visitor != nil:
		return &httpapi.FieldError{Detail: "Only a server with a key can name a visitor.", Pointer: "#/visitor"}
	case key == nil:
		return nil
	case f.Visitor == nil:
		return &httpapi.FieldError{Detail: "A server must name the visitor, with their address.", Pointer: "#/visitor"}
	}
	address, err := netip.ParseAddr(f.Visitor.Address)
	if err != nil || address.IsUnspecified() || address.IsMulticast() {
		return &httpapi.FieldError{Detail: "This must be the visitor's IP address.", Pointer: "#/visitor/address"}
	}
	r.Client, r.UserAgent = address.WithZone("").Unmap(), f.Visitor.UserAgent
	return nil
}
