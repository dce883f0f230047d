package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/uuid"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/apikey"
)

// byKey returns a sign-up by a server on behalf of a visitor.
func byKey(t *testing.T, key, email, visitor string) events.APIGatewayV2HTTPRequest {
	t.Helper()
	event := post(t, `{"email":"`+email+`","visitor":{"address":"`+visitor+`","user_agent":"Visitor/1.0"}}`)
	event.Headers["authorization"] = "Bearer " + key
	delete(event.Headers, "origin")
	return event
}

func TestServerSignsAVisitorUp(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	text, key := b.Key(apikey.SignUp)
	functiontest.ExpectResponse(t, "by key", functiontest.Serve(t, b.Open(open).HTTP, byKey(t, text, "jane@example.org", "203.0.113.7")), 202, `"accepted"`)
	b.ExpectState("jane@example.org pending", "requested:confirmation_queued", "email.confirm") // double opt-in stays
	got := b.Strings(`select host(c.ip) || ' ' || c.user_agent || ' ' || e.channel || ' ' || (e.data ->> 'key_id')
		from ledger_events e join event_context c on c.event_id = e.id`)
	if want := "203.0.113.7 Visitor/1.0 api " + key.ID.String(); got[0] != want {
		t.Errorf("recorded %s, want %s", got[0], want)
	}
	if all := strings.Join(b.Strings(`select to_jsonb(e)::text from ledger_events e`), ""); strings.Contains(all, text[8:30]) {
		t.Error("the key is in the ledger")
	}
}

func TestInvalidKeysHaveOneAnswer(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	valid, key := b.Key(apikey.SignUp)
	revoked, other := b.Key(apikey.SignUp)
	b.Exec(`update api_keys set revoked_at = now() where id = $1::uuid`, other.ID.String())
	leaked, _ := apikey.ReadRing(b.Env()).Mint(uuid.Must(uuid.NewV7()), apikey.SignUp)
	again, _ := apikey.ReadRing(b.Env()).Mint(key.ID, apikey.SignUp)
	stranger := functiontest.New(t)
	foreign, _ := stranger.Key(apikey.SignUp)
	forged := []byte(valid)
	forged[len(forged)-6] ^= 1
	b.Variables["LIMITS_SUBSCRIBE"] = "1/10m@host"
	api, before := b.Open(open).HTTP, b.CountRows()
	for name, text := range map[string]string{
		"no key": "nlk_abc", "truncated": valid[:len(valid)-5], "forged": string(forged), "of another ring": foreign,
		"minted with a leaked ring": leaked, "minted for an id with a leaked ring": again, "revoked": revoked,
	} {
		got := functiontest.Serve(t, api, byKey(t, text, "jane@example.org", "203.0.113.7"))
		functiontest.ExpectResponse(t, name, got, http.StatusUnauthorized, `"type":"urn:newsletter:problem:invalid-key"`)
		if got.Response.Headers["Www-Authenticate"] != "Bearer" || strings.Contains(got.Response.Body, text) && text != "" {
			t.Errorf("%s: %v %s", name, got.Response.Headers, got.Response.Body)
		}
	}
	b.ExpectRows(before)
	// None of them counts against the visitor that it named.
	functiontest.ExpectResponse(t, "valid", functiontest.Serve(t, api, byKey(t, valid, "jane@example.org", "203.0.113.7")), 202, `"accepted"`)
	b.Exec(`update api_keys set revoked_at = now() where id = $1::uuid`, key.ID.String())
	functiontest.ExpectResponse(t, "revoked since", functiontest.Serve(t, api, byKey(t, valid, "joe@example.org", "203.0.113.8")), 401, "invalid-key")
}

// TestOtherCredentialsAreIgnored checks that what a page's library sends of its own site refuses no visitor, and lets nobody
// name one.
func TestOtherCredentialsAreIgnored(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	api := b.Open(open).HTTP
	for i, credential := range []string{"Bearer eyJhbGciOiJIUzI1NiJ9.e30.x", "Bearer", "Basic bmxrXw==", "nlk_x", ""} {
		event := functiontest.SampleHTTP(t, "subscribe", "json-minimal", "")
		event.Headers["authorization"], event.Headers["origin"] = credential, "https://www.example.org"
		functiontest.ExpectResponse(t, credential, functiontest.Serve(t, api, event), http.StatusAccepted, `"accepted"`)
		named := byKey(t, "", fmt.Sprintf("jane%d@example.org", i), "203.0.113.7")
		named.Headers["authorization"] = credential
		functiontest.ExpectResponse(t, credential+", with a visitor", functiontest.Serve(t, api, named), http.StatusUnprocessableEntity, `"#/visitor"`)
	}
}

