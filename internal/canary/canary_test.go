package canary_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"newsletter/internal/canary"
	"newsletter/shared/token"
)

var ring = func() *token.Ring {
	ring, err := token.NewRing(token.Confirm, "test:"+strings.Repeat("c2VjcmV0", 6), nil)
	if err != nil {
		panic(err)
	}
	return ring
}()

// link returns the token of a real link.
func link() string {
	return ring.Sign(token.Claims{Link: token.Link{SubscriberID: uuid.New(), EventID: uuid.New(), Epoch: 1}, Expires: time.Now().Add(time.Hour)})
}

const key = "q7Xv0ZcK3mTf9sLwR2yBn8HdUeJ5gPaVbQ1oMiCtX4k"

func TestShapes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]canary.Shape{
		"refused jane@example.org":                        canary.Address,
		`{"to":"Jane.Doe+tag@mail.example.co.uk"}`:        canary.Address,
		"?email=jane%40example.org":                       canary.Address,
		"?next=%3Femail%3Djane%2540example.org":           canary.Address,
		`{"email":"jane\u0040example.org"}`:               canary.Address,
		`{"text":"jane\\@example\\.org"}`:                 canary.Address, // Discord's escapes in JSON
		"jane&#64;example.org":                            canary.Address,
		"jané@exämple.org":                                canary.Address,
		"body amFuZS5kb2VAZXhhbXBsZS5vcmcu end":           canary.Address,
		"dial tcp 192.0.2.7:5432: refused":                canary.Network,
		"for=\"[2001:db8::7]\"":                           canary.Network,
		"2001:0DB8:0000:0000:0000:0000:0000:0007 said":    canary.Network,
		"from ::ffff:192.0.2.7":                           canary.Network,
		"peer fe80::1":                                    canary.Network,
		"GET /api/newsletter/confirm?token=" + link():     canary.Token,
		"half of one: " + link()[:70]:                     canary.Token,
		"password " + key:                                 canary.Key,
		"digest " + strings.Repeat("0a1b2c3d", 8):         canary.Key,
		"2026-11-25T15:48:18.603491Z 12:30:45":            "",
		"pgx/v5@v5.12.0/conn.go go1.26.8 1.2.3":           "",
		"select $1::text::uuid, 'a'::jsonb":               "",
		"v120.0.0.1 at 0.0.0.0":                           "",
		"request 3f1e0e6a-55c0-4a0e-9a3c-0b6d1c6f7a10":    "",
		"Root=1-5759e988-bd862e3fe1be46a994272793":        "",
		"/api/newsletter/unsubscribe @ 5 % done, a :: b":  "",
		"TestEverybodyOutsideHearsOfChangesInTheWholeRun": "",
		"newsletter/shared/subscription.(*Store).Request": "",
	} {
		found := canary.Inspect(canary.Entry{Sink: canary.Log, Text: text}, nil)
		switch {
		case want == "" && len(found) > 0:
			t.Errorf("%q: found %v", text, found)
		case want != "" && (len(found) == 0 || found[0].What != string(want)):
			t.Errorf("%q: found %v, want a %s", text, found, want)
		}
	}
}