func TestWhatAKeyDoesNotAllow(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	reader, _ := b.Key(apikey.Read | apikey.Suppressions)
	text, _ := b.Key(apikey.SignUp)
	api, before := b.Open(open).HTTP, b.CountRows()
	functiontest.ExpectResponse(t, "another scope", functiontest.Serve(t, api, byKey(t, reader, "jane@example.org", "203.0.113.7")), 403, "scope signup")
	page := byKey(t, text, "jane@example.org", "203.0.113.7")
	page.Headers["origin"] = "https://www.example.org"
	functiontest.ExpectResponse(t, "from a page", functiontest.Serve(t, api, page), 403, "key-in-page")
	form := functiontest.SampleHTTP(t, "subscribe", "form", "")
	delete(form.Headers, "origin")
	form.Headers["authorization"] = "Bearer " + text
	if got := api.Serve(t.Context(), form); got.Response.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("a form: %d", got.Response.StatusCode)
	}
	for name, address := range map[string]string{"none": "", "no address": "jane", "unspecified": "0.0.0.0", "multicast": "ff02::1", "with a port": "203.0.113.7:80"} {
		functiontest.ExpectResponse(t, name, functiontest.Serve(t, api, byKey(t, text, "jane@example.org", address)), 422, `"pointer":"#/visitor/address"`)
	}
	nobody := byKey(t, text, "", "")
	nobody.Body = `{"email":"jane@example.org"}`
	functiontest.ExpectResponse(t, "no visitor", functiontest.Serve(t, api, nobody), 422, `"pointer":"#/visitor"`)
	functiontest.ExpectResponse(t, "a visitor without a key", functiontest.Serve(t, api, post(t, `{"email":"jane@example.org","visitor":{"address":"203.0.113.7"}}`)),
		422, `"pointer":"#/visitor"`)
	b.ExpectRows(before)
	basic := post(t, `{"email":"jane@example.org"}`) // a browser sends it to a protected site
	basic.Headers["authorization"] = "Basic amFuZTpkb2U="
	functiontest.ExpectResponse(t, "another scheme", functiontest.Serve(t, api, basic), 202, `"accepted"`)
}

// TestVisitorsOfAServerAreNetworks checks that 70 visitors through one server are 70 networks, and that one of them has the
// limits that it has without the server.
func TestVisitorsOfAServerAreNetworks(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	text, _ := b.Key(apikey.SignUp)
	api := b.Open(open).HTTP
	for i := range 70 {
		got := functiontest.Serve(t, api, byKey(t, text, fmt.Sprintf("a%d@gmail.com", i), fmt.Sprintf("198.18.%d.1", i)))
		functiontest.ExpectResponse(t, fmt.Sprint("visitor ", i), got, 202, `"accepted"`)
	}
	for i := range 61 {
		status, part := 202, `"accepted"`
		if i == 60 {
			status, part = 429, `"violated-policies":["host-10m"]`
		}
		functiontest.ExpectResponse(t, fmt.Sprint("sign-up ", i), functiontest.Serve(t, api, byKey(t, text, fmt.Sprintf("b%d@gmail.com", i), "203.0.113.9")), status, part)
	}
	form := functiontest.SampleHTTP(t, "subscribe", "json-minimal", "")
	form.RequestContext.HTTP.SourceIP = "203.0.113.9"
	functiontest.ExpectResponse(t, "the same visitor by the form", functiontest.Serve(t, api, form), 429, "quota-exceeded")
}

func TestAKeyHasALimit(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Variables["REDIS_URL"] = "" // half of the limits in this process
	text, _ := b.Key(apikey.SignUp)
	api := b.Open(open).HTTP
	for i := range 501 {
		event := byKey(t, text, fmt.Sprintf("a%d@gmail.com", i), fmt.Sprintf("198.18.%d.%d", i%250, i/250))
		got := api.Serve(t.Context(), event)
		if want := map[bool]int{true: 202, false: 429}[i < 500]; got.Response.StatusCode != want {
			t.Fatalf("sign-up %d: %d %s", i, got.Response.StatusCode, got.Response.Body)
		}
		if i == 500 && !strings.Contains(got.Response.Body, `["key-10m"]`) {
			t.Error(got.Response.Body)
		}
	}
	other, _ := b.Key(apikey.SignUp)
	functiontest.ExpectResponse(t, "another key", functiontest.Serve(t, api, byKey(t, other, "jane@gmail.com", "198.18.0.0")), 202, `"accepted"`)
}

// TestServersPassTheProxy checks that a key is enough at the API's own address, and that nothing less is.
func TestServersPassTheProxy(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Variables["PROXY_SECRET"] = strings.Repeat("c", 32)
	text, _ := b.Key(apikey.SignUp)
	api := b.Open(open).HTTP
	functiontest.ExpectResponse(t, "a key", functiontest.Serve(t, api, byKey(t, text, "jane@example.org", "203.0.113.7")), 202, `"accepted"`)
	functiontest.ExpectResponse(t, "no valid key", functiontest.Serve(t, api, byKey(t, text+"A", "jane@example.org", "203.0.113.7")), 401, "invalid-key")
	basic := byKey(t, text, "jane@example.org", "203.0.113.7")
	basic.Headers["authorization"] = "Basic " + text
	functiontest.ExpectResponse(t, "another scheme", functiontest.Serve(t, api, basic), 403, "direct-access")
}

func TestSameResponseInEveryStateByKey(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Activate("active@example.org")
	b.SignUp("pending@example.org")
	text, _ := b.Key(apikey.SignUp)
	api := b.Open(open).HTTP
	bodies := map[string]bool{}
	for _, email := range []string{"new@example.org", "active@example.org", "pending@example.org"} {
		got := functiontest.Serve(t, api, byKey(t, text, email, "203.0.113.7"))
		bodies[fmt.Sprint(got.Response.StatusCode, got.Response.Body)] = true
	}
	if len(bodies) != 1 {
		encoded, _ := json.Marshal(bodies)
		t.Errorf("%s", encoded)
	}
}

func TestServerWithoutADatabase(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	text, _ := b.Key(apikey.SignUp)
	b.Variables["DATABASE_URL"] = "postgres://app:password@" + closedPort + "/newsletter"
	got := functiontest.Serve(t, b.Open(open).HTTP, byKey(t, text, "jane@example.org", "203.0.113.7"))
	if got.Response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("%d %s", got.Response.StatusCode, got.Response.Body)
	}
}