// TestSpellingsOfAPlantedValue checks that a planted value is found in every spelling, even without a recognizable
// shape.
func TestSpellingsOfAPlantedValue(t *testing.T) {
	t.Parallel()
	planted := []canary.Value{
		canary.Plant("address", canary.Address, "Canary.Bird@Example.org"),
		canary.Plant("visitor", canary.Network, "203.0.113.77"),
		canary.Plant("visitor by IPv6", canary.Network, "2001:db8:77::5"),
		canary.Plant("password", canary.Key, "a plain <word> & more"),
	}
	for text, name := range map[string]string{
		"CANARY.BIRD@EXAMPLE.ORG":                                                            "address",
		"canary.bird=40example.org":                                                          "address",
		"63616e6172792e62697264406578616d706c652e6f":                                         "",
		"63616e6172792e62697264406578616d706c652e6f7267":                                     "",
		"43616e6172792e42697264404578616d706c652e6f7267":                                     "address", // in hexadecimal
		"x" + base64.StdEncoding.EncodeToString([]byte("?x="+"Canary.Bird@Example.org&y=1")): "address",
		base64.URLEncoding.EncodeToString([]byte(`{"e":"Canary.Bird@Example.org"}`)):         "address",
		"%43%61%6e%61%72%79%2e%42%69%72%64%40%45%78%61%6d%70%6c%65%2e%6f%72%67":              "address",
		"sha256 " + "f6ad8ff36e26d2a9b7cd6d2d0d90cdd0f96c5f1c8c5b2f6e8b3f0a2c1d4e5f60":       "",
		"network 3405803853":                         "visitor",
		"host-203-0-113-77.example.net":              "visitor",
		"2001:0DB8:0077:0000:0000:0000:0000:0005":    "visitor by IPv6",
		"a plain \\u003cword\\u003e \\u0026 more":    "password",
		"a plain &lt;word&gt; &amp; more":            "password",
		"a+plain+%3Cword%3E+%26+more":                "password",
		"a plain word and more; 203.0.113.7; canary": "",
	} {
		var found []string
		for _, f := range canary.Inspect(canary.Entry{Sink: canary.Log, Text: text}, planted) {
			if strings.HasPrefix(f.What, "planted ") {
				found = append(found, f.What)
			}
		}
		if name == "" && len(found) > 0 || name != "" && (len(found) != 1 || !strings.HasPrefix(found[0], "planted "+name+" ")) {
			t.Errorf("%q: found %v, want %q", text, found, name)
		}
	}
}

// TestFindingsAreRedacted checks that a finding contains the place and not the value.
func TestFindingsAreRedacted(t *testing.T) {
	t.Parallel()
	text := "refused jane@example.org from 192.0.2.7 by " + link() + " and " + key
	found := canary.Inspect(canary.Entry{Sink: canary.Sentry, Place: "POST /envelope", Text: text, Package: "internal/e2e"},
		[]canary.Value{canary.Plant("address", canary.Address, "jane@example.org")})
	if len(found) != 5 {
		t.Errorf("%d findings, want four shapes and a planted value: %v", len(found), found)
	}
	for _, f := range found {
		if s := f.String(); strings.Contains(s, "jane") || strings.Contains(s, "192.0") || strings.Contains(s, key) ||
			!strings.Contains(s, "sentry POST /envelope (internal/e2e)") || !strings.Contains(s, "refused [") {
			t.Errorf("finding %s", s)
		}
	}
}

// TestAllowed checks that permitted values are accepted in their place, and nowhere else.
func TestAllowed(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		sink        canary.Sink
		place, text string
		allowed     bool
	}{
		{canary.SES, "POST /ses", "jane@example.org", true},
		{canary.SES, "POST /ses", "192.0.2.7", false},
		{canary.SES, "POST /ses", "http://127.0.0.1:3000/confirm?token=" + link(), true},
		{canary.SES, "POST /ses", "you asked from 127.0.0.1", false},
		{canary.Answer, "GET /api/newsletter/confirm 200", link(), false},
		{canary.Problem, "GET /api/newsletter/confirm 404", link(), false},
		{canary.Answer, "POST /api/newsletter/subscribe 202", "jane@example.org", false},
		{canary.Answer, "POST /api/newsletter/privacy 200", "jane@example.org", true},
		{canary.Database, "subscribers.email of t_x", "jane@example.org", true},
		{canary.Database, "subscribers.source of t_x", "jane@example.org", false},
		{canary.Database, "subscribers.email of t_x", "192.0.2.7", false},
		{canary.Database, "event_context.ip of t_x", "192.0.2.7", true},
		{canary.Database, "outbox.sealed of t_x", "jane@example.org", false},
		{canary.Loops, "PUT /api/v1/contacts/update", "jane@example.org", true},
		{canary.Webhook, "POST /webhook", "jane@example.org", false},
		{canary.Sentry, "POST /api/1/envelope/", `{"dsn":"https://0123@127.0.0.1:1/1"}`, true},
	} {
		if found := canary.Inspect(canary.Entry{Sink: test.sink, Place: test.place, Text: test.text}, nil); (len(found) == 0) != test.allowed {
			t.Errorf("%s %s: %.40q: %v", test.sink, test.place, test.text, found)
		}
	}
}
